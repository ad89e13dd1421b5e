"""Labels that are probably wrong, from out-of-fold probabilities: hints for people, nothing is changed by them.

Confident learning (C. G. Northcutt, L. Jiang, I. L. Chuang, Confident Learning: Estimating Uncertainty in Dataset
Labels, Journal of Artificial Intelligence Research 70, 2021). The threshold of a class is the mean probability that
videos with this label are given of it. A label is in doubt when another class is above its threshold and the label is
not the most probable one of those (the off-diagonal cells of the confident joint). Hints are ordered by the normalised
margin: the probability of the label less that of the most probable other class, brought to 0 to 1.

With several labels a video each class is a question of its own, asked against "not this class".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import replace_text
from triptych.evaluate.guard import formula_safe
from triptych.evaluate.paired import same_videos
from triptych.evaluate.predictions import Predictions, read

VERSION = "1"
HEADER = ("video", "given", "suggested", "score", "agree", "models")


def label_hints(predictions: Mapping[str, Path | str], out: Path | str, multi_label: bool | None = None) -> list[dict]:
    """Write `hints/{task}.csv`: a row a label in doubt, the likeliest error first.

    Args:
        predictions: model -> predictions file; baselines look at no video and must be left out.
        out: table to write.
        multi_label: of the task; None reads it off the rows.

    Returns:
        The rows, see `hints`.

    Raises:
        PredictionsError: models were scored on different videos or labels.
    """
    found = {name: read(path, multi_label) for name, path in predictions.items()}
    if found:
        same_videos(found)
    rows = hints(found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in rows:
        cells = [row["video"], row["given"], row["suggested"], f"{row['score']:.6f}", row["agree"]]
        writer.writerow([formula_safe(cell) for cell in (*cells, "+".join(row["models"]))])
    replace_text(out, text.getvalue())
    return rows


def hints(found: Mapping[str, Predictions]) -> list[dict[str, Any]]:
    """Labels in doubt by most of the models that cover the video.

    Args:
        found: model -> out-of-fold predictions, all on the same videos.

    Returns:
        Mappings: `video`, `given` (the label, or `not X`), `suggested`, `score` (mean quality of the label over the
        covering models, 0 to 1; low is bad), `agree` (`2 of 3` models have it in doubt) and `models` (those).
    """
    if not found:
        return []
    first = next(iter(found.values()))
    if not first.multi:
        return _ordered(_single(found, first.truth, first.classes, first.videos))
    rows = []
    for column, name in enumerate(first.classes):
        truth = np.stack([~first.truth[:, column], first.truth[:, column]], axis=1)
        rows += _single(found, truth, [f"not {name}", name], first.videos, column)
    return _ordered(rows)


def doubtful(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The class (n,) that the confident joint counts each row under; its own label where nothing speaks against it.

    Args:
        probability: (n, K) out-of-fold.
        truth: (n, K) bool, one True a row.
    """
    given = truth.argmax(axis=1)
    support = truth.sum(axis=0)
    # A class without rows has no threshold that could be reached.
    threshold = np.where(support > 0, (probability * truth).sum(axis=0) / np.maximum(support, 1), np.inf)
    above = probability >= threshold - 1e-9
    likeliest = np.where(above, probability, -1.0).argmax(axis=1)
    # Among equally probable classes the label stands.
    rows = np.arange(len(given))
    stands = above[rows, given] & (probability[rows, given] >= probability[rows, likeliest])
    return np.where(above.any(axis=1) & ~stands, likeliest, given)


def margin(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Probability of the label less that of the most probable other class (n,)."""
    return (probability * truth).sum(axis=1) - np.where(truth, -1.0, probability).max(axis=1)


def _single(found, truth: np.ndarray, classes: list[str], videos: list[str], column: int | None = None) -> list[dict]:
    given = truth.argmax(axis=1)
    total, asked = np.zeros(truth.shape), np.zeros(len(truth))
    margins = np.zeros(len(truth))
    doubts: dict[str, np.ndarray] = {}
    for name, one in found.items():
        p = np.mean([repeat.probability for repeat in one.repeats], axis=0)
        if column is not None:
            p = np.stack([1 - p[:, column], p[:, column]], axis=1)
        own = np.flatnonzero(one.covered)
        if not len(own):
            continue
        total[own] += p[own]
        margins[own] += margin(p[own], truth[own])
        asked[own] += 1
        doubts[name] = np.zeros(len(truth), dtype=bool)
        doubts[name][own] = doubtful(p[own], truth[own]) != given[own]
    votes = np.sum(list(doubts.values()), axis=0) if doubts else np.zeros(len(truth))
    suggested = np.where(truth, -1.0, total).argmax(axis=1)
    return [
        {
            "video": videos[row],
            "given": classes[given[row]],
            "suggested": classes[suggested[row]],
            "score": float((1 + margins[row] / asked[row]) / 2),
            "agree": f"{int(votes[row])} of {int(asked[row])}",
            "models": [name for name, doubt in doubts.items() if doubt[row]],
        }
        for row in np.flatnonzero(2 * votes > asked)
    ]


def _ordered(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: (round(row["score"], 9), row["video"], row["given"]))
