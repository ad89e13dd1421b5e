"""A second run, a dry-run, and what a killed run leaves: the real Snakefile, with a job that is held up."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from harness import EXTRA, Workflow, demo_rows
from support import CHECKOUT

from triptych.core import live
from triptych.core.files import writer_lock

HOST = os.uname().nodename
WAITS = "is being written by another process"
#: As another program calls Snakemake: its options are not to be seen while the Snakefile is read.
PROGRAM = """
import sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, ResourceSettings
with SnakemakeApi() as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path(sys.argv[2])]),
        snakefile=Path(sys.argv[1]),
    )
    workflow.dag(DAGSettings(targets={sys.argv[3]}, force_incomplete=True)).execute_workflow()
"""


class Study(Workflow):
    """A study of four clips of which the probe of the first can be held up."""

    @property
    def held(self):
        """The manifest whose writer's place is taken."""
        return self.path("probe", f"{self.rows[0]['id']}.json")

    def target(self, number: int) -> str:
        return f"results/small/probe/{self.rows[number]['id']}.json"

    def start(self, *arguments: str) -> subprocess.Popen:
        """Snakemake in the background; its words go to terminal.txt."""
        with (self.folder.parent / "terminal.txt").open("w") as out:
            command = self.command(*arguments)
            return subprocess.Popen(command, cwd=self.folder, env={**os.environ, **EXTRA}, stdout=out, stderr=out)

    def said(self) -> str:
        return (self.folder.parent / "terminal.txt").read_text()

    def jobs(self) -> list[live.Holder]:
        return live.jobs(str(self.path(".live")))

    def wait(self, number: int, process: subprocess.Popen | None = None) -> list[live.Holder]:
        """Wait until so many jobs work."""
        while len(found := self.jobs()) != number:
            assert process is None or process.poll() is None, self.said()
            time.sleep(0.05)
        return found

    def until(self, words: str, process: subprocess.Popen) -> None:
        """Wait until Snakemake, or a job of it, has said something."""
        while words not in self.said():
            assert process.poll() is None, self.said()
            time.sleep(0.05)

    def triptych(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "triptych.cli", *arguments, "--configfile", "study.yaml"]
        environment = {**os.environ, **EXTRA, "PYTHONPATH": str(CHECKOUT)}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def files(self) -> dict[str, tuple[int, bytes]]:
        """All files of the folder with times and contents, but for Snakemake's log and cache of each call."""
        return {
            str(path.relative_to(self.folder)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not {"log", "iocache"} & set(path.relative_to(self.folder).parts[1:2])
        }

    def contents(self) -> dict[str, bytes]:
        """All files of the folder with contents."""
        return {name: content for name, (_, content) in self.files().items()}


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A study whose run is active: its one job waits for a place that the test has."""
    study = Study(tmp_path_factory.mktemp("busy") / "run", demo_rows())
    with writer_lock(study.held):
        run = study.start(study.target(0))
        study.wait(1, run)
        study.until(WAITS, run)
        study.run_pid = run.pid
        # As a program that writes in place would leave it for now.
        study.held.write_text("{")
        yield study
        assert run.poll() is None
    assert run.wait() == 0, study.said()
    assert json.loads(study.held.read_text())["status"] == "ok"
    assert study.jobs() == [] and live.active_run(str(study.path(".live"))) is None


@pytest.mark.fault(34)
def test_a_dry_run_during_a_run_works_and_changes_nothing(busy):
    before = busy.files()
    ran = busy.run("-n", busy.target(0), busy.target(1))
    assert f"note: a run is active in results/small (host {HOST}, pid {busy.run_pid}, since" in ran.stderr
    assert "probe_media" in ran.stdout + ran.stderr
    planned = busy.triptych("plan")
    assert planned.returncode == 0 and "3 new videos, 1 again" in planned.stdout, planned.stderr
    told = busy.triptych("status")
    assert told.returncode == 0 and f"run: host {HOST}, pid {busy.run_pid}, since" in told.stdout, told.stderr
    assert busy.files() == before
    # Without `rerun-incomplete`, which the profiles set, Snakemake takes what is being written for broken.
    ran = busy.run("-n", busy.target(0), "--workflow-profile", "none", check=False)
    assert ran.returncode == 1 and "IncompleteFilesException" in ran.stdout
    assert "The files below seem to be incomplete" in ran.stdout


@pytest.mark.fault(33)
@pytest.mark.parametrize("number", [0, 1])
def test_a_second_run_stops_before_any_job_in_one_line_also_for_another_target(busy, number):
    before = busy.files()
    ran = busy.run(busy.target(number), check=False)
    (line,) = [line for line in ran.stderr.splitlines() if "profile" not in line]
    assert ran.returncode == 1
    assert (
        line.startswith("Nothing was run: a run is active in results/small (host ") and f"pid {busy.run_pid}," in line
    )
    assert busy.files() == before


@pytest.mark.fault(33)
def test_a_run_that_another_program_calls_is_refused_too(busy):
    command = [sys.executable, "-c", PROGRAM, str(CHECKOUT / "Snakefile"), "study.yaml", busy.target(1)]
    ran = subprocess.run(command, cwd=busy.folder, env={**os.environ, **EXTRA}, capture_output=True, text=True)
    assert ran.returncode == 1 and f"pid {busy.run_pid}, since" in ran.stderr and "a run is active in" in ran.stderr
    assert not busy.path("probe", f"{busy.rows[1]['id']}.json").exists()


@pytest.mark.fault(33)
def test_unlock_refuses_while_the_run_lives(busy):
    ran = busy.triptych("unlock")
    assert ran.returncode == 1 and f"a run is active (host {HOST}, pid {busy.run_pid}," in ran.stderr
    (job,) = busy.jobs()
    assert f"probe_media unit={busy.rows[0]['id']} -> {busy.target(0)} (host " in ran.stderr
    assert f"pid {job.record['pid']}, since" in ran.stderr
    # Looking at rules is no run.
    assert busy.run("--list-rules").returncode == 0


@pytest.mark.fault(33)
def test_another_study_of_the_same_folder_runs_and_its_end_opens_no_door(busy):
    (busy.folder / "other.yaml").write_text(yaml.safe_dump({**busy.study, "study": "other"}))
    command = [
        word.replace("study.yaml", "other.yaml") for word in busy.command(busy.target(1).replace("small", "other"))
    ]
    ran = subprocess.run(command, cwd=busy.folder, env={**os.environ, **EXTRA}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    # Snakemake removes all locks of the folder when a run ends, also those of the other run.
    assert not (busy.folder / ".snakemake" / "locks").exists()
    ran = busy.run(busy.target(0), check=False)
    assert ran.returncode == 1 and "a run is active in results/small" in ran.stderr


@pytest.mark.fault(2)
def test_after_a_kill_orphans_are_named_never_overtaken_and_unlock_waits_for_them(tmp_path):
    study = Study(tmp_path / "run", demo_rows())
    target = study.target(0)
    orphans = []
    with writer_lock(study.held):
        run = study.start(target)
        orphans += study.wait(1, run)
        study.until(WAITS, run)
        run.send_signal(signal.SIGKILL)
        run.wait()
        orphan = orphans[0].record["pid"]
        named = f"probe_media unit={study.rows[0]['id']} -> {target} (host {HOST}, pid {orphan}, since"
        # A look tells of the orphan; the next run is told of Snakemake's lock, by whom, and what to do.
        before = study.contents()
        ran = study.run("-n", target)
        assert "1 job of an earlier run still works in results/small" in ran.stderr and named in ran.stderr
        for _ in range(2):
            ran = study.run(target, check=False)
            assert ran.returncode == 1 and f"pid {run.pid}, since" in ran.stderr and named in ran.stderr
            assert "was killed and left Snakemake's lock" in ran.stderr and "LockException" not in ran.stderr
            assert "`triptych unlock --configfile " in ran.stderr
        ran = study.triptych("unlock")
        assert ran.returncode == 1 and named in ran.stderr and f"kill {orphan}" in ran.stderr
        assert study.contents() == before
        # Snakemake's own way warns, and leads to a second writer that waits for the first.
        ran = study.run("--unlock")
        assert "Snakemake's locks are removed, but someone works in results/small" in ran.stderr and named in ran.stderr
        again = study.start(target)
        orphans = study.wait(2, again)
        study.until(WAITS, again)
        assert named in study.said() and not study.held.exists()
        waits = f"{target} is being written by another process (host {HOST}, pid {orphan}, since"
        assert waits in study.said()
        again.send_signal(signal.SIGKILL)
        again.wait()
        assert all(one in study.triptych("unlock").stderr for one in (f"pid {job.record['pid']}," for job in orphans))
    study.wait(0)
    assert study.held.is_file()
    ran = study.triptych("unlock")
    assert ran.returncode == 0 and f"pid {again.pid}, since" in ran.stdout and "removed Snakemake's locks" in ran.stdout
    ran = study.run(target)
    assert "earlier run" not in ran.stderr and study.triptych("unlock").stdout == "nothing was locked\n"
    for job in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.record["pid"], 0)
            pytest.fail(f"{job} is left")
