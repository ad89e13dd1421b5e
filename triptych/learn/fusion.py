"""Late fusion: members' probabilities joined by mean, by log-product, or by nested calibrated stacking.

A late fusion reads its members' predictions files, the labels and the splits; nothing else. The meta model of outer
fold k is fitted on the members' inner rows of k only: out-of-fold predictions of models that have seen neither the
row's group nor any video of fold k. Thresholds of decisions are chosen on the same rows, those of a stack by stacks
that had not seen the row's group. (One out-of-fold table shared by all folds leaks: each fold's labels are in the
members that predicted the others.) For unlabelled videos it is fitted on all test rows, which no metric then reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.config import Model
from triptych.learn import balance, calibrate, decide, heads, seeds
from triptych.learn.members import Members, gather, read_member, refuse_leaks
from triptych.learn.params import FUSION_PARAMS, candidates, values_of
from triptych.learn.splits import assign
from triptych.learn.table import Part, runs_of
from triptych.learn.tasks import Labels


class Mean:
    """Weighted mean of the probabilities of the members that have their input.

    Args:
        names: members, in order.
        params: `weights`.
        multi: several labels a video.
    """

    def __init__(self, names, params: Mapping[str, Any], multi: bool) -> None:
        given = values_of(FUSION_PARAMS["mean"], params)["weights"]
        self.weights, self.multi = np.array([float(given.get(name, 1.0)) for name in names]), multi

    def fit(self, train: Members, targets: np.ndarray, groups) -> Mean:
        """Keep the training prior, for videos that no member covers."""
        self.prior = heads.prior(targets)
        return self

    def predict_proba(self, test: Members) -> np.ndarray:
        """Probabilities (n, K)."""
        weights = self.weights[:, None] * test.covered
        total = weights.sum(axis=0)
        joined = self._join(test.probability, weights / np.where(total > 0, total, 1.0))
        return np.where((total > 0)[:, None], joined, self.prior)

    def covers(self, test: Members) -> np.ndarray:
        """Which videos (n,) have a prediction that reads a member."""
        return test.covered.any(axis=0)

    def _join(self, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return (probability * weights[:, :, None]).sum(axis=0)


class LogProduct(Mean):
    """Weighted mean of log-probabilities of the members that have their input, normalised (a geometric mean)."""

    def _join(self, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
        values = np.stack([calibrate.logits(one, self.multi) for one in probability])
        return calibrate.probabilities((values * weights[:, :, None]).sum(axis=0), self.multi)


class Stack:
    """Logistic regression on members' log-probabilities, each member calibrated by a temperature.

    A member that lacks its input is replaced by the log-prior of the training videos. Both temperatures and regression
    are fitted on rows that the members had not seen. When no member has its input in any of these rows, nothing can be
    learned: every video then has the prior of all training videos, and counts as not covered.

    Args:
        names: members, in order.
        params: `C` (or a list), `temperature`, `indicator`.
        multi: several labels a video; each label then has its own regression on the members' logits of that label.
        inner: inner folds for choosing `C` from a list.
        seed: of these folds.
        class_weight: weigh rows so that all classes weigh the same.
    """

    def __init__(
        self, names, params: Mapping[str, Any], multi: bool, inner: int, seed: int, class_weight: bool = False
    ) -> None:
        self.names, self.multi, self.inner, self.seed, self.class_weight = names, multi, inner, seed, class_weight
        self.params = values_of(FUSION_PARAMS["logistic"], params)
        self.points = [{"C": point["C"], "max_iter": 1000} for point in candidates(FUSION_PARAMS["logistic"], params)]

    def fit(self, train: Members, targets: np.ndarray, groups) -> Stack:
        """Learn temperatures and regression.

        Args:
            train: out-of-fold predictions of the training videos.
            targets: (n, K) bool.
            groups: (n,).
        """
        self.prior = heads.prior(targets)
        self.heat = np.ones(len(self.names))
        if self.params["temperature"]:
            for index in range(len(self.names)):
                rows = train.covered[index]
                self.heat[index] = calibrate.temperature(train.probability[index][rows], targets[rows], self.multi)
        rows = train.covered.any(axis=0)
        self.models = []
        if not rows.any():
            return self
        kept = [group for group, row in zip(groups, rows, strict=True) if row]
        blocks, targets = self._matrix(train.take(np.flatnonzero(rows))), targets[rows]
        if self.multi:
            columns = range(targets.shape[1])
            self.models = [self._head(True).fit(blocks[column], targets[:, [column]], kept) for column in columns]
        else:
            self.models = [self._head(False).fit(blocks[0], targets, kept)]
        return self

    def predict_proba(self, test: Members) -> np.ndarray:
        """Probabilities (n, K)."""
        if not self.models:
            return np.tile(self.prior, (test.covered.shape[1], 1))
        blocks = self._matrix(test)
        if self.multi:
            p = np.concatenate([m.predict_proba(block) for m, block in zip(self.models, blocks, strict=True)], axis=1)
        else:
            p = self.models[0].predict_proba(blocks[0])
        return np.where(test.covered.any(axis=0)[:, None], p, self.prior)

    def covers(self, test: Members) -> np.ndarray:
        """Which videos (n,) have a prediction that reads a member: none when there was nothing to learn from."""
        return test.covered.any(axis=0) & bool(self.models)

    def _head(self, multi: bool):
        def one(point):
            return heads.Reduced(
                lambda targets: heads._plain("logistic", point, multi, self.seed, 1), multi, self.class_weight
            )

        if len(self.points) == 1:
            return one(self.points[0])
        return heads.Searched(one, self.points, multi, self.inner, self.seed)

    def _matrix(self, members: Members) -> list[np.ndarray]:
        """Matrices that the regressions read: one for all classes, or one a label."""
        default = calibrate.logits(self.prior[None], self.multi)[0]
        values = np.stack(
            [
                np.where(here[:, None], calibrate.logits(p, self.multi) / heat, default)
                for p, here, heat in zip(members.probability, members.covered, self.heat, strict=True)
            ]
        )
        seen = members.covered.T.astype(float) if self.params["indicator"] else np.zeros((values.shape[1], 0))
        if self.multi:
            return [np.concatenate([values[:, :, column].T, seen], axis=1) for column in range(values.shape[2])]
        return [np.concatenate([*values, seen], axis=1)]


def make(model: Model, names, multi: bool, seed: int):
    """The fusion of a model's section, not yet fitted."""
    if model.head == "mean":
        return Mean(names, model.params, multi)
    if model.head == "log_product":
        return LogProduct(names, model.params, multi)
    return Stack(names, model.params, multi, model.inner, seed, model.balance == "class_weight")


def fuse(
    model: Model,
    data: Labels,
    folds: np.ndarray,
    unlabelled: list[str],
    members: Mapping[str, Path | str],
    multi: bool,
    seed: int,
) -> tuple[list[Part], list[dict]]:
    """Predictions of a late fusion.

    Args:
        model: its section of the study file.
        data: the labelled videos.
        folds: (repeats, n) fold of each of them.
        unlabelled: slugs of the others.
        members: member -> its predictions file.
        multi: several labels a video.
        seed: of the task.

    Returns:
        Parts of the predictions table, and what balancing did, a mapping a fitted meta model.

    Raises:
        MembersError: predictions of a member were made with other labels or splits, or lack inner rows.
        LeakError: inner rows of a fold hold a video or a group of that fold.
    """
    names = list(model.members)
    read = {name: read_member(members[name], name, data) for name in names}
    runs = max(runs_of(parts) for parts in read.values())
    targets, groups = data.targets, np.array(data.groups, dtype=object)
    parts, balanced = [], []
    for repeat, of_row in enumerate(folds):
        for fold, run in product(np.unique(of_row).tolist(), range(runs)):
            train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
            videos, own = [data.videos[row] for row in test], seeds.of(seed, repeat, run)
            rows = gather(read, ("test", repeat, fold, run), videos, names)
            learned = rows.take(np.array([], dtype=int))
            if model.head == "logistic" or model.decide.chosen:
                inner = ("inner", repeat, fold, run)
                refuse_leaks(read, inner, data, train, groups[test])
                learned = gather(read, inner, [data.videos[row] for row in train], names)
            fitted, done = _fit(model, names, multi, own, learned, targets[train], groups[train], data.classes)
            balanced += [{"repeat": repeat, "outer": fold, **one} for one in done if not run]
            p, seen = fitted.predict_proba(rows), fitted.covers(rows)
            tested, within = Part("test", fold, repeat, own, videos, p, seen, targets[test], run), None
            if model.decide.chosen:
                salt = f"decide {seed + repeat} {fold}"
                held = _held_out(model, names, multi, own, learned, targets[train], groups[train], data.classes, salt)
                known = [data.videos[row] for row in train]
                within = Part("inner", fold, repeat, own, known, held, fitted.covers(learned), targets[train], run)
            parts.append(decide.decided(model.decide, tested, within)[0])
    if unlabelled:
        rows = gather(read, ("new", 0, -1, 0), unlabelled, names)
        learned = rows.take(np.array([], dtype=int))
        if model.head == "logistic":
            learned = _all_tests(read, data, folds[0], names, runs)
        fitted, _ = _fit(model, names, multi, seed, learned, targets, groups, data.classes)
        p, seen = fitted.predict_proba(rows), fitted.covers(rows)
        parts.append(decide.decided_new(model.decide, Part("new", -1, 0, seed, unlabelled, p, seen, None), parts))
    return parts, balanced


def _held_out(model: Model, names, multi, seed, learned: Members, targets, groups, classes, salt: str) -> np.ndarray:
    """Probabilities (n, K) of training rows by fusions that had not seen their groups.

    A stack is fitted on the inner rows of some groups and predicts those of the others; means and products learn
    nothing from these rows.
    """
    found = assign(groups.tolist(), targets, min(model.inner, len(set(groups.tolist()))), salt)
    of_row, held = np.array([found[group] for group in groups.tolist()]), np.zeros(targets.shape)
    for one in np.unique(of_row):
        train, test = np.flatnonzero(of_row != one), np.flatnonzero(of_row == one)
        fitted, _ = _fit(model, names, multi, seed, learned.take(train), targets[train], groups[train], classes)
        held[test] = fitted.predict_proba(learned.take(test))
    return held


def _all_tests(read, data: Labels, of_row: np.ndarray, names, runs: int) -> Members:
    """The members' test rows of the first repeat, for all labelled videos in their order: means over the runs."""
    rows = [np.flatnonzero(of_row == fold) for fold in np.unique(of_row)]
    joined = []
    for one in rows:
        fold, videos = int(of_row[one[0]]), [data.videos[row] for row in one]
        found = [gather(read, ("test", 0, fold, run), videos, names) for run in range(runs)]
        joined.append(Members(_mean([run.probability for run in found]), found[0].covered))
    order = np.argsort(np.concatenate(rows))
    whole = Members(
        np.concatenate([one.probability for one in joined], axis=1),
        np.concatenate([one.covered for one in joined], axis=1),
    )
    return whole.take(order)


def _mean(numbers: list[np.ndarray]) -> np.ndarray:
    """The mean of arrays; of one array itself, to the last bit."""
    return numbers[0] if len(numbers) == 1 else np.mean(numbers, axis=0)


def _fit(model: Model, names, multi, seed, learned: Members, targets, groups, classes):
    """A fusion fitted on rows that its members had not seen, balanced when asked."""
    fusion = make(model, names, multi, seed)
    if model.head != "logistic" or model.balance == "none":
        return fusion.fit(learned, targets, list(groups)), []
    before = balance.counted(targets, classes)
    if model.balance == "class_weight":
        after = balance.counted(targets, classes, balance.class_weights(targets))
    else:
        chosen = balance.resample(targets, seed)
        learned, targets, groups = learned.take(chosen), targets[chosen], groups[chosen]
        after = balance.counted(targets, classes)
    return fusion.fit(learned, targets, list(groups)), [{"before": before, "after": after}]
