"""Sha256 of large files, each read once: a digest is remembered while the file's own marks stay what they were.

The marks are place, size, inode, and the times of the last change of content and of the inode itself. A program can
set the first time back, but not the second (`st_ctime`), so that a file which was changed is read again. A file that
changed within the last seconds may change again without its times telling: its digest is not remembered yet.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from triptych.core.files import digest_file, parse_json, read_text, replace_json

#: Seconds for which the times of a file that just changed prove nothing (FAT keeps 2 s, servers have own clocks).
YOUNG = 3.0
#: Most digests that are kept; the oldest go first.
KEPT = 4000

_known: dict[Path, dict[str, str]] = {}


def of(path: Path | str) -> str:
    """Sha256 of a file; links are followed.

    Raises:
        OSError: the file cannot be read.
    """
    real = Path(path).resolve()
    memory = _memory()
    remembered = _known.get(memory)
    if remembered is None:
        remembered = _known[memory] = _read(memory)
    mark = _mark(real)
    if mark in remembered:
        return remembered[mark]
    digest = digest_file(real)
    if _mark(real) == mark and not _young(real):
        remembered[mark] = digest
        _remember(memory, mark, digest)
    return digest


def _mark(real: Path) -> str:
    told = real.stat()
    return f"{real}|{told.st_size}|{told.st_mtime_ns}|{told.st_ctime_ns}|{told.st_ino}"


def _young(real: Path) -> bool:
    told = real.stat()
    return time.time() - max(told.st_mtime, told.st_ctime) < YOUNG


def _memory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "triptych" / "digests.json"


def _read(memory: Path) -> dict[str, str]:
    try:
        found = parse_json(read_text(memory))
        return {str(mark): str(digest) for mark, digest in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _remember(memory: Path, mark: str, digest: str) -> None:
    # Of two writers at the same moment one loses its digest, and a cache that cannot be written keeps none: both cost
    # the time of reading a file again.
    with contextlib.suppress(OSError):
        merged = {**_read(memory), mark: digest}
        replace_json(memory, dict(list(merged.items())[-KEPT:]))
