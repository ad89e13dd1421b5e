"""What is remembered of downloads beside the results: failed attempts of a video, and a run that must stop fetching.

Neither is ever an input of a job, so that clocks and counts change nothing downstream. The rules put `token` into the
parameters of a download's job: it grows by one when a recorded failure is due again, and that reruns the job.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from triptych.core import locks
from triptych.core.files import parse_json, read_json, replace_json
from triptych.core.paths import Paths
from triptych.core.status import Outcome, stop

#: Notes of runs older than this many seconds are removed.
RUN_NOTE_AGE = 7 * 24 * 3600.0


def token(paths: Paths, slug: str, params: dict[str, Any], retry_failed: bool = False) -> int:
    """The number of failures of a video that have been taken up again; for the parameters of its job.

    One `stat` for a video that never failed, one small file read for others.

    Args:
        paths: the study's files.
        slug: the video.
        params: the study's `fetch` section; `retry_after_hours` is read.
        retry_failed: the user asks for failed downloads now, permanent ones too.

    Returns:
        The token of the last attempt (0 without one), plus one when its failure is due again.
    """
    seen = _read(paths.attempts(slug))
    used = int(seen.get("token", 0))
    failed_at = seen.get("failed_at")
    if failed_at is None:
        return used
    age = time.time() - float(failed_at)
    due = bool(seen.get("transient")) and not 0 <= age < float(params["retry_after_hours"]) * 3600
    return used + 1 if due or retry_failed else used


def stands(paths: Paths, slug: str, used: int, asked: str) -> bool:
    """Whether the attempt with this token, of the same thing in the same way, has failed already."""
    seen = _read(paths.attempts(slug))
    return seen.get("failed_at") is not None and seen.get("token") == used and seen.get("asked") == asked


def record(paths: Paths, slug: str, used: int, outcome: Outcome, asked: str | None = None) -> None:
    """Note how an attempt with token `used` ended. A first success leaves no file.

    Args:
        paths: the study's files.
        slug: the video.
        used: the attempt's token.
        outcome: how it ended.
        asked: digest of what was asked for, and within which limits.
    """
    path = Path(paths.attempts(slug))
    if outcome.ok and used == 0 and "refetched" not in _read(path):
        path.unlink(missing_ok=True)
        return
    note: dict[str, Any] = {
        "token": used,
        "failed_at": None if outcome.ok else time.time(),
        "transient": outcome.transient,
        "reason": outcome.reason,
        "asked": asked,
    }
    refetched = _read(path).get("refetched")
    if refetched:
        note["refetched"] = refetched
    replace_json(path, note)


def failure(paths: Paths, slug: str) -> tuple[float, bool] | None:
    """When the last attempt failed, in seconds since the epoch, and whether another may mend it; None if none did."""
    seen = _read(paths.attempts(slug))
    failed_at = seen.get("failed_at")
    return None if failed_at is None else (float(failed_at), bool(seen.get("transient")))


def record_refetch(paths: Paths, slug: str, sha256: str, changed: bool) -> None:
    """Note that a source which had been removed was downloaded again."""
    note = _read(paths.attempts(slug)) or {"token": 0, "failed_at": None, "transient": False, "reason": None}
    note["refetched"] = [*note.get("refetched", []), {"sha256": sha256, "changed": changed}]
    replace_json(paths.attempts(slug), note)


def _read(path: Path | str) -> dict[str, Any]:
    """The note of a video or of a run; empty without one, or when it is damaged."""
    try:
        return _whole(read_json(path))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def _whole(found: Any) -> dict[str, Any]:
    """The note if its parts are what they must be, else an empty one."""
    if not isinstance(found, dict):
        return {}
    counts = (found.get("token", 0), found.get("answers_429", 0))
    failed_at = found.get("failed_at")
    right = all(type(one) is int and 0 <= one < 2**53 for one in counts)
    right = right and (failed_at is None or (type(failed_at) in (int, float) and 0 <= failed_at < 2**53))
    right = right and isinstance(found.get("stopped", ""), str) and isinstance(found.get("refetched", []), list)
    return found if right else {}


class RunStop:
    """Whether this run of Snakemake must stop fetching; shared by its jobs through one small locked file.

    Args:
        paths: the study's files.
        run: name of the run (any text); empty: the count is of this job alone.
        limit: answers 429 after which fetching stops.
        wait: most seconds to wait for the file.
    """

    def __init__(self, paths: Paths, run: str, limit: int, wait: float = locks.WAIT) -> None:
        self.limit, self.wait = limit, wait
        self.path: Path | None = None
        self._alone: dict[str, Any] = {}
        if run:
            folder = Path(paths.attempts("x")).parent
            self.path = folder / f".run-{hashlib.sha256(run.encode()).hexdigest()[:16]}.json"

    def check(self) -> None:
        """Raise `failed: fetching_stopped` (transient) when fetching has stopped for this run."""
        if self.stopped:
            raise stop("failed", "fetching_stopped", f"Fetching stopped for this run: {self.stopped}.", transient=True)

    @property
    def stopped(self) -> str | None:
        """Why fetching stopped, or None."""
        return (self._alone if self.path is None else _read(self.path)).get("stopped")

    def count_429(self, host: str) -> bool:
        """Count one answer 429; whether fetching is now stopped."""
        with self._note() as note:
            note["answers_429"] = int(note.get("answers_429", 0)) + 1
            if note["answers_429"] >= self.limit:
                note.setdefault("stopped", f"{note['answers_429']} answers 429 (too many requests), last of {host}")
            return "stopped" in note

    def bot_check(self, host: str) -> None:
        """Stop at once: a site asks for proof of a human visitor."""
        with self._note() as note:
            note.setdefault("stopped", f"{host} asks to confirm that this is no bot")

    @contextlib.contextmanager
    def _note(self):
        """The note, held alone and written back."""
        if self.path is None:
            yield self._alone
            return
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.path.parent)
        with locks.alone(self.path, self.wait) as handle:
            handle.seek(0)
            note: dict[str, Any] = {}
            with contextlib.suppress(ValueError):
                note = _whole(parse_json(handle.read() or "{}"))
            yield note
            handle.seek(0)
            handle.truncate()
            handle.write(json.dumps(note))


def _sweep(folder: Path) -> None:
    """Remove the notes of old runs."""
    for path in folder.glob(".run-*.json"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > RUN_NOTE_AGE:
                path.unlink()
