"""95 % intervals by group bootstrap: whole groups are drawn again with replacement, videos of a group stay together.

Percentile intervals (Efron & Tibshirani 1993, ch. 13) over clusters (Davison & Hinkley 1997, sec. 3.8). The same seed
and groups give the same draws for every model, so that intervals of two models move together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from triptych.evaluate import ranking, scores
from triptych.evaluate.predictions import Predictions

LEVEL = 0.95
#: Numbers that one block of resamples may hold in memory.
BLOCK = 4_000_000
#: Work (resamples x videos x classes x repeats) up to which ranking metrics get an interval too.
RANKING_WORK = 400_000_000

#: Rounding noise: an interval no wider than this has no width.
NO_WIDTH = 1e-9


def draws(groups: int, resamples: int, seed: int, block: int) -> Iterator[np.ndarray]:
    """How often each group is drawn: blocks of (at most `block`, groups), `resamples` rows in all."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = random.integers(0, groups, size=(count, groups))
        drawn += groups * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(float)


def point(found: Predictions) -> dict[str, float]:
    """Every metric, averaged over the repeats; NaN where there is nothing to compute it from."""
    ones = np.ones((1, len(found.videos)))
    return {name: float(value[0]) for name, value in _metrics(found, ones, None, True).items()}


def bootstrap(found: Predictions, groups: np.ndarray, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """95 % interval of every metric.

    Args:
        found: predictions of n videos.
        groups: (n,) group of each video.
        resamples: number of resamples.
        seed: of the draws.

    Returns:
        name -> (low, high). No intervals with fewer than two groups; none of ranking metrics where they would take
        long (`RANKING_WORK`).
    """
    _, index = np.unique(groups.astype(str), return_inverse=True)
    count = int(index.max()) + 1 if len(index) else 0
    if count < 2:
        return {}
    work = resamples * found.truth.size * len(found.repeats)
    wide = max(count, len(found.videos), 3 * len(found.classes) + 3 * scores.BINS)
    block = max(1, min(resamples, BLOCK // wide))
    sums = [_of_groups(scores.statistics(found, repeat), index, count) for repeat in found.repeats]
    parts: list[dict[str, np.ndarray]] = []
    for drawn in draws(count, resamples, seed, block):
        parts.append(_metrics(found, drawn, (index, sums), work <= RANKING_WORK))
    tail = (1 - LEVEL) / 2
    found_intervals = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [tail, 1 - tail])
            found_intervals[name] = (float(low), float(high))
    return _without_pretence(found_intervals, count)


def _without_pretence(found: dict[str, tuple[float, float]], groups: int) -> dict[str, tuple[float, float]]:
    """Leave out intervals of no width: resamples of videos that are all right are all right too, which proves nothing.

    A flawless (or hopeless) accuracy gets the exact interval of the share of flawless groups (Clopper & Pearson 1934).
    """
    bound = (1 - LEVEL) / 2
    kept = {}
    for name, (low, high) in found.items():
        if high - low > NO_WIDTH:
            kept[name] = (low, high)
        elif name in ("accuracy", "subset_accuracy") and low in (0.0, 1.0):
            kept[name] = (bound ** (1 / groups), 1.0) if low else (0.0, 1 - bound ** (1 / groups))
    return kept


def _of_groups(statistics, index: np.ndarray, count: int):
    """Sums of the statistics of each group: sparse (G, C)."""
    from scipy import sparse

    member = sparse.csr_matrix((np.ones(len(index)), (index, np.arange(len(index)))), shape=(count, len(index)))
    return (member @ statistics).tocsr()


def _metrics(found: Predictions, weights: np.ndarray, grouped, with_ranking: bool) -> dict[str, np.ndarray]:
    """Metrics averaged over repeats: name -> (B,).

    Args:
        found: predictions.
        weights: (B, n) of videos, or (B, G) of groups.
        grouped: None, or (group index of each video, sums of each repeat's groups).
        with_ranking: also ROC-AUC and mean average precision.
    """
    total: dict[str, np.ndarray] = {}
    for number, repeat in enumerate(found.repeats):
        table = scores.statistics(found, repeat) if grouped is None else grouped[1][number]
        one = scores.metrics_of((table.T @ weights.T).T, len(found.classes), found.multi)
        if with_ranking:
            videos = weights if grouped is None else weights[:, grouped[0]]
            rank = ranking.by_class(ranking.auc, repeat.probability, found.truth, videos)
            one["roc_auc"] = ranking.mean_of_classes(rank)
            if found.multi:
                rank = ranking.by_class(ranking.average_precision, repeat.probability, found.truth, videos)
                one["map"] = ranking.mean_of_classes(rank)
        for name, values in one.items():
            total[name] = total.get(name, 0.0) + values / len(found.repeats)
    return total
