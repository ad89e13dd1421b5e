"""What is looked at before a run, while the Snakefile is read: another run, orphans, and what a killed run left."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from triptych.core import ended, live
from triptych.core.files import NotPlain, read_plain
from triptych.core.invocation import command_line, is_run
from triptych.core.paths import Paths

#: Most jobs that are named.
NAMED = 10
#: Where Snakemake keeps its own locks, below the folder that it works in.
LOCKS = Path(".snakemake", "locks")


def begin_or_exit(paths: Paths, study_files: Sequence[Path | str] = ()) -> None:
    """Take the place of the study's run, or stop Snakemake before any job, in one line that says who has it.

    When Snakemake was called for something else than a run (a dry run, `--unlock`) nothing is taken, written or
    stopped; who works in the results is told.
    """
    options = command_line()
    if options is None:
        return  # another program calls Snakemake; `started` is asked when jobs begin
    if is_run(options):
        _begin(paths, list(study_files), options.nolock)
    else:
        told(*notes(paths, unlocks=options.unlock))


def started(paths: Paths) -> None:
    """Take the place of the study's run, unless this process has it already.

    Raises:
        RunActive: another process has it.
    """
    live.begin_run(paths.root, paths.live, ran_in=str(Path.cwd()))


def notes(paths: Paths, *, unlocks: bool = False) -> list[str]:
    """Who works in the results now, for those who only look; a warning for those who take Snakemake's locks away."""
    run, jobs = live.active_run(paths.live), live.jobs(paths.live)
    if unlocks:
        lines = in_use(run, jobs)
        first = f"warning: Snakemake's locks are removed, but someone works in {paths.root}:"
        return [first, *lines, "  `triptych unlock` refuses that"] if lines else []
    if run:
        return [f"note: {_presence(run)} in {paths.root} ({run})"]
    return orphans(paths.root, jobs)


def orphans(root: str, jobs: list[live.Holder]) -> list[str]:
    """Jobs that live without a run, what becomes of their work, and how to end them."""
    if not jobs:
        return []
    one = len(jobs) == 1
    count = "1 job of an earlier run still works" if one else f"{len(jobs)} jobs of an earlier run still work"
    return [
        f"note: {count} in {root}:",
        *_listed(jobs),
        "  A new job for the same file waits for it and finds what it has done. "
        f"To end {'it' if one else 'them'}: {ending(jobs)}",
    ]


def in_use(run: live.Holder | None, jobs: list[live.Holder]) -> list[str]:
    """A line for the run and for each job that lives, or may live."""
    return ([f"  {_presence(run)} ({run})"] if run else []) + _listed(jobs)


def ending(holders: list[live.Holder]) -> str:
    """The commands that end some processes."""
    return "; ".join([holder.ending for holder in holders[:NAMED]] + ["..."] * (len(holders) > NAMED))


def told(*lines: str) -> None:
    """Print lines to standard error."""
    for line in lines:
        print(line, file=sys.stderr)


def _begin(paths: Paths, study_files: list[Path | str], nolock: bool) -> None:
    study = f" --configfile {study_files[-1]}" if study_files else ""
    if closed := without_rights(paths):
        _stop(
            f"there is no right to write in {', '.join(closed)}: change the rights, or set another `results`, "
            "`media_dir` or `splits_dir` in the study file"
        )
    try:
        run = live.begin_run(paths.root, paths.live, ran_in=str(Path.cwd()))
    except live.RunActive as active:
        if not nolock:
            _stop(
                f"{active}; wait for its end, or end it there with Ctrl-C. `triptych status{study}` tells how far it is"
            )
        told(f"warning: {active}, and --nolock was given: both write the same results")
        return
    except OSError as error:
        _stop(f"{error.filename or paths.live}: {error.strerror}")
    if run.before and run.before.state == "unknown":
        told(f"note: {_presence(run.before)} in {paths.root} ({run.before}). {NOBODY_KNOWS}")
    jobs = live.jobs(paths.live, sweep=True)
    told(*orphans(paths.root, jobs))
    if run.locked and not nolock and own_locks(Path(), paths):
        who = f"the run of {run.before} was killed" if run.before else "an earlier run was killed"
        first = (
            "end that job, or wait for it; then "
            if len(jobs) == 1
            else "end those jobs, or wait for them; then "
            if jobs
            else ""
        )
        run.end(keep=True)
        _stop(f"{who} and left Snakemake's lock: {first}`triptych unlock{study}`, and run again")
    ended.forget(paths.live)


def without_rights(paths: Paths) -> list[str]:
    """Folders in which a run must write and may not: those of the study, as far as they exist, and Snakemake's own."""
    wanted = (paths.root, f"{paths.media_dir}/{paths.study}", f"{paths.splits_dir}/{paths.study}", LOCKS.parent)
    there = [next(one for one in (path, *path.parents) if one.exists()) for path in map(Path, wanted)]
    return list(dict.fromkeys(str(one.absolute()) for one in there if not os.access(one, os.W_OK | os.X_OK)))


#: What to do about a process of another host where the file system has no locks.
NOBODY_KNOWS = (
    "The file system of the results has no locks, so whether it still works can only be seen on its host (ps -p PID)"
)


def own_locks(folder: Path, paths: Paths) -> list[Path]:
    """Snakemake's locks below a folder on files that this study makes. Those of other studies may be in use."""
    own = (f"{paths.root}/", f"{paths.media_dir}/{paths.study}/", f"{paths.splits_dir}/{paths.study}/")
    found = []
    for path in sorted((folder / LOCKS).glob("*.output.lock")):
        try:
            lines = read_plain(path).decode("utf-8", "replace").split("\n")
        except (OSError, NotPlain):
            continue  # its run has just ended, or it is none
        if any(line.startswith(own) for line in lines):
            # What a run reads is locked under the same number.
            found += [path, path.with_name(path.name.replace(".output.", ".input."))]
    return found


def _presence(run: live.Holder) -> str:
    return "a run is active" if run.state == "live" else "a run is recorded"


def _listed(jobs: list[live.Holder]) -> list[str]:
    unsure = " - may have ended" if any(job.state == "unknown" for job in jobs) else ""
    lines = [f"  {job.line}{unsure if job.state == 'unknown' else ''}" for job in jobs[:NAMED]]
    return lines + ([f"  and {len(jobs) - NAMED} more"] if len(jobs) > NAMED else [])


def _stop(why: str) -> NoReturn:
    told(f"Nothing was run: {why}")
    sys.exit(1)
