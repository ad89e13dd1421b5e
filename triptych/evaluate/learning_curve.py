"""The learning curve of a model, from predictions alone: its score by the number of videos that it learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from triptych.evaluate import intervals
from triptych.evaluate.confusion import shorten
from triptych.evaluate.metrics import primary
from triptych.evaluate.predictions import Predictions
from triptych.evaluate.svg import BLUE, INK, Drawing

NAMES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}
#: Left, top, right and bottom of the curve in pixels.
BOX = (56, 52, 436, 280)


def point(found: Predictions, groups: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """Scores of models that learned from one share of their training folds.

    Args:
        found: predictions of n videos, a repeat for each draw of training groups.
        groups: (n,) group of each video.
        resamples: of the intervals.
        seed: of the resamples.

    Returns:
        name -> {value, low, high} of the primary metric and of macro-F1, means over the draws, and `draws`: the primary
        metric of each.
    """
    names = (primary(found.multi), "macro_f1")
    values, between = intervals.point(found), intervals.bootstrap(found, groups, resamples, seed)
    told: dict[str, Any] = {}
    for name in names:
        low, high = between.get(name, (None, None))
        told[name] = {"value": values[name], "low": low, "high": high}
    alone = [replace(found, repeats=[one]) for one in found.repeats]
    return told | {"draws": [intervals.point(one)[names[0]] for one in alone]}


def draw(path: Path | str, curve: dict[str, Any], title: str = "") -> None:
    """Draw a learning curve as an SVG: the score with its interval over the mean number of training videos.

    Args:
        path: picture to write.
        curve: what `learn.curve.learning_curve` tells.
        title: a line above the picture.
    """
    left, top, right, bottom = BOX
    metric, points = curve["primary"], curve["points"]
    picture = Drawing(456, 332, f"Learning curve {title}")
    if title:
        picture.text(left, 20, shorten(title, 60), size=13, colour=INK)
    words = f"mean, 95 % interval over {curve['groups']} groups; small dots: draws of training groups"
    picture.text(left, 38, words, size=10)
    most = max(one["n_train"] for one in points)

    def at(n: float, value: float) -> tuple[float, float]:
        return left + (right - left) * n / most, bottom - (bottom - top) * value

    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = at(0, tick)[1]
        picture.line(left, y, right, y)
        picture.text(left - 6, y + 4, f"{100 * tick:.0f}", "end")
    end = -np.inf
    for one in points:
        x = at(one["n_train"], 0)[0]
        picture.line(x, bottom, x, bottom + 4)
        # Numbers that would run into one another are left out; they are in the file beside it.
        if x - end > 30:
            picture.text(x, bottom + 17, f"{one['n_train']:.0f}", "middle")
            end = x
    for one in points:
        for value in one["draws"]:
            picture.dot(*at(one["n_train"], value), 2, "#9fb8dc")
        told = one[metric]
        if told["low"] is not None:
            (x, low), (_, high) = at(one["n_train"], told["low"]), at(one["n_train"], told["high"])
            picture.line(x, low, x, high, BLUE, 1.6)
    line = [at(one["n_train"], one[metric]["value"]) for one in points]
    picture.polyline(line)
    for place in line:
        picture.dot(*place)
    picture.text(14, (top + bottom) / 2, f"{NAMES[metric]}, %", "middle", upward=True)
    picture.text((left + right) / 2, bottom + 38, "videos to learn from (mean over folds and draws)", "middle")
    picture.write(path)
