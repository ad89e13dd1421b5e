"""Decisions: how probabilities become labels, where a video may carry several.

Thresholds and numbers of labels are chosen on rows that the deciding model predicted without having learned from them,
and that lie in the training fold: the inner rows of the same outer fold. The test rows have no say.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from triptych.core.config import Decide, Model
from triptych.learn.splits import assign
from triptych.learn.table import DECIMALS, LeakError, Part

logger = logging.getLogger("triptych")
#: Scores that differ by less are equal.
NOISE = 1e-12
#: Parts of the inner rows, each decided by numbers that the others chose.
FOLDS = 5


class DecisionError(ValueError):
    """A rule that does not fit the task; the message says what to change."""


@dataclass(frozen=True)
class Rule:
    """A rule with all its numbers.

    Attributes:
        thresholds: (K,) lowest probability of each label, or None.
        k: the most probable labels of a video that are decided, or None.
    """

    thresholds: np.ndarray | None = None
    k: int | None = None

    def decide(self, probability: np.ndarray) -> np.ndarray:
        """Decisions (n, K) from probabilities (n, K) as they are stored; of equal ones the first classes."""
        p = stored(probability)
        if self.k is None:
            return p >= self.thresholds
        return top(p, self.k)


def fit(rule: Decide, probability: np.ndarray | None, truth: np.ndarray | None, classes: int) -> Rule:
    """Choose what a rule leaves open.

    Args:
        rule: the section `decide` of a model.
        probability: (n, K) of rows that the model had not learned from; None where nothing is to be chosen.
        truth: (n, K) bool, likewise.
        classes: K.

    Raises:
        DecisionError: more labels a video than there are classes.
    """
    if rule.rule == "fixed":
        return Rule(thresholds=np.full(classes, rule.threshold))
    if rule.rule == "top_k" and rule.k is not None:
        if rule.k > classes:
            raise DecisionError(f"decide.k: {rule.k} labels a video, but the task has {classes} classes")
        return Rule(k=rule.k)
    if probability is None or truth is None or not len(truth):
        raise DecisionError(f"decide.rule: {rule.rule}: there are no inner rows to choose on; make the members again")
    p = stored(probability)
    if rule.rule == "top_k":
        return Rule(k=best_k(p, truth))
    if rule.rule == "global":
        return Rule(thresholds=np.full(classes, best_threshold(p.ravel(), truth.ravel())))
    return Rule(thresholds=np.array([best_threshold(p[:, label], truth[:, label]) for label in range(classes)]))


def stored(probability: np.ndarray) -> np.ndarray:
    """Probabilities as the predictions table stores them: what is decided can be made again from the file."""
    return np.round(np.asarray(probability, dtype=float), DECIMALS)


def top(probability: np.ndarray, k: int) -> np.ndarray:
    """The k most probable labels of each row (n, K) bool; of equal ones the first classes."""
    decision = np.zeros(probability.shape, dtype=bool)
    order = np.argsort(-probability, axis=1, kind="stable")[:, :k]
    np.put_along_axis(decision, order, True, axis=1)
    return decision


def best_threshold(probability: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest F1; of equal ones the nearest to one half.

    Candidates lie half-way between neighbouring probabilities, and at one half.

    Args:
        probability: (n,) of pairs of video and label.
        truth: (n,) bool.
    """
    if not truth.any():
        return 0.5
    order = np.argsort(-probability, kind="stable")
    values, hits = probability[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    f1 = 2 * hits[last] / (last + 1 + truth.sum())
    cuts = (values[last] + np.append(values[last[1:]], 0.0)) / 2
    half = probability >= 0.5
    cuts = np.append(cuts, 0.5)
    f1 = np.append(f1, 2 * (truth & half).sum() / (half.sum() + truth.sum()))
    best = cuts[f1 >= f1.max() - NOISE]
    return float(best[np.lexsort([best, np.abs(best - 0.5)])[0]])


def best_k(probability: np.ndarray, truth: np.ndarray) -> int:
    """The number of labels a video with the highest micro-F1; of equal ones the smallest."""
    order = np.argsort(-probability, axis=1, kind="stable")
    hits = np.cumsum(np.take_along_axis(truth, order, axis=1).sum(axis=0))
    decided = len(truth) * np.arange(1, truth.shape[1] + 1)
    f1 = 2 * hits / (decided + truth.sum())
    return int(np.flatnonzero(f1 >= f1.max() - NOISE)[0]) + 1


def decided(rule: Decide, test: Part, inner: Part | None, groups: Sequence[str] = ()) -> list[Part]:
    """Predictions of a fold with the decisions of a rule, its numbers chosen on inner rows of the same fold and run.

    Inner rows themselves are decided by numbers that were chosen on rows of other groups, so that a choice which reads
    them does not prefer the rule with the most numbers.

    Args:
        rule: the section `decide` of a model.
        test: test rows.
        inner: inner rows, or None.
        groups: of the inner rows; where there are not two, chosen numbers say nothing of them, and one half decides.

    Raises:
        LeakError: the inner rows are of another fold, or hold a test video.
        DecisionError: see `fit`.
    """
    parts = [one for one in (test, inner) if one is not None]
    if rule == Decide():
        return parts
    if inner is not None:
        ours, theirs = ((one.repeat, one.outer, one.run) for one in parts)
        if ours != theirs or not set(test.videos).isdisjoint(inner.videos):
            raise LeakError(f"decisions of fold {ours} would be chosen on rows that are not its training rows alone")
    p, truth = (None, None) if inner is None else (inner.probability, inner.truth)
    numbers = fit(rule, p, truth, test.probability.shape[1])
    told = f"{numbers.k} labels a video" if numbers.k else f"thresholds {np.round(numbers.thresholds, 4).tolist()}"
    logger.info("repeat %d, fold %d, seed %d: %s", test.repeat, test.outer, test.seed, told)
    found = [replace(test, decision=numbers.decide(test.probability))]
    if inner is not None:
        chosen = _held_out(rule, inner, groups) if rule.chosen else numbers.decide(inner.probability)
        found.append(replace(inner, decision=chosen))
    return found


def _held_out(rule: Decide, inner: Part, groups: Sequence[str]) -> np.ndarray | None:
    """Decisions (n, K) of inner rows by numbers that other groups chose; None without two groups."""
    folds = min(FOLDS, len(set(groups)))
    if folds < 2 or inner.truth is None:
        return None
    found = assign(groups, inner.truth, folds, f"decide {inner.repeat} {inner.outer}")
    of_row, decision = np.array([found[group] for group in groups]), np.zeros(inner.probability.shape, dtype=bool)
    for one in np.unique(of_row):
        own = of_row == one
        numbers = fit(rule, inner.probability[~own], inner.truth[~own], decision.shape[1])
        decision[own] = numbers.decide(inner.probability[own])
    return decision


def decided_new(rule: Decide, new: Part, parts: Sequence[Part]) -> Part:
    """Predictions of unlabelled videos with decisions, the numbers chosen on all test rows (means over the seeds)."""
    if rule == Decide():
        return new
    runs: dict[tuple[int, int], list[Part]] = {}
    for part in parts:
        if part.role == "test":
            runs.setdefault((part.repeat, part.outer), []).append(part)
    p = np.concatenate([np.mean([one.probability for one in fold], axis=0) for fold in runs.values()])
    truth = np.concatenate([fold[0].truth for fold in runs.values()])
    return replace(new, decision=fit(rule, p, truth, p.shape[1]).decide(new.probability))


def refuse(model: Model, multi: bool, classes: int) -> None:
    """Stop before anything is fitted where a rule cannot be followed.

    Raises:
        DecisionError: the task has one label a video, or fewer classes than the rule decides.
    """
    if not multi and model.decide != Decide():
        raise DecisionError("decide: the task has one label a video; the most probable class is decided")
    if model.decide.k is not None:
        fit(model.decide, None, None, classes)
