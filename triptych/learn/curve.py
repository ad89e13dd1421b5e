"""Learning curves: a model fitted again on shares of the groups of each training fold, tested on whole folds.

Whole groups are drawn, stratified by class, so that a share of .1 is a tenth of the films, not of each film.
Draw d takes the folds of repeat d (again from the first one where there are fewer) and is nested: the groups of a small
share are among those of a larger one. The test folds are those of the predictions, and nothing of a test fold is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Model, Task
from triptych.evaluate import learning_curve as scoring
from triptych.evaluate.metrics import primary
from triptych.evaluate.predictions import as_groups, read
from triptych.learn import decide, predict, seeds
from triptych.learn.networks.spill import Fits
from triptych.learn.params import as_model, validate
from triptych.learn.splits import folds_of
from triptych.learn.table import Part, write_predictions
from triptych.learn.tasks import as_task, read_labels

VERSION = "1"


def learning_curve(
    name: str,
    model: Model | Mapping[str, Any],
    task: Task | Mapping[str, Any],
    *,
    labels: Path | str,
    splits: Path | str,
    out: Path | str,
    svg: Path | str,
    evaluate: Mapping[str, Any],
    features: Mapping[str, Path | str] | None = None,
    transcripts: Mapping[str, Iterable[Path | str]] | None = None,
    fields: Mapping[str, Mapping[str, str]] | None = None,
    title: str = "",
    threads: int = 1,
    refused: Path | str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Fit a model on shares of its training folds, and write its learning curve.

    Args:
        name: the model's name, for messages.
        model: its section of the study file; one that reads other models' predictions has no curve.
        task: the task's section.
        labels: labels.parquet.
        splits: the split file.
        out: numbers to write, as JSON.
        svg: picture to write.
        evaluate: the study's section `evaluate`: `curve_shares`, `curve_draws`, `bootstrap`, `seed`.
        features: feature -> its HDF5 file.
        transcripts: text field -> transcript files.
        fields: column of the table -> slug -> text.
        title: a line above the picture.
        threads: threads of this job.
        refused: refused.json of the task: near-duplicates that count as unlabelled, and groups that they tie.
        device: that networks are fitted on: `cpu` or `cuda:0`.

    Returns:
        What is written to `out`: `primary`, `n`, `groups`, and `points`: a mapping a share with `n_train` and
        `groups_train` (means over folds and draws), the scores with their intervals, and `draws`.

    Raises:
        ValueError: faulty parameters, or a model that has no learning curve.
    """
    from threadpoolctl import threadpool_limits

    model = as_model(model)
    if model.reads_members:
        raise ValueError(f"model {name!r} reads other models' predictions; only models that are trained have a curve")
    task = as_task(task)
    if faults := validate(model, name):
        raise ValueError("\n".join(faults))
    data = read_labels(labels, refused, together=True).labelled()
    folds = folds_of(splits, data, task)
    given = features or {}, transcripts or {}, fields or {}
    blocks = predict.blocks_of(model, data.videos, *given, data, task.seed, threads)
    fits = Fits(device=device)
    problem = predict.Problem(model, data, blocks, len(data.videos), task.multi_label, threads, fits=fits)
    groups = as_groups(dict(zip(data.videos, data.groups, strict=True)), sorted(data.videos))
    points = []
    with threadpool_limits(limits=threads), tempfile.TemporaryDirectory() as folder:
        for number, share in enumerate(sorted(set(evaluate["curve_shares"]))):
            parts, rows, held = _fit(problem, folds, task, share, int(evaluate["curve_draws"]))
            write_predictions(Path(folder) / f"{number}.parquet", parts, data.classes, task.multi_label)
            found = read(Path(folder) / f"{number}.parquet", task.multi_label)
            told = scoring.point(found, groups, int(evaluate["bootstrap"]), int(evaluate["seed"]))
            means = {"n_train": float(np.mean(rows)), "groups_train": float(np.mean(held))}
            points.append({"share": share, **means, **told})
    curve = {
        "model": name,
        "primary": primary(task.multi_label),
        "n": len(data.videos),
        "groups": len(np.unique(groups.astype(str))),
        "points": points,
    }
    sealed.write_json(out, curve)
    scoring.draw(svg, curve, title or name)
    return curve


def _fit(problem: predict.Problem, folds: np.ndarray, task: Task, share: float, draws: int):
    """Predictions of all videos for each draw, and how many rows and groups each fit learned from."""
    parts, rows, held = [], [], []
    # Thresholds that inner folds would choose cost several fits each; a curve does with one half instead.
    named = problem.multi and not problem.model.decide.chosen
    rule = decide.fit(problem.model.decide, None, None, problem.targets.shape[1]) if named else None
    # Without anything left out, draws of the same folds differ by the seed of the model only.
    count = draws if share < 1 or seeds.count(problem.model) > 1 else min(draws, len(folds))
    for draw in range(count):
        of_row = folds[draw % len(folds)]
        seed = seeds.of(task.seed, draw % len(folds), draw // len(folds))
        for fold in np.unique(of_row).tolist():
            train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
            own = problem.groups[train].tolist()
            kept = train[subset(own, problem.targets[train], share, [task.seed, draw, fold])]
            p, seen, _ = problem.fit_predict(kept, test, seed)
            videos = [problem.data.videos[row] for row in test]
            decision = rule.decide(p) if rule else None
            parts.append(Part("test", fold, draw, seed, videos, p, seen, problem.targets[test], decision=decision))
            rows.append(len(kept))
            held.append(len(set(problem.groups[kept].tolist())))
    return parts, rows, held


def subset(groups: Sequence[str], targets: np.ndarray, share: float, seed: Sequence[int]) -> np.ndarray:
    """Rows of a random share of the groups, stratified as far as there are groups.

    A group counts for the rarest class that it holds, so that rare classes are not lost. The first group of each class
    is drawn before any second one, and with one label a video none is left out, however small the share; the others
    follow as the classes share the groups. The same seed gives nested draws.

    Args:
        groups: group of each row (n,).
        targets: (n, K) bool.
        share: of the groups, up to 1.
        seed: of the draw.

    Returns:
        Indices of rows, ascending.
    """
    names, where = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    holds = np.zeros((len(names), targets.shape[1]), dtype=bool)
    np.logical_or.at(holds, where, targets)
    rarity = np.where(holds, holds.sum(axis=0), len(names) + 1)
    # Videos without any label (several may be allowed) form a stratum of their own.
    stratum = np.where(holds.any(axis=1), rarity.argmin(axis=1), -1)
    random = np.random.default_rng(list(seed))
    shuffled = random.permutation(len(names))
    # Group i of the m of a class stands at (i + u) / m of the way.
    rank, at = np.zeros(len(names), dtype=int), np.zeros(len(names))
    for one in np.unique(stratum):
        own = shuffled[stratum[shuffled] == one]
        rank[own] = np.arange(len(own))
        at[own] = (rank[own] + random.random()) / len(own)
    order = np.lexsort([at, rank > 0])
    single = bool((targets.sum(axis=1) == 1).all())
    least = len(np.unique(stratum)) if single else min(2, len(names))
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[: max(least, int(np.floor(share * len(names) + 0.5)))]] = True
    return np.flatnonzero(chosen[where])
