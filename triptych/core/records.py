"""Small files that processes tell of themselves in: anybody who may write in the results may have made them.

They are opened only as plain files at their own place (a link, a pipe, a folder is none), read to a bound, and what is
no number or no printable word where one is expected is left out.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from triptych.core.cells import printable

#: Most bytes of a record that are read, and characters of a word in it.
MOST, LONGEST = 1 << 16, 2000

_WORDS = ("since", "what", "born", "why")
#: They stand in a command that users are told to type.
_TYPED = {"slurm_job": re.compile(r"[\w.+-]*", re.ASCII), "host": re.compile(r"[\w.-]{1,255}", re.ASCII)}
_PATHS = ("log", "ran_in")
_NUMBERS = ("pid", "restart")


def open_plain(path: Path, *, write: bool = False) -> IO[str]:
    """Open a record to read, or to read and write; a link at its place is replaced when it is to be written.

    Raises:
        FileNotFoundError: there is none, and none is to be written.
        OSError: it is no plain file, or there is no right.
    """
    how = (os.O_RDWR | os.O_CREAT | os.O_APPEND) if write else os.O_RDONLY
    # Without O_NONBLOCK a pipe would be waited for.
    how |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, how, 0o666)
    except OSError as error:
        if not write or error.errno != errno.ELOOP:
            raise
        path.unlink(missing_ok=True)
        number = os.open(path, how, 0o666)
    # Before it is made a Python file, which a pipe cannot be.
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "no plain file; remove it", str(path))
    return os.fdopen(number, "a+" if write else "r", encoding="utf-8", errors="replace")


def own_folder(path: Path) -> Path:
    """Make a folder in which files are made and removed; a link at its place goes, what it leads to stays.

    Only folders that a stage is known by may lie elsewhere: what is in another place is not ours to clear.
    """
    if path.is_symlink():
        with contextlib.suppress(IsADirectoryError):  # another job has just replaced it
            path.unlink(missing_ok=True)
    path.mkdir(parents=True, exist_ok=True)
    return path


def own_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """The files of a folder whose names are of our form; none of a folder that is a link, or that may not be read."""
    try:
        return [] if folder.is_symlink() else sorted(one for one in folder.iterdir() if names.fullmatch(one.name))
    except OSError:
        return []


def read(handle: IO[str]) -> dict[str, Any]:
    """What a record tells, empty where it is none."""
    handle.seek(0)
    try:
        told = json.loads(handle.read(MOST) or "{}")
    except (ValueError, RecursionError):
        return {}
    return _checked(told) if isinstance(told, dict) else {}


def _checked(told: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _WORDS:
        if isinstance(told.get(name), str):
            found[name] = printable(told[name], LONGEST)
    for name in _PATHS:
        if _is_path(told.get(name)):
            found[name] = told[name]
    for name in _NUMBERS:
        if isinstance(told.get(name), int) and 0 <= told[name] < 1 << 32:
            found[name] = int(told[name])
    for name, form in _TYPED.items():
        if isinstance(told.get(name), str) and form.fullmatch(told[name]):
            found[name] = told[name]
    if isinstance(told.get("writes"), list):
        found["writes"] = [one for one in told["writes"] if _is_path(one)]
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if "when" in told and math.isfinite(when := float(told["when"])):
            found["when"] = when
    # In the order of the file: what is written back is what was there.
    return {name: found[name] for name in told if name in found}


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable() and len(value) <= LONGEST
