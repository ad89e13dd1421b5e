"""A run of Snakemake whose jobs go to a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from cluster import Cluster, wait_until
from harness import EXTRA, Workflow
from support import CHECKOUT
from trial import notes

PROFILE = CHECKOUT / "profiles" / "slurm"
#: The profile's settings suit a site's SLURM. Here jobs take five seconds, and each round without an end adds ten to
#: the wait for the next one.
SOON = ("--slurm-init-seconds-before-status-checks", "6", "--latency-wait", "10")


class Run:
    """A Snakemake that hands its jobs to the cluster, in the background; `Run.abandon()` ends all that still work."""

    working: ClassVar[list[Run]] = []

    def __init__(self, cluster: Cluster, study: Workflow, *arguments: str) -> None:
        self.cluster, self.study = cluster, study
        self.log = study.folder / "terminal.txt"
        command = study.command(*arguments)
        at = command.index("--cores")
        command[at : at + 2] = ["--workflow-profile", str(PROFILE), *SOON]
        folder = study.folder / "trial"
        folder.mkdir(exist_ok=True)
        settings = {**os.environ, **EXTRA, **cluster.environment, "TRIPTYCH_TRIAL": str(folder)}
        settings["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), str(Path(__file__).parent), str(folder)])
        # Programs of this environment come first, as on a site whose environment is activated.
        settings["PATH"] = os.pathsep.join([f"{sys.prefix}/bin", settings["PATH"]])
        self.folder = folder
        Run.working.append(self)
        # What a shell starts in the background ignores Ctrl-C, and so would all that these tests start.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self.log.open("wb") as out:
                self.process = subprocess.Popen(
                    command, env=settings, cwd=study.folder, stdout=out, stderr=out, start_new_session=True
                )
        finally:
            signal.signal(signal.SIGINT, before)

    @classmethod
    def abandon(cls) -> None:
        """End every run that has not ended."""
        for run in cls.working:
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()
        cls.working.clear()

    def until(self, true, what: str, seconds: float = 300):
        """Wait for something that the run brings about; the end of the run is a failure."""

        def checked():
            answer = true()
            assert answer or self.process.poll() is None, f"{what}: the run has ended\n{self.text()[-6000:]}"
            return answer

        return wait_until(checked, seconds, what)

    def started(self, word: str) -> list[dict]:
        """What jobs noted when they came to a title that begins with a word."""
        return [one for one in notes(self.folder) if one["title"].startswith(word)]

    def interrupt(self) -> None:
        """What Ctrl-C sends."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, code: int | None = 0, seconds: float = 600) -> str:
        """Wait for the end; what was printed."""
        try:
            ended = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGINT)
            pytest.fail(f"still running after {seconds:g} s\n{self.text()[-6000:]}")
        assert code is None or ended == code, self.text()[-6000:]
        return self.text()

    def text(self) -> str:
        """What was printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def submitted(self) -> int:
        """Jobs that SLURM took from this run."""
        return self.text().count("has been submitted with SLURM jobid")
