"""How far the models of each task are, from the files alone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from triptych.commands import status_running
from triptych.commands.status import Stage, job_seconds
from triptych.core.config import Study
from triptych.core.paths import Paths


@dataclass(frozen=True)
class Task:
    """The models of a task.

    Attributes:
        name: of the task.
        models: counted as the videos of a stage are: `ok` has metrics, `failed` has a job that stopped.
    """

    name: str
    models: Stage

    def as_dict(self, now: float) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "task": self.name,
            "models": self.models.expected,
            "done": self.models.counts["ok"],
            "failed": self.models.counts["failed"],
            "pending": self.models.pending,
            "running": self.models.running,
            "seconds_a_job": self.models.seconds,
            "a_minute": self.models.rate(now),
            "ends": self.models.ends(now),
        }


def collect(study: Study, work: status_running.Work) -> list[Task]:
    """The tasks of a study in their order. A model whose job stopped has failed, whatever earlier runs made of it."""
    paths = Paths.of(study)
    under_way, broken = work.by_task(study.tasks), work.broken()
    found = []
    for task in study.tasks:
        names = study.models_of(task)
        stage = Stage(task, len(names), running=under_way[task], seconds=job_seconds(paths, f"train-{task}"))
        for name in names:
            if (task, name) in broken:
                stage.counts["failed"] += 1
                continue
            with contextlib.suppress(OSError):
                known = Path(paths.metrics(task, name)).stat()
                if S_ISREG(known.st_mode):
                    stage.add(name, {"status": "ok"}, known.st_mtime)
        found.append(Task(task, stage))
    return found
