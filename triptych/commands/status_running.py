"""Which jobs are under way, from the records that their processes hold while they work."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from triptych.core import live
from triptych.core.paths import MEDIA_STAGES, Paths

#: Folders of results with a folder for each of their kind.
KINDS = ("transcripts", "summaries", "embeddings")


def by_stage(paths: Paths) -> Counter[str]:
    """Stage -> number of its jobs under way; nothing is written."""
    stages = (
        stage_of(str(output), paths) for one in live.jobs(paths.live) for output in one.record.get("writes", [])[:1]
    )
    return Counter(stage for stage in stages if stage)


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
