"""Ranking metrics with ties counted fairly, for many resamples at once: ROC-AUC and average precision.

A class without positives (or, for the AUC, without negatives) has no value: it is left out of means and counted,
never a 0 that drags them down.
"""

from __future__ import annotations

import numpy as np


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive is scored above a negative, ties counting one half.

    Args:
        scores: (n,).
        positive: (n,) bool.
        weights: (B, n) how often each row counts in each resample.

    Returns:
        (B,); NaN without positives or without negatives.
    """
    ups, downs = _blocks(scores, positive, weights)
    below = np.cumsum(downs, axis=1) - downs
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    won = (ups * (below + 0.5 * downs)).sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def average_precision(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision: the sum over thresholds of (gain in recall) x precision, equal scores as one threshold.

    Arguments and result as of `auc`; NaN without positives.
    """
    ups, downs = (block[:, ::-1] for block in _blocks(scores, positive, weights))
    hits = np.cumsum(ups, axis=1)
    seen = hits + np.cumsum(downs, axis=1)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    total = ups.sum(axis=1)
    return np.divide((ups * precision).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)


def _blocks(scores, positive, weights) -> tuple[np.ndarray, np.ndarray]:
    """Weights of positives and of negatives at each distinct score, from low to high: (B, T) each."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ups = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    downs = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    return ups, downs


def by_class(how, probability: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`auc` or `average_precision` of each class against the rest: (B, K), NaN where it has none."""
    columns = [how(probability[:, k], truth[:, k], weights) for k in range(truth.shape[1])]
    return np.stack(columns, axis=1) if columns else np.zeros((len(weights), 0))


def mean_of_classes(values: np.ndarray) -> np.ndarray:
    """Mean over the classes that have a value (B,); NaN where none has."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    return np.divide(np.where(there, values, 0).sum(axis=1), count, out=np.full(len(values), np.nan), where=count > 0)
