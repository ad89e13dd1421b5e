"""The reliability curve of a model: how often predictions of a probability come true.

Predictions are parted into 15 bins of equal width (those of the expected calibration error, see `scores`). With one
label a video counts once, by the probability of its decision; with several labels every pair of video and class counts.
Whiskers are 95 % intervals over resampled groups, as those of the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.evaluate import intervals, scores
from triptych.evaluate.confusion import shorten
from triptych.evaluate.predictions import Predictions
from triptych.evaluate.svg import BLUE, INK, LINE, SOFT, Drawing

#: Left, top, right and bottom of the curve, and top and bottom of the counts, in pixels.
BOX, COUNTS = (56, 52, 356, 292), (332, 396)


def curve(found: Predictions, groups: np.ndarray, resamples: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    """The bins of a reliability curve, from low to high probabilities.

    Args:
        found: predictions of n videos.
        groups: (n,) group of each.
        resamples: of the intervals; 0 gives none.
        seed: of the resamples.

    Returns:
        A mapping a bin that holds something: `bin` (number), `count` (mean over repeats), `confidence` (mean
        probability), `share` (of what came true), `low`, `high` (of the share; None where groups tell no width).
    """
    _, index = np.unique(groups.astype(str), return_inverse=True)
    number = int(index.max()) + 1
    sums = sum(intervals._of_groups(_columns(found, repeat), index, number).toarray() for repeat in found.repeats)
    sums = sums / len(found.repeats)
    count, confidence, right = np.split(sums.sum(axis=0), 3)
    low, high = _between(sums, number, resamples, seed)
    rows = []
    for place in np.flatnonzero(count > 0):
        some = high[place] - low[place] > intervals.NO_WIDTH
        rows.append(
            {
                "bin": int(place),
                "count": float(count[place]),
                "confidence": float(confidence[place] / count[place]),
                "share": float(right[place] / count[place]),
                "low": float(low[place]) if some else None,
                "high": float(high[place]) if some else None,
            }
        )
    return rows


def draw_model(
    found: Predictions,
    groups: np.ndarray,
    out: Path | str,
    *,
    metrics: Mapping[str, Any],
    evaluate: Mapping[str, Any],
    title: str = "",
) -> list[dict[str, Any]]:
    """Draw the reliability curve of predictions.

    Args:
        found: predictions of n videos.
        groups: (n,) group of each.
        out: picture to write, an SVG.
        metrics: what `metrics.evaluate_model` tells of them: ECE and Brier score with their intervals.
        evaluate: the study's section `evaluate`: `bootstrap`, `seed`.
        title: a line above the picture.

    Returns:
        The bins (see `curve`).
    """
    bins = curve(found, groups, int(evaluate["bootstrap"]), int(evaluate["seed"]))
    draw(out, bins, metrics["all"], len(found.videos), found.multi, title)
    return bins


def draw(
    path: Path | str, bins: list[dict[str, Any]], told: Mapping[str, Any], n: int, multi: bool, title: str = ""
) -> None:
    """Draw bins as an SVG: the curve against the diagonal above, how many predictions each bin holds below.

    Args:
        path: picture to write.
        bins: of `curve`.
        told: `ece` and `brier`, each with value, low and high.
        n: number of videos.
        multi: whether pairs of video and class are counted.
        title: a line above the picture.
    """
    left, top, right, bottom = BOX
    picture = Drawing(372, 440, f"Reliability curve {title}: {_score('ECE', told['ece'])}, n = {n}")
    if title:
        picture.text(left, 18, shorten(title, 48), size=13, colour=INK)
    picture.text(left, 36, " · ".join((_score("ECE", told["ece"]), _score("Brier", told["brier"]))), colour=SOFT)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x, bottom - (bottom - top) * y

    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = at(tick, tick)
        picture.line(left, y, right, y)
        picture.line(x, top, x, bottom)
        picture.text(left - 6, y + 4, f"{100 * tick:.0f}", "end")
        picture.text(x, COUNTS[1] + 16, f"{100 * tick:.0f}", "middle")
    picture.line(*at(0, 0), *at(1, 1), SOFT, dash="4 4")
    most = max((one["count"] for one in bins), default=1)
    wide = (right - left) / scores.BINS
    for one in bins:
        tall = (COUNTS[1] - COUNTS[0]) * one["count"] / most
        start = left + wide * one["bin"]
        picture.rect(start + 1, COUNTS[1] - tall, wide - 2, tall, "#c3d3ea")
        picture.text(start + wide / 2, COUNTS[1] - tall - 3, f"{one['count']:.0f}", "middle", 8)
        if one["low"] is not None:
            x = at(one["confidence"], 0)[0]
            picture.line(x, at(0, one["low"])[1], x, at(0, one["high"])[1], BLUE, 1.4)
    picture.line(left, COUNTS[1], right, COUNTS[1], LINE)
    points = [at(one["confidence"], one["share"]) for one in bins]
    picture.polyline(points)
    for point in points:
        picture.dot(*point)
    unit = "pairs of video and class" if multi else "videos"
    picture.text(left, bottom + 20, f"{unit} a bin")
    picture.text(
        14, (top + bottom) / 2, "share that is true, %" if multi else "share that is right, %", "middle", upward=True
    )
    words = f"predicted probability, %  (n = {n} videos, 95 % intervals)"
    picture.text((left + right) / 2, COUNTS[1] + 36, words, "middle")
    picture.write(path)


def _columns(found: Predictions, repeat):
    return scores.statistics(found, repeat)[:, -3 * scores.BINS :]


def _between(sums: np.ndarray, groups: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of the share of each bin, (BINS,) each; NaN where there is none."""
    nothing = np.full(scores.BINS, np.nan)
    if groups < 2 or not resamples:
        return nothing, nothing
    shares = []
    for drawn in intervals.draws(groups, resamples, seed, max(1, intervals.BLOCK // max(groups, 3 * scores.BINS))):
        count, _, right = np.split(drawn @ sums, 3, axis=1)
        shares.append(np.divide(right, count, out=np.full(count.shape, np.nan), where=count > 0))
    values = np.concatenate(shares)
    there = np.isfinite(values).any(axis=0)
    tail = (1 - intervals.LEVEL) / 2
    low, high = nothing.copy(), nothing.copy()
    low[there], high[there] = np.nanquantile(values[:, there], [tail, 1 - tail], axis=0)
    return low, high


def _score(name: str, one: Mapping[str, Any]) -> str:
    between = "" if one["low"] is None else f" ({one['low']:.3f} to {one['high']:.3f})"
    return f"{name} {one['value']:.3f}{between}"
