"""How far the models of each task are, and which jobs stopped, from the files alone."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from triptych.commands import status_running
from triptych.commands.status import Stage, job_seconds
from triptych.core import ended, live
from triptych.core.config import Study
from triptych.core.paths import Paths

#: Why a job stopped that could not say so itself.
KILLED = "its process was killed (kill -9, a limit of memory or time, a lost node)"


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


def collect(study: Study) -> list[Task]:
    """The tasks of a study in their order. A model whose job stopped has failed, whatever earlier runs made of it."""
    paths = Paths.of(study)
    under_way = status_running.by_task(paths, study.tasks)
    broken = {status_running.task_of(one["writes"][0], paths) for one in stopped(paths) if one["writes"]}
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


def stopped(paths: Paths) -> list[dict[str, Any]]:
    """Jobs that stopped since the run began, or whose process was killed, and that were not begun again.

    Returns:
        Of each: `what`, `writes`, `why`, `log`.
    """
    killed = [
        {"what": str(one.record.get("what", "a job")), "writes": one.record.get("writes", []), "why": why, "log": ""}
        for one in live.dead(paths.live)
        for why in [f"{KILLED}; {one}"]
    ]
    again = {one.record.get("what") for one in live.jobs(paths.live)}
    return [one for one in (*killed, *ended.recorded(paths.live)) if one["what"] not in again]
