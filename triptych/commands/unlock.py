"""`triptych unlock`: what `snakemake --unlock` does, for one study and never while a run or a job of it lives."""

from __future__ import annotations

import contextlib
from pathlib import Path

from triptych.commands import begin
from triptych.core import live
from triptych.core.paths import Paths


class InUseError(RuntimeError):
    """Someone works in the results; the message names each process."""


def unlock(paths: Paths, *, force: bool = False) -> list[str]:
    """Remove what a killed run left: Snakemake's locks on the study's files, and the records of dead processes.

    Args:
        paths: of the study.
        force: also when a recorded process of another host may live, which only a file system without locks leaves
            open; a process that is known to live is never overruled.

    Returns:
        What was done, in lines.

    Raises:
        InUseError: a run or a job lives, or may live.
        OSError: a lock cannot be removed.
    """
    run = live.active_run(paths.live)
    _refuse(paths, run, live.jobs(paths.live), force)
    # Taking the run's own place shuts out a run that begins just now.
    try:
        mine = live.begin_run(paths.root, paths.live) if Path(paths.live).is_dir() else None
    except live.RunActive as active:
        raise InUseError(f"not unlocked: {active}") from None
    lines = []
    try:
        if mine and mine.before:
            lines.append(f"the run of {mine.before} was killed")
        for folder in sorted({Path(), *_ran_in(mine, paths)}):
            locks = folder / begin.LOCKS
            if own := begin.own_locks(folder, paths):
                lines.append(f"removed Snakemake's locks in {locks}")
            for path in own:
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                locks.rmdir()  # unless those of other studies are there
        swept = _sweep(paths, force)
        if swept:
            lines.append(f"removed {swept} record{'' if swept == 1 else 's'} of jobs that ended without a word")
    finally:
        if mine:
            mine.end()
    return lines or ["nothing was locked"]


def _refuse(paths: Paths, run: live.Holder | None, jobs: list[live.Holder], force: bool) -> None:
    found = [run, *jobs] if run else jobs
    known = [holder for holder in found if holder.state == "live"]
    if not found or (force and not known):
        return
    lines = [f"not unlocked: {paths.root} is in use", *begin.in_use(run, jobs)]
    if known:
        lines.append(f"wait for the end, or: {begin.ending(known)}")
    else:
        lines.append(f"{begin.NOBODY_KNOWS}. When none does: triptych unlock --force")
    raise InUseError("\n".join(lines))


def _ran_in(run: live.Run | None, paths: Paths) -> list[Path]:
    """The folder that the killed run worked in, when it is another one than this and these are its results.

    A copy of a project has a copy of the record, which names the folder of the original: another run may work there.
    """
    told = run.before.record.get("ran_in") if run and run.before else None
    if not told or Path(told).resolve() == Path.cwd():
        return []
    try:
        return [Path(told)] if Path(told, paths.root).samefile(paths.root) else []
    except OSError:
        return []  # it is gone, or not to be seen from here


def _sweep(paths: Paths, force: bool) -> int:
    """Remove the records of jobs that have ended; with `force` also of those that nobody knows of."""
    before = len(live.recorded_jobs(paths.live))
    for holder in live.jobs(paths.live, sweep=True):
        if force and holder.state == "unknown":
            holder.path.unlink(missing_ok=True)
    return before - len(live.recorded_jobs(paths.live))
