"""Agreement of two labellings: Cohen's kappa, and counts of each pair of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.evaluate import confusion
from triptych.evaluate.predictions import Predictions, Repeat


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> float | None:
    """Cohen's kappa of two labellings: (observed - expected agreement) / (1 - expected).

    Args:
        first: (n, K) bool, one class a row.
        second: likewise.

    Returns:
        None without rows, and where both name one and the same class throughout (0 / 0).
    """
    n = len(first)
    if not n:
        return None
    observed = (first & second).sum() / n
    expected = float((first.sum(axis=0) / n) @ (second.sum(axis=0) / n))
    return None if expected >= 1 else float((observed - expected) / (1 - expected))


def compare(
    existing: Mapping[str, tuple[str, ...]], made: Mapping[str, tuple[str, ...]], multi_label: bool
) -> tuple[dict[str, Any], Predictions | None]:
    """Numbers of the agreement, on videos that both label.

    With several labels a video kappa is that of each class alone (has it or not), and their mean.

    Args:
        existing: video -> labels that were there; empty where there are none.
        made: video -> zero-shot labels.
        multi_label: whether a video may have several.

    Returns:
        Facts (`n`, `kappa`, `agreement`, `classes`, `per_class`, `only_existing`, `only_made`), and both labellings as
        a table for drawing (existing as truth); None without a common video.
    """
    both = sorted(video for video, labels in existing.items() if labels and made.get(video))
    facts: dict[str, Any] = {
        "n": len(both),
        "only_existing": sum(bool(labels) and not made.get(video) for video, labels in existing.items()),
        "only_made": sum(bool(labels) and not existing.get(video) for video, labels in made.items()),
        "multi_label": multi_label,
        "kappa": None,
        "agreement": None,
        "classes": [],
        "per_class": [],
        "common_classes": 0,
    }
    if not both:
        return facts, None
    classes = sorted({one for video in both for one in (*existing[video], *made[video])})
    truth, decision = (_matrix([side[video] for video in both], classes) for side in (existing, made))
    per_class = [
        {
            "class": name,
            "existing": int(truth[:, place].sum()),
            "made": int(decision[:, place].sum()),
            "both": int((truth[:, place] & decision[:, place]).sum()),
            "kappa": _binary(truth[:, place], decision[:, place]),
        }
        for place, name in enumerate(classes)
    ]
    if multi_label:
        known = [row["kappa"] for row in per_class if row["kappa"] is not None]
        kappa = float(np.mean(known)) if known else None
    else:
        kappa = cohen_kappa(truth, decision)
    facts |= {
        "kappa": kappa,
        "agreement": float((truth == decision).all(axis=1).mean()),
        "classes": classes,
        "per_class": per_class,
        "common_classes": int((truth.any(axis=0) & decision.any(axis=0)).sum()),
    }
    repeat = Repeat(0, np.zeros(len(both), int), decision.astype(float), decision)
    return facts, Predictions(both, classes, truth, np.ones(len(both), bool), [repeat], [0], multi_label)


def write(
    facts: Mapping[str, Any], table: Predictions | None, json: Path | str, csv: Path | str, svg: Path | str
) -> None:
    """Write the facts, the counts of each pair of classes, and their picture.

    Raises:
        ValueError: no video has both labels.
    """
    if table is None:
        raise ValueError("no video has both an existing and a zero-shot label")
    confusion.write_csv(csv, table, ("existing", "zero_shot"))
    confusion.draw(svg, table, axes_named=("existing", "zero-shot"))
    sealed.write_json(json, dict(facts))


def _matrix(labels: Sequence[tuple[str, ...]], classes: Sequence[str]) -> np.ndarray:
    return np.array([[name in own for name in classes] for own in labels], dtype=bool)


def _binary(first: np.ndarray, second: np.ndarray) -> float | None:
    return cohen_kappa(np.stack([first, ~first], axis=1), np.stack([second, ~second], axis=1))
