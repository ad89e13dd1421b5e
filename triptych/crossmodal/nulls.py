"""What a mapping is held against: class centroids, permuted pairs; and intervals by bootstrap of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.evaluate import intervals, retrieval

#: Metrics that permuted pairs have, and whether higher is better.
PERMUTED = {"cosine": True, "r1": True, "r5": True, "r10": True, "median_rank": False}
#: Numbers that one block may hold in memory.
BLOCK = 4_000_000
#: Differences below this are rounding noise.
NOISE = 1e-9
#: Folds learn from one another, so that their scores go together: each pair of folds counts in both of them, and the
#: variance of the pooled score is twice what permutations of each fold alone say (exactly so for scores that are
#: bilinear in training and test videos, whatever the number of folds).
WIDER = 2**0.5


def centroids(y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The mean target of each test video's class among training videos (m, e); of several classes their mean.

    Args:
        y: (n, e) targets of the training videos.
        train: (n, K) their classes.
        test: (m, K) classes of the test videos. A class without training videos counts as the mean of all: zeros.
    """
    counts = train.sum(axis=0)
    means = (train.T.astype(float) @ y) / np.maximum(counts, 1)[:, None]
    mine = test.astype(float)
    return mine @ means / np.maximum(mine.sum(axis=1), 1)[:, None]


def pairings(groups: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Other pairs of predictions and targets: (count, n) number of the target that each prediction is held against.

    Whole groups change places, since videos of a group are alike: their targets are laid in a random order of groups
    (and of videos in a group) beside the predictions in theirs. Where groups have one video each this is any
    permutation.
    """
    _, index = np.unique(groups.astype(str), return_inverse=True)
    order = np.argsort(index, kind="stable")
    found = np.empty((count, len(groups)), dtype=np.int64)
    for one in found:
        key = random.random(int(index.max()) + 1)[index]
        one[order] = np.lexsort((random.random(len(groups)), key))
    return found


class Permuted:
    """Scores of permuted pairs, gathered fold by fold; networks of several seeds share the permutations."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.videos: dict[int, int] = {}
        self.sums: dict[int, dict[str, np.ndarray]] = {}
        self.ranks: dict[int, list[np.ndarray]] = {}

    def add(self, run: int, queries: np.ndarray, gallery: np.ndarray, pairings: np.ndarray) -> None:
        """Hold the predictions of a fold against the targets of its pairings.

        Args:
            run: number of the seed.
            queries: (n, k) predictions.
            gallery: (n, k) targets.
            pairings: (P, n) of `pairings`.
        """
        names = ("cosine", *(f"r{k}" for k in retrieval.WITHIN))
        sums = self.sums.setdefault(run, {name: np.zeros(self.count) for name in names})
        ranks = np.empty((self.count, len(queries)), np.float32)
        for start, block in retrieval.similarity_blocks(queries, gallery):
            rows = np.arange(len(block))
            chosen = pairings[:, start : start + len(block)]
            above, ties = (one[rows, chosen] for one in retrieval.all_places(block))
            sums["cosine"] += block[rows, chosen].sum(axis=1)
            for k in retrieval.WITHIN:
                sums[f"r{k}"] += retrieval.found_within(above, ties, k).sum(axis=1)
            ranks[:, start : start + len(block)] = retrieval.ranks(above, ties) + 1
        self.ranks.setdefault(run, []).append(ranks)
        self.videos[run] = self.videos.get(run, 0) + len(queries)

    def told(self, observed: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Metric -> mean over permutations, and p of the observed value."""
        found = {}
        for name, higher in PERMUTED.items():
            if name == "median_rank":
                drawn = [np.median(np.concatenate(parts, axis=1), axis=1) for parts in self.ranks.values()]
            else:
                drawn = [sums[name] / self.videos[run] for run, sums in self.sums.items()]
            values = np.mean(drawn, axis=0)
            beyond = (values - values.mean()) * WIDER * (1 if higher else -1)
            as_good = beyond >= (observed[name] - values.mean()) * (1 if higher else -1) - NOISE
            p = (1 + int(as_good.sum())) / (1 + self.count)
            found[name] = {"mean": float(values.mean()), "p": p}
        return found


def _limits(values: np.ndarray) -> tuple[float, float] | None:
    """95 % percentile interval of resampled values, or None when they have none or no width."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    tail = (1 - intervals.LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    # Resamples that are all alike prove nothing.
    return (float(low), float(high)) if high - low > intervals.NO_WIDTH else None


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Median (B,) of values (n,) that are there weights (B, n) times, whole numbers; NaN without any."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1:]
    # With an odd number both are the one in the middle.
    low, high = (np.argmax(reached > bound, axis=1) for bound in ((total - 1) / 2, total / 2))
    return np.where(total[:, 0] > 0, (values[order][low] + values[order][high]) / 2, np.nan)


def resampled(runs: Sequence[Any], groups: np.ndarray, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Metric -> its value in each resample of whole groups, averaged over runs."""
    rows = np.unique(np.concatenate([run.rows for run in runs]))
    names, _ = np.unique(groups[rows].astype(str), return_inverse=True)
    if len(names) < 2:
        return {}
    place = {name: number for number, name in enumerate(names)}
    index = [np.array([place[str(group)] for group in groups[run.rows]]) for run in runs]
    step = max(1, min(resamples, BLOCK // max(len(rows), len(names))))
    parts: dict[str, list[np.ndarray]] = {}
    for drawn in intervals.draws(len(names), resamples, seed, step):
        total: dict[str, np.ndarray] = {}
        for run, of_row in zip(runs, index, strict=True):
            for name, value in _one_run(run, of_row, len(names), drawn).items():
                total[name] = total.get(name, 0.0) + value / len(runs)
        for name, value in total.items():
            parts.setdefault(name, []).append(value)
    return {name: np.concatenate(found) for name, found in parts.items()}


def _one_run(run: Any, of_row: np.ndarray, groups: int, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of a run in each resample (B,)."""
    columns = {"cosine": run.cosine, "moved": run.moved, "own": run.own}
    columns |= {f"r{k}": retrieval.found_within(run.above, run.ties, k) for k in retrieval.WITHIN}
    sums = {name: drawn @ np.bincount(of_row, values, minlength=groups) for name, values in columns.items()}
    count = drawn @ np.bincount(of_row, minlength=groups).astype(float)
    found = {name: _shared(sums[name], count) for name in ("cosine", *(f"r{k}" for k in retrieval.WITHIN))}
    found["median_rank"] = weighted_median(retrieval.ranks(run.above, run.ties) + 1, drawn[:, of_row])
    found["variance_ratio"] = _shared(sums["moved"], sums["own"])
    return found


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def limits(runs: Sequence[Any], groups: np.ndarray, resamples: int, seed: int) -> dict[str, tuple]:
    """Metric -> 95 % interval; none with fewer than two groups."""
    found = {name: _limits(values) for name, values in resampled(runs, groups, resamples, seed).items()}
    return {name: one for name, one in found.items() if one is not None}
