"""An encoder whose jobs do what titles say: wait, take memory or time, fail; each notes that it ran.

In `$TRIPTYCH_TRIAL`: `notes.jsonl`, a line for each start and end of a title; `go`, which those that wait look for.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from triptych.encoders.base import Encoded, ModelCard

#: What `swallow` takes: more than one attempt may have, less than the next.
SWALLOWED = 700 * 2**20


def notes(folder: Path, what: str = "start") -> list[dict]:
    """What jobs noted so far, of one kind."""
    path = folder / "notes.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [one for one in map(json.loads, lines) if one["what"] == what]


class Trial:
    """The length of each title, once what it says is done."""

    card = ModelCard(
        name="trial", modality="text", arrays={"length": 2}, revision="none", licence="MIT", source="tests", gpu=True
    )

    def __init__(self, params) -> None:
        self.folder = Path(os.environ["TRIPTYCH_TRIAL"])
        self.device = ""

    def load(self, device: str) -> None:
        self.device = device

    def encode(self, batch) -> list[Encoded]:
        return [self._encoded(item) for item in batch]

    def _encoded(self, item) -> Encoded:
        title = " ".join(text for _, segments in item.fields for _, _, text in segments)
        before = [one for one in notes(self.folder) if one["title"] == title]
        self._note("start", title)
        self._obey(title.split()[0], len(before))
        self._note("end", title)
        values = np.array([[len(title), title.count(" ")]], np.float32)
        return Encoded({"length": values}, {"length": np.zeros((1, 2))})

    def _obey(self, word: str, earlier: int) -> None:
        if word == "wait":
            while not (self.folder / "go").exists():
                time.sleep(0.1)
        elif word == "rest":
            time.sleep(2)
        elif word == "late" and earlier == 0:
            time.sleep(300)
        elif word == "swallow":
            taken = np.ones(SWALLOWED, np.uint8)
            time.sleep(4)
            del taken
        elif word == "fail":
            raise ValueError("this title fails each time")

    def _note(self, what: str, title: str) -> None:
        told = {
            "what": what,
            "title": title,
            "at": time.time(),
            "pid": os.getpid(),
            "node": os.environ.get("SLURMD_NODENAME"),
            "job": os.environ.get("SLURM_JOB_ID"),
            "card": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "device": self.device,
        }
        line = (json.dumps(told) + "\n").encode()
        # One write to a file opened for appending: lines of several jobs do not mix.
        handle = os.open(self.folder / "notes.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
