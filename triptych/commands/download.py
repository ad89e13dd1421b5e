"""A file of known sha256 from a URL: taken up where it broke off, and refused when it is another one."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from triptych.core import digests
from triptych.core.weights import WeightsError

TIMEOUT = 60.0
#: Connections that may break before the next `--fetch` has to take over.
ATTEMPTS = 5


def download(address: str, path: Path, sha256: str, say: Callable[[str], None]) -> None:
    """Bring a file, unless it is here already; what a broken connection left is kept and continued.

    Raises:
        WeightsError: it cannot be fetched, or is another file.
    """
    if path.is_file() and digests.of(path) == sha256:
        say(f"{path}: here, verified")
        return
    say(f"{address} to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    broken: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            _continue(address, partial)
            broken = None
            break
        except urllib.error.HTTPError as error:
            if error.code != 416:  # nothing is left to send: the part is whole, or of another file
                raise WeightsError(f"{address}: the server answered {error.code} {error.reason}") from error
            broken = None
            break
        except (OSError, http.client.HTTPException) as error:
            broken = error
    if broken is not None:
        raise WeightsError(f"{address} cannot be fetched ({broken}); what came is kept, fetch again") from broken
    have = digests.of(partial)
    if have != sha256:
        partial.unlink()
        raise WeightsError(f"{address}: what was sent has sha256 {have}, expected {sha256}; removed")
    partial.replace(path)


def _continue(address: str, partial: Path) -> None:
    start = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        told = answer.headers.get("Content-Length")
        fresh = answer.status != 206
        with partial.open("wb" if fresh else "ab") as handle:
            before = handle.tell()
            shutil.copyfileobj(answer, handle, 1 << 20)
            handle.flush()
            os.fsync(handle.fileno())
            came = handle.tell() - before
    if told is not None and came != int(told):
        raise ConnectionError(f"{came} of {told} bytes came")
