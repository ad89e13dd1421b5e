"""Compute seconds by stage, from the benchmark files that Snakemake writes for each job.

They are the seconds of the jobs' last runs: where unchanged videos were taken over, the seconds of what was computed
then. A stage that several models share counts in full for each model that depends on it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import read_text
from triptych.core.paths import Paths
from triptych.evaluate.modality import encoders_of, members, models_of, panels, summaries_of, transcripts_of

STAGES = ("media", "transcribe", "embed", "train")


def seconds_of(folder: Path | str, unit: str | None = None) -> float | None:
    """Wall-clock seconds of the jobs of a stage (or of one unit of it); None when nothing was measured."""
    paths = [Path(folder) / f"{unit}.tsv"] if unit else sorted(Path(folder).glob("*.tsv"))
    found = [value for path in paths for value in _seconds(path)]
    return math.fsum(found) if found else None


def _seconds(path: Path) -> list[float]:
    """Column `s` of a benchmark file; an unreadable one (a job was killed while it was written) counts as none."""
    try:
        lines = read_text(path).splitlines()
        return [float(row["s"]) for row in csv.DictReader(lines, delimiter="\t")]
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return []


def compute_seconds(paths: Paths, study: Mapping[str, Any], task: str) -> dict[str, dict[str, float]]:
    """Seconds by stage of each model of a task: probing and decoding, texts, encoders and pooling, training.

    Args:
        paths: files of the study.
        study: the complete study file as a mapping.
        task: its name.

    Returns:
        model -> {"media", "transcribe", "embed", "train"}; a stage that the model does not need, or that was not
        measured, is left out.
    """
    root = Path(paths.root) / "benchmarks"
    known: dict[tuple[str, str | None], float | None] = {}

    def seconds(stage: str, unit: str | None = None) -> float | None:
        if (stage, unit) not in known:
            known[stage, unit] = seconds_of(root / stage, unit)
        return known[stage, unit]

    found = {}
    for name, model in models_of(study, task).items():
        encoders, reads = encoders_of(model, study), panels(model, study)
        others = [member for member in members(model) if member in study["models"]]
        features = {one for part in (model, *(study["models"][o] for o in others)) for one in part.get("inputs") or ()}
        heard, seen = "heard" in reads, "seen" in reads
        parts = {
            "media": [
                seconds("probe") if heard or seen else None,
                seconds("audio") if heard else None,
                seconds("keyframes") if seen else None,
            ],
            "transcribe": [seconds(f"transcripts-{source}") for source in transcripts_of(model, study)]
            + [seconds(f"summaries-{name}") for name in summaries_of(model, study)],
            "embed": [seconds(f"embed-{encoder}") for encoder in encoders]
            + [seconds("features", feature) for feature in sorted(features)],
            "train": [seconds(f"train-{task}", one) for one in [name, *others]],
        }
        found[name] = {
            stage: math.fsum(value for value in values if value is not None)
            for stage, values in parts.items()
            if any(value is not None for value in values)
        }
    return found
