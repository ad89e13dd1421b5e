"""Which jobs are under way, from the marks that Snakemake leaves in its folder while a job's files are not complete."""

from __future__ import annotations

import base64
import binascii
import os
from collections import Counter
from pathlib import Path

from triptych.core.paths import MEDIA_STAGES, Paths

#: Snakemake's folder, where it was started.
FOLDER = Path(".snakemake")
#: Folders of results with a folder for each of their kind.
KINDS = ("transcripts", "summaries", "embeddings")


def by_stage(paths: Paths, folder: Path = FOLDER) -> Counter[str]:
    """Stage -> number of its jobs under way; nothing is written, and no process is asked."""
    return Counter(stage for output in outputs(folder) if (stage := stage_of(output, paths)))


def outputs(folder: Path = FOLDER) -> list[str]:
    """Outputs of jobs under way.

    Marks stay behind a run that was killed, so those alone count that are younger than the lock of the run, and none
    without one.
    """
    try:
        began = max(one.stat().st_mtime for one in (folder / "locks").iterdir())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    marks, found = folder / "incomplete", []
    for place, _, names in os.walk(marks):
        # The name of a long path is split, and all but its last piece are folders.
        pieces = [piece.removeprefix("@") for piece in Path(place).relative_to(marks).parts]
        for name in names:
            try:
                if (Path(place) / name).stat().st_mtime >= began:
                    found.append(base64.urlsafe_b64decode("".join([*pieces, name])).decode())
            except (FileNotFoundError, binascii.Error, ValueError):
                continue
    return sorted(found)


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
