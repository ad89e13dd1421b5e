"""Who works in a study's results: the run of Snakemake and its jobs, each in a record that its process holds locked.

results/{study}/.live/run.json           the run; the file stays, and is empty when no run is active
results/{study}/.live/jobs/*.json        a process of a job each, removed at its end (what jobs stopped over: ended.py)

The kernel frees the lock (flock) of a process that dies, however it dies and on whatever node, so a record that is
locked has a living process and one that is not locked has none. On a file system without locks the record itself must
do: its process is looked up where it is of this host, and of another host nobody can say.

Two processes never do the same job at once: the later one waits for the earlier, whose results it then finds.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from triptych.core import locks, records

#: Looks at a record are locks of a moment: a run that begins tries again so often, so many seconds apart.
TRIES, PAUSE = 20, 0.05
#: What hands `SLURM_RESTART_COUNT` on: SLURM tells it to a batch script alone, and jobs run in a step of it.
RESTART = "TRIPTYCH_SLURM_RESTART"

#: Records of jobs: digest of the job, host, process, time; and those that have no name yet.
_NAME = re.compile(r"[0-9a-f]{16}\..+\.\d+\.\d+\.json")
_UNNAMED = re.compile(rf"\.{_NAME.pattern}\.new")

_log = logging.getLogger("triptych.live")

State = Literal["live", "dead", "unknown"]


@dataclass(frozen=True)
class Holder:
    """A recorded process.

    Attributes:
        path: its record.
        record: host, pid, since and what of it; empty when the record cannot be read.
        state: `unknown` for one of another host on a file system without locks.
    """

    path: Path
    record: Mapping[str, Any] = field(default_factory=dict)
    state: State = "live"

    def __str__(self) -> str:
        return told(self.record)

    @property
    def line(self) -> str:
        """What it does, and who it is."""
        what, writes = self.record.get("what", "a process"), self.record.get("writes")
        return f"{what}{f' -> {writes[0]}' if writes else ''} ({self})"

    @property
    def ending(self) -> str:
        """The command that ends it."""
        if job := self.record.get("slurm_job"):
            return f"scancel {job}"
        command = f"kill {self.record.get('pid', 'PID')}"
        host = self.record.get("host", "its host")
        return command if host == socket.gethostname() else f"{command} (on {host})"


class RunActive(RuntimeError):
    """Another run of Snakemake works in the same results."""

    def __init__(self, root: str, holder: Holder) -> None:
        self.holder = holder
        super().__init__(f"a run is active in {root} ({holder})")


def told(record: Mapping[str, Any]) -> str:
    """A process in words: `host n1, pid 12, since 2026-01-01 00:00:00, SLURM job 7, restart 1`."""
    if not record:
        return "its record cannot be read"
    words = [f"host {record.get('host')}", f"pid {record.get('pid')}", f"since {record.get('since')}"]
    if record.get("slurm_job"):
        words.append(f"SLURM job {record['slurm_job']}")
    if record.get("restart"):
        words.append(f"restart {record['restart']}")
    return ", ".join(words)


def myself(**more: Any) -> dict[str, Any]:
    """Host, process and job of this process; jobs that SLURM put in line again have the number of their restart."""
    restart = os.environ.get("SLURM_RESTART_COUNT") or os.environ.get(RESTART, "")
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        "restart": int(restart) if restart.isdigit() else 0,
        "born": _born(os.getpid()),
        **more,
    }


def hand_on_restart() -> None:
    """Keep the number of this job's restart for the processes that it starts."""
    if count := os.environ.get("SLURM_RESTART_COUNT"):
        os.environ[RESTART] = count


class Run:
    """The record of this process as the run of a study, held until it ends."""

    def __init__(self, handle: IO[str], before: Holder, locked: bool) -> None:
        self.path, self.locked, self._handle, self._pid = before.path, locked, handle, os.getpid()
        #: The run before, when it did not end by itself (`kill -9`, a power cut).
        self.before = before if before.record else None

    def end(self, *, keep: bool = False) -> None:
        """Free the place; `keep` leaves the record of the killed run before as it was."""
        if self._handle.closed or self._pid != os.getpid():
            return
        with contextlib.suppress(OSError):
            _write(self._handle, self.before.record if keep and self.before else {})
        self._handle.close()
        _runs.pop(self.path, None)


#: The runs that this process is; a study each, so one in practice.
_runs: dict[Path, Run] = {}


def begin_run(root: str, folder: str, **more: Any) -> Run:
    """Take the place of the one run that works in the results, until this process ends.

    Args:
        root: the results, as users call them.
        folder: of the records.
        **more: to be recorded too.

    Raises:
        RunActive: another process has it.
        OSError: the record cannot be written.
    """
    path = Path(folder) / "run.json"
    if path in _runs:
        return _runs[path]
    records.own_folder(path.parent)
    handle = records.open_plain(path, write=True)
    try:
        for _ in range(TRIES):
            if (locked := locks.take(handle)) is not False:
                break
            time.sleep(PAUSE)
        record = records.read(handle)
        holder = Holder(path, record, "live" if locked is False else "dead" if locked else _state(record))
        if holder.state == "live":
            raise RunActive(root, holder)
        _write(handle, myself(**more))
    except BaseException:
        handle.close()
        raise
    run = _runs[path] = Run(handle, holder, bool(locked))
    atexit.register(run.end)
    return run


def active_run(folder: str) -> Holder | None:
    """The run that is active now, or nobody knows whether it is; None when there is none. Nothing is written."""
    found = look(Path(folder) / "run.json")
    # A file without locks keeps the record of a run that was killed; an empty one has no run.
    return found if found and found.state != "dead" and (found.record or found.state == "live") else None


def jobs(folder: str, *, sweep: bool = False) -> list[Holder]:
    """Processes of jobs that live now, or of which nobody knows; with `sweep` the records of dead ones are removed."""
    if sweep:
        _sweep_unnamed(folder)
    return [holder for holder in recorded(folder, sweep=sweep) if holder.state != "dead"]


def recorded(folder: str, *, sweep: bool = False) -> list[Holder]:
    """Processes of all recorded jobs: dead ones were killed (`kill -9`, memory, a lost node) and not begun again."""
    return [holder for path in recorded_jobs(folder) if (holder := look(path, sweep=sweep))]


def _sweep_unnamed(folder: str) -> None:
    """Remove the records of jobs that were killed before these had their names."""
    for path in [] if Path(folder).is_symlink() else records.own_files(Path(folder, "jobs"), _UNNAMED):
        with contextlib.suppress(OSError):
            # One that was made just now may not be locked yet.
            if time.time() - path.stat(follow_symlinks=False).st_mtime > locks.WAIT:
                look(path, sweep=True)


def recorded_jobs(folder: str) -> list[Path]:
    """The records of jobs, of living and of dead ones."""
    return [] if Path(folder).is_symlink() else records.own_files(Path(folder, "jobs"), _NAME)


def look(path: Path, *, sweep: bool = False) -> Holder | None:
    """The process of a record and whether it lives; None when there is no such record."""
    try:
        with records.open_plain(path) as handle:
            free = locks.take(handle, fcntl.LOCK_SH)
            record = records.read(handle)
            state: State = "live" if free is False else "dead" if free else _state(record)
            if sweep and state == "dead":
                path.unlink(missing_ok=True)
            return Holder(path, record, state)
    except PermissionError:
        return Holder(path, {}, "unknown")
    except OSError:
        return None  # there is none, or something else in its place


@contextlib.contextmanager
def working(folder: str, what: str, writes: Iterable[str] = (), wait: float = locks.WAIT) -> Iterator[None]:
    """Record this process as a job, until the block ends or the process dies; wait for an older one of the same job.

    Args:
        folder: of the records.
        what: the job: its rule and its wildcards.
        writes: the files that it writes.
        wait: most seconds to wait for an older process.

    Raises:
        BusyError: an older process does the same job and does not end, or one keeps all jobs from being recorded.
        OSError: the record cannot be written.
    """
    listed = list(writes)[:3]
    place = records.own_folder(records.own_folder(Path(folder)) / "jobs")
    job = hashlib.sha256(what.encode()).hexdigest()[:16]
    name = f"{job}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}.json"
    path, temporary = place / name, place / f".{name}.new"
    waiting = locks.Waiting(listed[0] if listed else what, wait)
    with records.open_plain(temporary, write=True) as handle:
        try:
            locks.take(handle)
            _write(handle, myself(what=what, writes=listed))
            # One is recorded at a time, so that of two exactly one is the older.
            with locks.alone(place / ".lock", wait):
                older = [one for one in recorded_jobs(folder) if one.name.startswith(job)]
                # It has its name only when it is locked: a look never finds it without its process.
                temporary.rename(path)
            _wait_for(older, waiting)
            yield
        finally:
            for one in (temporary, path):
                one.unlink(missing_ok=True)


def _wait_for(older: list[Path], waiting: locks.Waiting) -> None:
    for path in older:
        while (holder := look(path, sweep=True)) is not None and holder.state == "live":
            waiting.for_(holder)
        if holder is not None and holder.state == "unknown":
            _log.warning("%s may be being written by another process (%s)", waiting.what, holder)


def _write(handle: IO[str], record: Mapping[str, Any]) -> None:
    handle.seek(0)
    handle.truncate()
    handle.write(json.dumps(record) + "\n" if record else "")
    handle.flush()


def _state(record: Mapping[str, Any]) -> State:
    """Whether a recorded process lives, by its record alone."""
    if not record:
        return "dead"
    if record.get("host") != socket.gethostname():
        return "unknown"
    born = _born(int(record.get("pid", 0)))
    return "live" if born and born == record.get("born") else "dead"


def _born(pid: int) -> str:
    """When a process of this host was started, as the kernel counts; empty when there is none. A number comes again."""
    try:
        # The name before it, in brackets, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
