"""Jobs of a failed run that said nothing themselves: they ended before their Python had begun.

A job that was cancelled while it waited in line, that asked for what no node has, or whose node lacks the environment
never comes to the point where it would record that it stopped (`ended.stopped`). Snakemake alone knows that it tried.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from triptych.core import ended, live

#: Why a job stopped that had not begun; and one whose own log is there, but no record.
UNBEGUN = "it ended before it began"
UNFOUND = "it began and left no word, or its files were not found after its end"

#: Bytes at the end of a log that are looked at for its last line.
LAST = 4096


def tell(workflow: Any, folder: str, logs: Sequence[str] = ()) -> None:
    """Record each job that Snakemake tried and saw fail, and of which no record tells.

    Args:
        workflow: Snakemake's, after its last job (`onerror`).
        folder: of the records of a study's processes.
        logs: of Snakemake itself, the first for jobs that have no other.
    """
    known = {one["what"] for one in ended.recorded(folder)}
    known |= {one.record.get("what") for one in live.recorded(folder)}
    begun = _written(Path(folder, "run.json"))
    run = live.active_run(folder)
    since = str(run.record.get("since", "")) if run else ""
    for job in _failed(workflow):
        what = ended.name_of(job.rule.name, job.wildcards)
        if what in known:
            continue
        own = next((str(path) for path in job.log if since and _last_line(path) >= since), None)
        slurm = _slurm_log(workflow, job, begun)
        why = UNFOUND if own else UNBEGUN
        if slurm:
            why += "; what SLURM printed is in its log"
        # A full disk, which may be what ended the job, ends no run with a traceback.
        with contextlib.suppress(OSError):
            ended.stopped(folder, what, map(str, job.output), why, _near(slurm or own or next(iter(logs), None)))


def _failed(workflow: Any) -> Iterator[Any]:
    """Jobs whose last attempt failed; those that waited for them were never tried."""
    # Other versions of Snakemake may keep them elsewhere: then nothing is told, as before.
    for job in getattr(getattr(workflow, "scheduler", None), "failed", ()):
        yield from job if job.is_group() else [job]


def _slurm_log(workflow: Any, job: Any, begun: float) -> str | None:
    """What SLURM printed for the last attempt of a job in this run; none for a job that never left the line."""
    # Where the executor for SLURM puts it: its own name of the job's wildcards.
    folder = getattr(getattr(workflow.scheduler, "_executor", None), "slurm_logdir", None)
    if folder is None:
        return None
    place = Path(folder, f"rule_{job.rule.name}", "_".join(map(str, job.wildcards)).replace("/", "_"))
    logs = sorted((written, str(path)) for path in place.glob("*.log") if (written := _written(path)) >= begun)
    return logs[-1][1] if logs else None


def _near(path: str | None) -> str | None:
    """A path as users type it: from the folder that Snakemake works in, where it lies below that."""
    return str(Path(path).relative_to(Path.cwd())) if path and Path(path).is_relative_to(Path.cwd()) else path


def _last_line(path: str) -> str:
    """The last line of a job's log, which begins with its time. Times of the file do not do: Snakemake touches it."""
    try:
        with Path(path).open("rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - LAST))
            return handle.read().decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
    except OSError:
        return ""


def _written(path: Path) -> float:
    """When a file was last written; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
