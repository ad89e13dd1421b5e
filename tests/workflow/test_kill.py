"""Random kills of jobs and of Snakemake: no half file at any time, and the same bytes in the end.

`make test-kill` is the long form: `TRIPTYCH_KILLS` of each kind here, and kills of node daemons in tests/slurm.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from harness import EXTRA, Workflow, demo_rows

KILLS = int(os.environ.get("TRIPTYCH_KILLS", "5"))
#: A job's program, as Snakemake starts it from a copy.
SCRIPT = re.compile(r"\.snakemake/scripts/[^.]*\.(\w+)\.py")


def jobs_of(folder) -> list[tuple[psutil.Process, str]]:
    """Running scripts of rules in a folder, orphans too, and the script each one runs."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        script = next(filter(None, map(SCRIPT.search, process.info["cmdline"] or [])), None)
        with contextlib.suppress(psutil.Error):
            if script and process.cwd() == str(folder):
                found.append((process, script.group(1)))
    # A decoder's child is a fork of its job: the job is the victim, and takes the child with it.
    numbers = {process.pid for process, _ in found}
    return [(process, script) for process, script in found if _parent(process) not in numbers]


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


class Killing:
    """Runs of one study after another, each disturbed by kills, until there were enough.

    Attributes:
        killed: what was killed, and how often.
        runs: of Snakemake.
        kept: when what the run before had left under final names was written, where only jobs were killed.
    """

    def __init__(self, folder, expected: dict[str, bytes], chance: random.Random) -> None:
        self.folder, self.expected, self.chance = folder, expected, chance
        self.killed: Counter[str] = Counter()
        self.runs = self.studies = 0
        self.begin()

    def begin(self) -> None:
        """A study of which nothing is done yet."""
        self.studies += 1
        self.kept: dict[str, int] = {}
        self.workflow = Workflow(self.folder / f"run{self.studies}", demo_rows(films=3))

    def start(self) -> subprocess.Popen:
        """A run, and the start of its first job."""
        self.runs += 1
        process = subprocess.Popen(
            self.workflow.command(),
            cwd=self.workflow.folder,
            env={**os.environ, **EXTRA},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.await_job(process)
        return process

    def await_job(self, process: subprocess.Popen) -> list[tuple[psutil.Process, str]]:
        """Jobs at work; none when the run ended before there was one."""
        while process.poll() is None:
            if jobs := jobs_of(self.workflow.folder):
                return jobs
            time.sleep(0.05)
        return []

    def check(self) -> None:
        """Whatever has its final name is whole, and what it would be without any kill."""
        found = self.workflow.finals()
        assert [name for name in found if found[name] != self.expected.get(name)] == []

    def times(self) -> dict[str, int]:
        """When each file that has its final name was written."""
        return {name: self.workflow.path(name).stat().st_mtime_ns for name in self.workflow.finals()}

    def check_kept(self) -> None:
        """What was complete after the run before was not computed again."""
        now = self.times()
        assert [name for name, written in self.kept.items() if now.get(name) != written] == []
        self.kept = now

    def round_of_jobs(self, most: int) -> None:
        """Kills of jobs of one run, at random moments."""
        process = self.start()
        while process.poll() is None and self.killed.total() < most:
            time.sleep(self.chance.uniform(0.0, 3.0))
            if jobs := self.await_job(process):
                victim, script = self.chance.choice(jobs)
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
                    self.killed[script] += 1
            self.check()
        process.wait()
        self.check()
        self.check_kept()
        if process.returncode == 0:
            self.begin()

    def round_of_snakemake(self, most: int) -> None:
        """A kill of Snakemake alone at a random moment: its jobs live on, and the next run starts beside them."""
        process = self.start()
        time.sleep(self.chance.uniform(0.0, 4.0))
        if process.poll() is not None:
            # All done before the kill: begin again, so that every kill hits a run at work.
            assert process.returncode == 0
            return self.begin()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.killed["snakemake"] += 1
        self.check()
        self.unlock()
        return None

    def unlock(self) -> None:
        """The two ways to go on: Snakemake's at once, beside the jobs that live on; or ours, when they have ended."""
        if self.chance.random() < 0.5:
            self.workflow.run("--unlock")
            return
        command = [sys.executable, "-m", "triptych.cli", "unlock", "--configfile", "study.yaml"]
        settings = {**os.environ, **EXTRA}
        for _ in range(600):
            ran = subprocess.run(command, cwd=self.workflow.folder, env=settings, capture_output=True, text=True)
            if ran.returncode == 0:
                return
            assert "is in use" in ran.stderr and "pid" in ran.stderr, ran.stderr
            time.sleep(0.5)
        raise AssertionError(ran.stderr)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed") / "run", demo_rows(films=3))
    assert len(workflow.rows) == 6
    workflow.run()
    return workflow.finals()


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("victim", ["jobs", "snakemake"])
def test_kills_lose_nothing(victim, undisturbed, tmp_path, capsys):
    killing = Killing(tmp_path, undisturbed, random.Random(f"{victim} {KILLS}"))
    while killing.killed.total() < KILLS:
        assert killing.runs < 6 * KILLS + 20, f"only {killing.killed} in {killing.runs} runs"
        getattr(killing, f"round_of_{victim}")(KILLS)
        if KILLS > 10:  # the long form shows how far it is
            with capsys.disabled():
                print(f"{killing.killed.total()} kills of {victim}, {killing.runs} runs", flush=True)
    killing.workflow.run()
    killing.check_kept()
    after = killing.workflow.finals()
    assert sorted(after) == sorted(undisturbed)
    assert [name for name in after if after[name] != undisturbed[name]] == []
    assert not list(killing.workflow.path().rglob("*.parts"))
    with capsys.disabled():
        each = ", ".join(f"{count} {name}" for name, count in sorted(killing.killed.items()))
        print(f"\n{killing.killed.total()} kills of {victim} ({each}) in {killing.runs} runs:", end=" ")
        print(f"{len(after)} result files, 0 half ones, all equal to those of an undisturbed run")
