"""Metrics of one model from its predictions file and nothing else: on all videos and on those that it covers.

Definitions: accuracy is the share of videos whose label is right; balanced accuracy the mean recall of the classes;
macro-F1 the mean and weighted F1 the support-weighted mean of the classes' F1; ROC-AUC one class against the rest,
mean over classes; log-loss in nats; Brier score the squared error summed over classes; ECE over 15 bins of equal width
of the decision's probability. With several labels: subset accuracy, Hamming loss, micro-, macro-, weighted and
per-video F1, mean average precision; log-loss, Brier score and ECE over all pairs of video and class. Metrics are
computed for each repeat and seed and averaged; `sd_seeds` is the standard deviation of the primary metric over the
seeds. Intervals: see `intervals`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.files import digest_json
from triptych.evaluate import calibration_curve, confusion, intervals, ranking, scores
from triptych.evaluate.predictions import Predictions, groups_of, read

VERSION = "2"

#: What of a model's section of the study file is kept beside its numbers.
DESCRIBED = ("inputs", "text", "vectorizer", "head", "params", "fusion", "members", "select", "balance", "decide")
DESCRIBED += ("inner",)


def evaluate_model(
    predictions: Path | str,
    labels: Path | str,
    out: Path | str,
    *,
    task: str,
    model: str,
    spec: Mapping[str, Any],
    evaluate: Mapping[str, Any],
    svg: Path | str | None = None,
    csv: Path | str | None = None,
    reliability: Path | str | None = None,
    multi_label: bool | None = None,
    selection: Path | str | None = None,
    refused: Path | str | None = None,
) -> dict[str, Any]:
    """Write metrics, confusion matrix and reliability curve of a model.

    Args:
        predictions: its predictions file.
        labels: labels.parquet of the task, for the groups.
        out: metrics file to write.
        task: name of the task.
        model: name of the model.
        spec: the model's section of the study file.
        evaluate: the study's section `evaluate`: `bootstrap`, `seed`.
        svg: confusion matrix to draw, if wanted.
        csv: confusion matrix as a table, if wanted.
        reliability: reliability curve to draw, if wanted.
        multi_label: of the task; None reads it off the rows.
        selection: of a choice: what it took, and by what; its digest is told beside the metrics.
        refused: refused.json of the task: groups that near-duplicates tie.

    Returns:
        What is written to `out`; the same inputs give the same bytes.

    Raises:
        PredictionsError: the predictions file cannot be scored.
    """
    found = read(predictions, multi_label)
    groups = groups_of(labels, found.videos, refused)
    result = {"task": task, "model": model, **{name: spec.get(name) for name in DESCRIBED}}
    result |= measure(found, groups, int(evaluate["bootstrap"]), int(evaluate["seed"]))
    if selection is not None:
        result["selection"] = _selected(selection)
    sealed.write_json(out, result)
    if csv is not None:
        confusion.write_csv(csv, found)
    if svg is not None:
        confusion.draw(svg, found, f"{model}: {task}")
    if reliability is not None:
        title = f"{model}: {task}"
        calibration_curve.draw_model(found, groups, reliability, metrics=result, evaluate=evaluate, title=title)
    return result


def _selected(path: Path | str) -> dict[str, Any]:
    """Of a selection: its digest, the score it went by, and how often each candidate was taken."""
    told = sealed.read_json(path)
    times = Counter(one["chosen"] for one in told["folds"])
    return {"digest": told["digest"], "by": told["by"], "chosen": {one: times[one] for one in told["candidates"]}}


def measure(found: Predictions, groups: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """All metrics of predictions as a JSON-able mapping.

    Args:
        found: predictions of n videos.
        groups: (n,) group of each.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    covered = np.flatnonzero(found.covered)
    whole = _scored(found, groups, resamples, seed)
    if len(covered) == len(found.videos):
        part = whole
    else:
        part = _scored(found.take(covered), groups[covered], resamples, seed)
    empty = sum(1 for k in range(len(found.classes)) if not found.truth[:, k].any())
    return {
        "n": len(found.videos),
        "groups": len(np.unique(groups.astype(str))),
        "repeats": len(found.numbers),
        "seeds": found.seeds,
        "seeds_n": len(found.runs),
        "sd_seeds": spread(found),
        **identity(found),
        "multi_label": found.multi,
        "classes": found.classes,
        "classes_without_videos": empty,
        "primary": primary(found.multi),
        "bootstrap": resamples,
        "all": whole,
        "covered": part,
        "per_class": _per_class(found),
        "per_fold": _per_fold(found),
    }


def identity(found: Predictions) -> dict[str, str]:
    """What rows of one comparison must share: digests of the videos with their labels, and of the folds."""
    folds = {repeat.number: repeat.fold.tolist() for repeat in found.repeats}
    truths = np.packbits(found.truth).tobytes().hex()
    return {
        "labels_hash": digest_json([found.videos, found.classes, truths]),
        "split_hash": digest_json([found.videos, sorted(folds.items())]),
    }


def primary(multi: bool) -> str:
    """The metric that models are ranked by."""
    return "micro_f1" if multi else "accuracy"


def spread(found: Predictions) -> float | None:
    """Standard deviation of the primary metric over seeds, each a mean over the repeats; None with one seed."""
    if len(found.runs) < 2:
        return None
    values = [intervals.point(replace(found, repeats=run))[primary(found.multi)] for run in found.runs]
    return float(np.std(values, ddof=1))


def _scored(found: Predictions, groups: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """n, groups and name -> {value, low, high}; null where there is nothing to compute it from."""
    told: dict[str, Any] = {"n": len(found.videos), "groups": len(np.unique(groups.astype(str)))}
    if not found.videos:
        return told
    between = intervals.bootstrap(found, groups, resamples, seed)
    for name, value in intervals.point(found).items():
        low, high = between.get(name, (None, None))
        told[name] = {"value": _number(value), "low": low, "high": high}
    return told


def _per_class(found: Predictions) -> list[dict[str, Any]]:
    """Support, precision, recall, F1 and ROC-AUC of each class, averaged over repeats and seeds."""
    ones = np.ones((1, len(found.videos)))
    columns: dict[str, list[np.ndarray]] = {}
    for repeat in found.repeats:
        sums = np.asarray(scores.statistics(found, repeat).sum(axis=0)).ravel()
        one = scores.per_class(sums, len(found.classes))
        one["auc"] = ranking.by_class(ranking.auc, repeat.probability, found.truth, ones)[0]
        if found.multi:
            how = ranking.average_precision
            one["average_precision"] = ranking.by_class(how, repeat.probability, found.truth, ones)[0]
        for name, values in one.items():
            columns.setdefault(name, []).append(values)
    means = {name: np.mean(values, axis=0) for name, values in columns.items()}
    rows = []
    for k, name in enumerate(found.classes):
        row = {metric: _number(float(values[k])) for metric, values in means.items()}
        rows.append({"class": name, **row, "support": int(means["support"][k])})
    return rows


def _per_fold(found: Predictions) -> list[dict[str, Any]]:
    """The metrics of each fold of each repeat, means over seeds; a class that a fold lacks is left out of its means."""
    rows = []
    for number in found.numbers:
        runs = [repeat for repeat in found.repeats if repeat.number == number]
        tables = [scores.statistics(found, repeat) for repeat in runs]
        for fold in np.unique(runs[0].fold):
            members = np.flatnonzero(runs[0].fold == fold)
            sums = np.stack([np.asarray(table[members].sum(axis=0)).ravel() for table in tables])
            one = scores.metrics_of(sums, len(found.classes), found.multi)
            numbers = {name: _number(float(values.mean())) for name, values in one.items()}
            rows.append({"repeat": number, "fold": int(fold), "n": len(members), **numbers})
    return rows


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
