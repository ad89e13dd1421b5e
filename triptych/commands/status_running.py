"""Which jobs are under way, from the records that their processes hold while they work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from triptych.core import live
from triptych.core.paths import MEDIA_STAGES, Paths

#: Folders of results with a folder for each of their kind.
KINDS = ("transcripts", "summaries", "embeddings")
#: Folders of results of tasks, as `hints/{task}.csv`, and of their models, as `metrics/{task}/sound.json`.
OF_TASKS = ("tasks", "comparison", "hints")
OF_MODELS = ("predictions", "metrics", "confusion", "balance", "checkpoints", "selection", "curves", "reliability")


def by_stage(paths: Paths) -> Counter[str]:
    """Stage -> number of its jobs under way; nothing is written."""
    return Counter(stage for output in _written(paths) if (stage := stage_of(output, paths)))


def by_task(paths: Paths, tasks: Collection[str]) -> Counter[str]:
    """Task -> number of its jobs under way: its models, their metrics, what compares them."""
    found: Counter[str] = Counter()
    for output in _written(paths):
        task, _ = task_of(output, paths)
        if task in tasks:
            found[task] += 1
    return found


def task_of(output: str, paths: Paths) -> tuple[str, str]:
    """The task that a file belongs to, and its model; empty where it belongs to none."""
    if output.startswith(splits := f"{paths.splits_dir}/{paths.study}/"):
        return output.removeprefix(splits).removesuffix(".csv"), ""
    kind, task, model = [*output.removeprefix(f"{paths.root}/").split("/"), "", ""][:3]
    if not output.startswith(f"{paths.root}/") or kind not in (*OF_TASKS, *OF_MODELS):
        return "", ""
    return task.split(".")[0], model.split(".")[0] if kind in OF_MODELS else ""


def _written(paths: Paths) -> list[str]:
    """The first file that each job under way writes."""
    return [str(output) for one in live.jobs(paths.live) for output in one.record.get("writes", [])[:1]]


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
