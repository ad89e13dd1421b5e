"""What a table can hold to attack a run, and what a run left behind."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from harness import Workflow

#: Ids as a stranger may choose them: shells, options, paths, patterns, Snakemake's braces, marks of direction.
IDS = (
    "$(touch CANARY)",
    "`touch CANARY`",
    "a;touch CANARY;b",
    "a|touch CANARY",
    "a&touch CANARY&",
    "a>CANARY",
    "$HOME",
    "${IFS}touch${IFS}CANARY",
    "--exec=touch CANARY",
    "-abc",
    "-o CANARY",
    "../x",
    "../../../../tmp/CANARY",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    "~root",
    "*",
    "a?[b]",
    "{video}",
    "{{wildcards.video}}",
    "{input}",
    "%s%n",
    "a:b",
    "#a",
    "a b",
    "a'b\"c",
    "=cmd()|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "</script><script>x</script>",
    "ünï-视频",
)
COOKIE, TOKEN = "canary-cookie-3f9a", "canary-token-77b1"


class Media(SimpleHTTPRequestHandler):
    """The demo's media, to those who bring the cookie alone."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Cookie", "")))
        return super().do_GET() if COOKIE in self.headers.get("Cookie", "") else self.send_error(403)

    def log_message(self, *arguments):
        pass


@dataclass
class Attacked:
    """What a run left behind.

    Attributes:
        workflow: its study.
        outside: folder around it, which holds what it must not touch.
        before: content of `outside` by name, before the run.
        ran: the process.
        asked: path and cookie of each request to the server.
    """

    workflow: Workflow
    outside: Path
    before: dict[str, bytes]
    ran: subprocess.CompletedProcess
    asked: list[tuple[str, str]] = field(default_factory=list)

    def files(self) -> list[Path]:
        """All files below the run's folder, links not followed."""
        found = []
        for place, folders, names in os.walk(self.workflow.folder):
            found += [Path(place) / name for name in (*folders, *names) if (Path(place) / name).is_symlink()]
            found += [Path(place) / name for name in names if not (Path(place) / name).is_symlink()]
        return found


def content(folder: Path, but: Path) -> dict[str, bytes]:
    """Names and bytes of all files of a folder, without those below `but`."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.is_relative_to(but)
    }
