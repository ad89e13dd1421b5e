"""Heads: classifiers on a matrix, all with the same two methods, all seeing their training rows only.

Every head is made by `make`. Targets are (n, K) bool for single and for several labels, so that nothing downstream
asks which it is. What a training fold lacks (a class, both values of a label) is handled here once, for all heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from triptych.learn import calibrate
from triptych.learn.balance import class_weights
from triptych.learn.params import HEAD_PARAMS, candidates, validate
from triptych.learn.splits import assign
from triptych.learn.svc import KernelSVC, LinearSVC

__all__ = ["Head", "Prior", "make", "prior", "validate"]


class Head(Protocol):
    """Everything with `fit` and `predict_proba` is a model."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str]) -> Head:
        """Learn from rows x (n, d), targets (n, K) bool and groups (n,), which inner folds keep together."""

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""


def prior(targets: np.ndarray) -> np.ndarray:
    """Share of each class among training rows (K,)."""
    return targets.mean(axis=0) if len(targets) else np.zeros(targets.shape[1])


def majority(targets: np.ndarray, multi: bool) -> np.ndarray:
    """The constant prediction (K,): the most frequent class; with several labels as many as a video has on average."""
    counts = targets.sum(axis=0)
    size = max(1, int(np.floor(targets.sum() / max(1, len(targets)) + 0.5))) if multi else 1
    constant = np.zeros(targets.shape[1])
    constant[np.argsort(-counts, kind="stable")[:size]] = 1.0
    return constant


class Prior:
    """The baselines: a constant learned from the training labels, whatever the input.

    Args:
        kind: `prior` (share of each class) or `majority` (the most frequent class or labels).
        multi: several labels a video.
    """

    def __init__(self, kind: str, multi: bool) -> None:
        self.kind, self.multi = kind, multi

    def fit(self, x, targets: np.ndarray, groups: Sequence[str]) -> Prior:
        """Learn the constant; `x` is not read."""
        self.constant = prior(targets) if self.kind == "prior" else majority(targets, self.multi)
        return self

    def predict_proba(self, x) -> np.ndarray:
        """The constant for each row of `x` (n, K)."""
        return np.tile(self.constant, (x.shape[0], 1))


def make(
    head: str,
    params: Mapping[str, Any],
    *,
    multi: bool,
    inner: int,
    seed: int,
    threads: int = 1,
    class_weight: bool = False,
) -> Head:
    """A head, not yet fitted.

    Args:
        head: its name in the study file.
        params: its parameters (validated); lists are searched by inner grouped cross-validation.
        multi: several labels a video.
        inner: inner folds of search and calibration.
        seed: of everything random.
        threads: it may use.
        class_weight: weigh rows so that all classes weigh the same.
    """
    if head in ("prior", "majority"):
        return Prior(head, multi)
    known = HEAD_PARAMS[head]
    points = candidates(known, {key: value for key, value in params.items() if key in known})
    if head in ("svc", "linear_svc"):
        kind = KernelSVC if head == "svc" else LinearSVC

        def machines(targets):
            return kind(points, multi, inner, seed, threads)

        return Reduced(machines, multi, class_weight, binary=True)

    def one(point):
        return Reduced(lambda targets: _plain(head, point, multi, seed, threads), multi, class_weight)

    if len(points) == 1 and points[0].get("calibrate") != "temperature":
        return one(points[0])
    return Searched(one, points, multi, inner, seed)


class Reduced:
    """A head that is given only classes it can learn; the others keep their share of the training rows.

    Args:
        factory: targets -> a classifier with fit(x, targets, groups, weights).
        multi: several labels a video.
        class_weight: weigh rows so that all classes weigh the same.
        binary: the classifier wants a weight for each row and class, else one a row.
    """

    def __init__(self, factory, multi: bool, class_weight: bool, binary: bool = False) -> None:
        self.factory, self.multi, self.class_weight, self.binary = factory, multi, class_weight, binary

    def fit(self, x, targets: np.ndarray, groups: Sequence[str]) -> Reduced:
        """Learn what can be learned."""
        share = prior(targets)
        usable = (share > 0) & ((share < 1) | (not self.multi))
        self.constant, self.columns, self.model = share, np.flatnonzero(usable), None
        if len(self.columns) >= (1 if self.multi else 2):
            wanted = targets[:, self.columns]
            self.model = self.factory(wanted)
            self.model.fit(x, wanted, groups, self._weights(wanted))
        return self

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        out = np.tile(self.constant, (x.shape[0], 1))
        if self.model is not None and x.shape[0]:
            out[:, self.columns] = self.model.predict_proba(x)
        return out

    def _weights(self, targets: np.ndarray) -> np.ndarray | None:
        if not self.class_weight:
            return None
        if not self.binary:
            return class_weights(targets)
        if not self.multi:
            return np.repeat(class_weights(targets)[:, None], targets.shape[1], axis=1)
        share = targets.mean(axis=0)
        return np.where(targets, 0.5 / share, 0.5 / (1 - share))


class Searched:
    """Parameters chosen, and a temperature fitted, by grouped cross-validation inside the training fold."""

    def __init__(self, factory, points: Sequence[dict], multi: bool, inner: int, seed: int) -> None:
        self.factory, self.points, self.multi, self.inner, self.seed = factory, points, multi, inner, seed

    def fit(self, x, targets: np.ndarray, groups: Sequence[str]) -> Searched:
        """Choose by log-loss on inner folds, then fit on all rows."""
        folds = min(self.inner, len(set(groups)))
        best = (np.inf, self.points[0], 1.0)
        if folds >= 2:
            found = assign(groups, targets, folds, f"search {self.seed}")
            of_row = np.array([found[group] for group in groups])
            for point in self.points:
                held = np.zeros(targets.shape)
                for fold in range(folds):
                    train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
                    fitted = self.factory(point).fit(x[train], targets[train], [groups[row] for row in train])
                    held[test] = fitted.predict_proba(x[test])
                heat = calibrate.temperature(held, targets, self.multi) if self._tempered(point) else 1.0
                scaled = calibrate.probabilities(calibrate.logits(held, self.multi) / heat, self.multi)
                loss = calibrate.log_loss(scaled, targets, self.multi)
                if loss < best[0] - 1e-12:
                    best = (loss, point, heat)
        self.loss, self.point, self.heat = best
        self.model = self.factory(self.point).fit(x, targets, groups)
        return self

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        p = self.model.predict_proba(x)
        if self.heat == 1.0 or not len(p):
            return p
        return calibrate.probabilities(calibrate.logits(p, self.multi) / self.heat, self.multi)

    @staticmethod
    def _tempered(point: Mapping) -> bool:
        return point.get("calibrate") == "temperature"


def _plain(head: str, point: Mapping[str, Any], multi: bool, seed: int, threads: int):
    from triptych.learn import estimators

    return getattr(estimators, head.title().replace("_", ""))(point, multi, seed, threads)
