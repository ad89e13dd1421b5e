"""Who works in a study's results: records that are true under kills, across hosts, requeues and missing locks."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from triptych.core import live, locks
from triptych.core.files import writer_lock
from triptych.core.invocation import NO_RUN, is_run

WORKER = """
import sys
from triptych.core import live
from triptych.core.files import writer_lock
folder, path = sys.argv[1:3]
live.begin_run("results/x", folder, ran_in="/there")
with live.working(folder, "embed_shard shard=0", [path]), writer_lock(path):
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path):
    """A process that is a run and a job, and has the place of an artefact; it ends when its input is closed."""
    started = []

    def start(**environment):
        command = [sys.executable, "-c", WORKER, str(tmp_path / "live"), str(tmp_path / "0.h5")]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        started.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_run_and_its_jobs_are_named_while_they_live_and_gone_afterwards(tmp_path, worker):
    folder = str(tmp_path / "live")
    assert live.active_run(folder) is None and live.jobs(folder) == []
    process = worker()
    run, (job,) = live.active_run(folder), live.jobs(folder, sweep=True)
    assert run.record["pid"] == job.record["pid"] == process.pid and job.state == "live"
    assert f"host {socket.gethostname()}, pid {process.pid}, since 20" in str(run)
    assert job.line.startswith(f"embed_shard shard=0 -> {tmp_path / '0.h5'} (host ")
    assert job.ending == f"kill {process.pid}"
    with pytest.raises(live.RunActive, match=f"a run is active in results/x .*pid {process.pid}"):
        live.begin_run("results/x", folder)
    process.communicate()
    assert live.active_run(folder) is None and live.jobs(folder) == []
    # What ended by itself leaves no name behind.
    assert not list((tmp_path / "live" / "jobs").glob("*.json")) and (tmp_path / "live" / "run.json").read_text() == ""


def test_what_was_killed_is_dead_at_once_and_its_record_is_swept(tmp_path, worker):
    folder = str(tmp_path / "live")
    process = worker()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert live.active_run(folder) is None and live.jobs(folder) == []
    records = tmp_path / "live" / "jobs"
    assert len(list(records.glob("*.json"))) == 1
    assert live.jobs(folder, sweep=True) == [] and not list(records.glob("*.json"))
    run = live.begin_run("results/x", folder)
    assert run.before.record["pid"] == process.pid and run.before.record["ran_in"] == "/there"
    # Whoever only looked leaves the killed run's record; a run that ends by itself leaves none.
    run.end(keep=True)
    again = live.begin_run("results/x", folder)
    assert again.before.record["pid"] == process.pid
    again.end()
    assert live.begin_run("results/x", folder).before is None


def test_a_job_that_was_put_in_line_again_waits_for_its_older_self_and_names_it(tmp_path, worker, monkeypatch, caplog):
    process = worker(SLURM_JOB_ID="40", SLURM_RESTART_COUNT="1")
    (job,) = live.jobs(str(tmp_path / "live"))
    assert str(job).endswith("SLURM job 40, restart 1") and job.ending == "scancel 40"
    monkeypatch.setenv("SLURM_JOB_ID", "40")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    holder = f"pid {process.pid}, since .*, SLURM job 40, restart 1"
    folder, path = str(tmp_path / "live"), tmp_path / "0.h5"
    with pytest.raises(locks.BusyError, match=holder), live.working(folder, "embed_shard shard=0", [str(path)], 0.3):
        pass
    with pytest.raises(locks.BusyError, match=holder), writer_lock(path, wait=0.3):
        pass
    assert caplog.text.count("waiting for it") == 2 and caplog.text.count("restart 1") == 2
    assert live.jobs(folder) == [job]
    with live.working(folder, "embed_shard shard=1", wait=0.0):
        assert len(live.jobs(folder)) == 2
    process.communicate()
    with live.working(folder, "embed_shard shard=0", [str(path)], 0.3), writer_lock(path, wait=0.3):
        assert str(live.jobs(folder)[0]).endswith("SLURM job 40, restart 2")
        assert "restart 2" in (tmp_path / ".locks" / "0.h5.lock").read_text()


def test_a_lock_that_keeps_all_jobs_from_being_recorded_is_waited_for_aloud_and_not_for_ever(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    place = tmp_path / "jobs"
    place.mkdir()
    (place / ".lock").touch()
    with (place / ".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            pytest.raises(locks.BusyError, match=rf"{place}/\.lock is .* did not end in 0\.3 s"),
            live.working(str(tmp_path), "embed_shard shard=0", wait=0.3),
        ):
            pass
    assert caplog.text.count("waiting for it") == 1 and f"fuser -v {place}/.lock" in caplog.text
    assert [path.name for path in place.iterdir()] == [".lock"]
    with live.working(str(tmp_path), "embed_shard shard=0", wait=0.3):
        assert len(live.jobs(str(tmp_path))) == 1


def test_what_was_killed_before_its_record_had_a_name_is_swept(tmp_path):
    place = tmp_path / "jobs"
    place.mkdir()
    names = [f".{'0a' * 8}.n1.{pid}.1.json.new" for pid in (1, 2, 3)]
    for name in names:
        (place / name).write_text("{}")
    for name in names[1:]:
        os.utime(place / name, (0, 0))
    with (place / names[2]).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert live.jobs(str(tmp_path), sweep=True) == []
    assert sorted(path.name for path in place.iterdir()) == [names[0], names[2]]


SHARE = """
import sys, time
from pathlib import Path
from triptych.core import live
folder, out = sys.argv[1:3]
for _ in range(20):
    with live.working(folder, "train_model model=svc", [out]):
        assert not Path(out).exists()
        Path(out).touch()
        time.sleep(0.002)
        Path(out).unlink()
"""


def test_processes_of_one_job_follow_each_other(tmp_path):
    command = [sys.executable, "-c", SHARE, str(tmp_path / "live"), str(tmp_path / "out")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in started] == [""] * 4
    assert live.jobs(str(tmp_path / "live")) == []


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks."""

    def flock(handle, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_without_locks_the_record_tells_of_this_host_and_nobody_of_another(tmp_path, worker, no_locks):
    folder, record = str(tmp_path / "live"), tmp_path / "live" / "run.json"
    process = worker()
    with pytest.raises(live.RunActive, match=f"pid {process.pid}"):
        live.begin_run("results/x", folder)
    told = json.loads(record.read_text())
    process.kill()
    process.wait()
    assert live.active_run(folder) is None
    # The number of a process comes again; when it was started does not.
    record.write_text(json.dumps({**told, "pid": os.getpid()}))
    assert live.active_run(folder) is None
    record.write_text(json.dumps({**told, "host": "elsewhere"}))
    assert live.active_run(folder).state == "unknown"
    run = live.begin_run("results/x", folder)
    assert run.before.state == "unknown" and not run.locked
    run.end()


def test_a_record_that_cannot_be_read_is_no_traceback(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / f"{'0' * 16}.n1.1.2.json").write_text("{")
    (tmp_path / "run.json").write_text("[1]")
    assert live.active_run(str(tmp_path)) is None
    assert live.jobs(str(tmp_path), sweep=True) == [] and not list((tmp_path / "jobs").glob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ([], True),
        (["--touch"], True),
        (["--delete-all-output"], True),
        (["--unlock"], False),
        (["-n"], False),
        (["--list-rules"], False),
        (["--summary"], False),
        (["--dag"], False),
        (["--lint"], False),
        (["--cleanup-metadata", "a"], False),
        (["--list-changes", "code"], False),
        (["--containerize"], False),
        (["--report", "a.html"], False),
    ],
)
def test_what_runs_jobs_is_told_from_what_looks(arguments, run):
    from snakemake.cli import parse_args

    _, options = parse_args(["--cores", "1", "--workflow-profile", "none", *arguments])
    assert is_run(options) is run
    # An option that Snakemake renames must be renamed here.
    assert [name for name in NO_RUN if not hasattr(options, name)] == []
