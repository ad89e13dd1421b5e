"""A study whose one job waits until it is told to go on: time to look at a run that is under way."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from harness import EXTRA, Workflow, demo_rows
from support import CHECKOUT
from trial import notes


class Held:
    """The study, with `TRIPTYCH_TRIAL` set for its encoder (tests/slurm/trial.py): each title says what its job does.

    Attributes:
        workflow: a shard for each title.
        trial: where jobs note their starts, and look for `go`.
    """

    def __init__(self, folder: Path, *titles: str) -> None:
        from triptych.core.units import shard_of

        row = demo_rows(classes=1, films=1)[0]
        shards, rows, taken = 4 * len(titles), [], set()
        for title in titles:
            name = next(one for n in range(500) if shard_of(one := f"{title.split()[0]}{n}", shards) not in taken)
            taken.add(shard_of(name, shards))
            rows.append(row | {"id": name, "title": title, "source": "", "captions": ""})
        self.workflow = Workflow(
            folder,
            rows,
            shards=shards,
            gpus=0,
            encoders={"words": {"use": "trial:Trial", "text": ["title"]}},
            features={"said": {"from": "words.length"}},
            **{name: {} for name in ("tasks", "models", "transcripts")},
        )
        self.trial = folder / "trial"
        self.trial.mkdir()
        self.settings = {**os.environ, **EXTRA, "TRIPTYCH_TRIAL": str(self.trial)}
        self.settings["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests" / "slurm")])

    def start(self, *arguments: str, log: str = "terminal.txt") -> subprocess.Popen:
        """A run in the background; what it prints goes to `log`."""
        with (self.workflow.folder / log).open("wb") as out:
            command = self.workflow.command(*arguments)
            return subprocess.Popen(command, env=self.settings, cwd=self.workflow.folder, stdout=out, stderr=out)

    def said(self, log: str = "terminal.txt") -> str:
        """What a run has printed so far."""
        return (self.workflow.folder / log).read_text(encoding="utf-8", errors="replace")

    def call(self, *command: str) -> subprocess.CompletedProcess:
        """A command beside it, to its end."""
        folder = self.workflow.folder
        return subprocess.run(command, env=self.settings, cwd=folder, capture_output=True, text=True, timeout=300)

    def go(self) -> None:
        """Let the jobs that wait go on."""
        (self.trial / "go").touch()

    def started(self, word: str) -> list[dict]:
        """What jobs noted when they came to a title that begins with a word."""
        return [one for one in notes(self.trial) if one["title"].startswith(word)]

    def ended(self) -> list[dict]:
        """What jobs noted when they were done with a title."""
        return notes(self.trial, "end")

    def until(self, true, what: str, seconds: float = 120):
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not (answer := true()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
            time.sleep(0.1)
        return answer
