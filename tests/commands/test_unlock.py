"""`triptych unlock`: what a killed run left goes; while somebody works nothing does."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT

from triptych.commands import begin
from triptych.commands.unlock import InUseError, unlock
from triptych.core import live
from triptych.core.paths import Paths

WORKER = """
import sys
from triptych.core import live
kind, folder = sys.argv[1:3]
if kind == "run":
    live.begin_run("results/s", folder, ran_in=sys.argv[3])
else:
    work = live.working(folder, "embed_shard encoder=clip shard=3", ["results/s/embeddings/clip/3.h5"])
    work.__enter__()
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with a study file, where a killed run has left Snakemake's locks; its paths."""
    (tmp_path / "config.yaml").write_text("study: s\ncorpus: videos.csv\n")
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").write_text("videos/a.mp4\n")
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").write_text("results/s/probe/a.json\n")
    monkeypatch.chdir(tmp_path)
    return Paths("s")


@pytest.fixture
def worker(study):
    started = []

    def start(kind, **environment):
        command = [sys.executable, "-c", WORKER, kind, study.live, str(Path.cwd())]
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


def triptych(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "triptych.cli", "unlock", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.fault(2)
def test_locks_of_a_killed_run_go_and_a_second_time_there_is_nothing(study, worker):
    run, job = worker("run"), worker("job")
    for process in (run, job):
        process.kill()
        process.wait()
    assert begin.own_locks(Path(), study)
    ran = triptych()
    assert ran.returncode == 0 and ran.stderr == ""
    assert f"pid {run.pid}" in ran.stdout and "was killed" in ran.stdout
    assert "removed Snakemake's locks in .snakemake/locks" in ran.stdout and "removed 1 record of jobs" in ran.stdout
    assert not Path(".snakemake/locks").exists() and not list(Path(study.live, "jobs").glob("*.json"))
    ran = triptych()
    assert (ran.returncode, ran.stdout) == (0, "nothing was locked\n")


def test_locks_go_where_there_are_no_results_yet_and_nothing_is_made(study):
    assert triptych().stdout == "removed Snakemake's locks in .snakemake/locks\n"
    assert not Path("results").exists()


@pytest.mark.fault(33)
def test_locks_of_another_study_stay(study):
    others = Path(".snakemake/locks/1.output.lock"), Path(".snakemake/locks/1.input.lock")
    others[0].write_text("results/other/probe/a.json\n")
    others[1].write_text("results/s/probe/a.json\n")
    assert triptych().stdout == "removed Snakemake's locks in .snakemake/locks\n"
    assert sorted(Path(".snakemake/locks").iterdir()) == sorted(others)
    assert triptych().stdout == "nothing was locked\n"


@pytest.mark.fault(2, 33)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_it_refuses_while_a_run_or_a_job_lives_and_names_each(study, worker, force):
    run, job = worker("run"), worker("job", SLURM_JOB_ID="40", SLURM_RESTART_COUNT="1")
    ran = triptych(*force)
    assert ran.returncode == 1 and ran.stdout == "" and "Traceback" not in ran.stderr
    assert ran.stderr.startswith("triptych: not unlocked: results/s is in use\n")
    assert f"a run is active (host {os.uname().nodename}, pid {run.pid}, since 20" in ran.stderr
    assert "embed_shard encoder=clip shard=3 -> results/s/embeddings/clip/3.h5 (host " in ran.stderr
    assert f"pid {job.pid}, since" in ran.stderr and "SLURM job 40, restart 1)" in ran.stderr
    assert f"kill {run.pid}; scancel 40" in ran.stderr
    assert Path(".snakemake/locks/0.output.lock").exists()
    run.communicate()
    assert triptych(*force).returncode == 1
    job.communicate()
    assert triptych(*force).returncode == 0 and not Path(".snakemake/locks").exists()


def test_locks_go_where_the_killed_run_worked(study, worker, tmp_path, monkeypatch):
    process = worker("run")
    process.kill()
    process.wait()
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").write_text(f"{tmp_path}/results/s/probe/a.json\n")
    monkeypatch.chdir(other)
    lines = unlock(Paths("s", results=str(tmp_path / "results")))
    assert f"removed Snakemake's locks in {tmp_path / '.snakemake' / 'locks'}" in lines


def test_a_copy_of_a_project_takes_no_locks_of_the_original(study, worker, tmp_path, monkeypatch):
    process = worker("run")
    process.kill()
    process.wait()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)
    monkeypatch.chdir(copy)
    lines = unlock(study)
    assert (
        "removed Snakemake's locks in .snakemake/locks" in lines
        and f"the run of host {os.uname().nodename}" in lines[0]
    )
    assert not (copy / ".snakemake" / "locks").exists()
    assert begin.own_locks(tmp_path, study), "another run may have begun there"


def test_without_locks_what_cannot_be_seen_needs_force(study, monkeypatch):
    def flock(handle, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with live.working(study.live, "embed_shard shard=0"):
        (path,) = Path(study.live, "jobs").glob("*.json")
        with pytest.raises(InUseError, match=f"pid {os.getpid()}"):
            unlock(study, force=True)
        path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere"}))
        with pytest.raises(InUseError, match=r"may have ended(.|\n)*has no locks.*triptych unlock --force"):
            unlock(study)
        assert Path(".snakemake/locks").exists()
        assert "removed 1 record of jobs that ended without a word" in unlock(study, force=True)
    assert not Path(".snakemake/locks").exists()
