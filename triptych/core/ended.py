"""Jobs that stopped with an error since the run began: a record each, until the job succeeds or another run begins.

results/{study}/.live/failed/*.json

Logs tell why a job stopped, but not that it did and is not mended; Snakemake keeps no note of failures that another
program could read. Of a job that was killed nobody writes such a record: `live.recorded` finds it. For one that ended
before it began its Snakemake does (unsaid.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from triptych.core import files, records

#: Most characters of a reason that are kept, and of files that are named.
LONGEST, FILES = 2000, 3
#: Records: digest of the job.
_NAME = re.compile(r"[0-9a-f]{16}\.json")


def name_of(rule: str, wildcards: Any) -> str:
    """How records name a job: its rule and its wildcards (Snakemake's own list of them)."""
    return " ".join([rule, *(f"{name}={value}" for name, value in wildcards.items())])


def stopped(folder: str, what: str, writes: Iterable[str], why: str, log: str | None) -> None:
    """Record that a job stopped.

    Args:
        folder: of the records of a study's processes.
        what: the job: its rule and its wildcards.
        writes: the files that it should have written.
        why: the error in words.
        log: its log.

    Raises:
        OSError: the record cannot be written.
    """
    record = {"what": what, "writes": list(writes)[:FILES], "why": why[:LONGEST], "log": log or "", "when": time.time()}
    path = _path(folder, what)
    records.own_folder(records.own_folder(Path(folder)) / path.parent.name)
    files.replace_text(path, json.dumps(record))


def succeeded(folder: str, what: str) -> None:
    """Forget that a job stopped before."""
    path = _path(folder, what)
    if path in _files(folder):
        with contextlib.suppress(OSError):
            path.unlink()


def recorded(folder: str) -> list[dict[str, Any]]:
    """The jobs that stopped, the latest last. Nothing is written; what is no such record is passed over."""
    found = []
    for path in _files(folder):
        with contextlib.suppress(OSError), records.open_plain(path) as handle:
            told = records.read(handle)
            if "when" in told and "what" in told:
                found.append({"writes": [], "why": "", "log": "", **told})
    return sorted(found, key=lambda one: one["when"])


def forget(folder: str) -> None:
    """Forget all of them: a run that begins tries each job anew that is still wanted."""
    for path in _files(folder):
        with contextlib.suppress(OSError):
            path.unlink()


def _files(folder: str) -> list[Path]:
    return [] if Path(folder).is_symlink() else records.own_files(Path(folder, "failed"), _NAME)


def _path(folder: str, what: str) -> Path:
    return Path(folder, "failed", f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.json")
