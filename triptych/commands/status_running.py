"""Who works in the results, and which jobs stopped, from the records that processes hold while they work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core import ended, live
from triptych.core.paths import MEDIA_STAGES, Paths

#: Folders of results with a folder for each of their kind.
KINDS = ("transcripts", "summaries", "embeddings")
#: Folders of results of tasks, as `hints/{task}.csv`, and of their models, as `metrics/{task}/sound.json`.
OF_TASKS = ("tasks", "comparison", "hints")
OF_MODELS = ("predictions", "metrics", "confusion", "balance", "checkpoints", "selection", "curves", "reliability")


#: Why a job stopped that could not say so itself.
KILLED = "its process was killed (kill -9, a limit of memory or time, a lost node)"


@dataclass(frozen=True)
class Work:
    """What the records tell at one moment: each is looked at once, since a large run has many.

    Attributes:
        paths: of the study.
        run: the run that is active, or may be; None when there is none.
        jobs: those under way.
        stopped: those that stopped since the run began, or whose process was killed, and that were not begun again.
            Of each: `what`, `writes`, `why`, `log`.
    """

    paths: Paths
    run: live.Holder | None = None
    jobs: list[live.Holder] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)

    def by_stage(self) -> Counter[str]:
        """Stage -> number of its jobs under way."""
        return Counter(stage for output in self._written() if (stage := stage_of(output, self.paths)))

    def by_task(self, tasks: Collection[str]) -> Counter[str]:
        """Task -> number of its jobs under way: its models, their metrics, what compares them."""
        return Counter(task for output in self._written() if (task := task_of(output, self.paths)[0]) in tasks)

    def broken(self) -> set[tuple[str, str]]:
        """Tasks and models whose job stopped."""
        return {task_of(one["writes"][0], self.paths) for one in self.stopped if one["writes"]}

    def run_as_dict(self) -> dict[str, Any] | None:
        """The run in a JSON-able form: its record, and whether it is `live`, or `unknown` where there are no locks."""
        return None if self.run is None else {**self.run.record, "state": self.run.state}

    def line(self) -> str:
        """The run in words."""
        if self.run is None:
            return "no run is active"
        return f"run: {self.run}{'' if self.run.state == 'live' else ' - may have ended'}"

    def _written(self) -> list[str]:
        """The first file that each job under way writes."""
        return [str(output) for one in self.jobs for output in one.record.get("writes", [])[:1]]


def look(paths: Paths) -> Work:
    """Look at the records of a study's processes; nothing is written."""
    recorded = live.recorded(paths.live)
    jobs = [one for one in recorded if one.state != "dead"]
    killed = [
        {
            "what": str(one.record.get("what", "a job")),
            "writes": one.record.get("writes", []),
            "why": f"{KILLED}; {one}",
            "log": "",
        }
        for one in recorded
        if one.state == "dead" and one.record
    ]
    again = {one.record.get("what") for one in jobs}
    stopped = [one for one in (*killed, *ended.recorded(paths.live)) if one["what"] not in again]
    return Work(paths, live.active_run(paths.live), jobs, stopped)


def task_of(output: str, paths: Paths) -> tuple[str, str]:
    """The task that a file belongs to, and its model; empty where it belongs to none."""
    if output.startswith(splits := f"{paths.splits_dir}/{paths.study}/"):
        return output.removeprefix(splits).removesuffix(".csv"), ""
    kind, task, model = [*output.removeprefix(f"{paths.root}/").split("/"), "", ""][:3]
    if not output.startswith(f"{paths.root}/") or kind not in (*OF_TASKS, *OF_MODELS):
        return "", ""
    return task.split(".")[0], model.split(".")[0] if kind in OF_MODELS else ""


def stage_of(output: str, paths: Paths) -> str | None:
    """The stage that makes a file, as `triptych status` names it; None for what is no stage of videos."""
    root = f"{paths.root}/"
    if not output.startswith(root):
        return None
    kind, *names = output.removeprefix(root).split("/")
    if kind in MEDIA_STAGES and names[0] != "dropped":
        return kind
    if kind in KINDS:
        return f"{kind}/{names[0]}"
    if kind in ("features", "relabel"):
        return f"{kind}/{Path(names[0]).stem}"
    if kind == "crossmodal" and names[0] == "imagine" and len(names) > 2:
        return f"imagine/{names[1]}"
    return None
