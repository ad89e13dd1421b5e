"""How much nearer matched pairs are than mismatched ones: never a cosine without its null.

A similarity (n, n) holds video i against the text (or the picture) of video j. Matched pairs are its diagonal,
mismatched ones all others, or those of other groups. Popular texts and videos are like all others (hubs), so the test
is on similarities with the means of row and column taken off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.evaluate import retrieval

#: Resamples of the interval of a difference.
RESAMPLES = 1000
#: Bars of the two distributions.
BARS = 48
#: Differences below this are rounding noise.
NOISE = 1e-12


def compare(
    similarity: np.ndarray, groups: Sequence[str] | None = None, *, permutations: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """What matched pairs have over mismatched ones.

    Args:
        similarity: (n, n); row i and column i belong to the same video.
        groups: (n,) group of each video; without groups each video is one.
        permutations: of columns over rows, whole groups at once.
        seed: of the permutations, and of the resamples of the interval.

    Returns:
        `n`, `groups`; `matched` and `mismatched`: means; `difference`: their mean over videos, with `low` and `high`
        of its 95 % interval (groups drawn again); `d_prime`; `p` (one-sided, of `permutations`), or None where groups
        leave nothing to permute; `row_to_column` and `column_to_row`: recall, median rank and what chance gives; and
        `bars` of both distributions.
    """
    n = len(similarity)
    index = _index(groups, n)
    other = index[:, None] != index[None, :]
    count = int(index.max(initial=-1)) + 1
    told: dict[str, Any] = {"n": n, "groups": count, "permutations": permutations}
    if n < 2 or count < 2:
        return {**told, "p": None, "why": f"{n} videos of {count} groups: nothing to compare with"}
    matched = similarity.diagonal().astype(np.float64)
    rows, columns = (_means(part, kept) for part, kept in ((similarity, other), (similarity.T, other.T)))
    gains = matched - rows
    low, high = interval(gains, index, seed)
    every = similarity[other].astype(np.float64)
    spread = np.sqrt((matched.var() + every.var()) / 2)
    p, null = permuted(similarity - rows[:, None] - columns[None, :], index, permutations, seed)
    return told | {
        "matched": float(matched.mean()),
        "mismatched": float(every.mean()),
        "difference": float(gains.mean()),
        "low": low,
        "high": high,
        "d_prime": float((matched.mean() - every.mean()) / spread) if spread > NOISE else None,
        "p": p,
        "null": null,
        "row_to_column": retrieved(similarity, other),
        "column_to_row": retrieved(similarity.T, other.T),
        "bars": bars(matched, every),
    }


def _index(groups: Sequence[str] | None, n: int) -> np.ndarray:
    """(n,) number of the group of each video."""
    return np.arange(n) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]


def _means(similarity: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(n,) mean of each row over what is kept of it."""
    return np.einsum("ij,ij->i", similarity, kept, dtype=np.float64) / np.maximum(kept.sum(axis=1), 1)


def interval(gains: np.ndarray, index: np.ndarray, seed: int) -> tuple[float | None, float | None]:
    """95 % percentile interval of the mean of (n,) values, groups drawn again with replacement."""
    count = int(index.max()) + 1
    sums, sizes = np.bincount(index, gains, count), np.bincount(index, minlength=count)
    random = np.random.default_rng(seed)
    drawn = random.integers(0, count, size=(RESAMPLES, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return (float(low), float(high)) if high - low > NOISE else (None, None)


def permuted(
    centred: np.ndarray, index: np.ndarray, permutations: int, seed: int
) -> tuple[float | None, dict[str, float] | None]:
    """The one-sided p of the mean diagonal, and mean and spread of its null.

    Columns are dealt out anew, the columns of a group together: videos of one film or channel are no independent
    evidence. A group that is given a smaller one's columns takes them again from the first on.
    """
    count = int(index.max()) + 1
    order = np.argsort(index, kind="stable")
    sizes = np.bincount(index, minlength=count)
    starts = np.cumsum(sizes) - sizes
    within = np.empty(len(index), np.int64)
    within[order] = np.arange(len(index)) - starts[index[order]]
    random = np.random.default_rng(seed)
    rows = np.arange(len(index))
    seen = float(centred.diagonal().mean())
    drawn = np.empty(permutations)
    for number in range(permutations):
        given = random.permutation(count)[index]
        drawn[number] = centred[rows, order[starts[given] + within % sizes[given]]].mean()
    if np.ptp(drawn) <= NOISE and abs(drawn[0] - seen) <= NOISE:
        return None, None
    p = (1 + int((drawn >= seen - NOISE).sum())) / (1 + permutations)
    return p, {"statistic": seen, "mean": float(drawn.mean()), "sd": float(drawn.std())}


def retrieved(similarity: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Recall and ranks of the own column of each row, among those of other groups; and what a blind draw would give."""
    above, ties = places(similarity, other)
    sizes = 1 + other.sum(axis=1)
    return {**retrieval.summary(above, ties), "chance": retrieval.chance(sizes), "gallery": float(sizes.mean())}


def places(similarity: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`retrieval.places` of each row's own column among it and those of other groups."""
    kept = np.where(other, similarity, -np.inf)
    np.fill_diagonal(kept, similarity.diagonal())
    return retrieval.places(np.round(kept, retrieval.DECIMALS))


def others(similarity: np.ndarray, groups: Sequence[str] | None = None) -> np.ndarray:
    """(n,) mean of each row over the columns of other groups; NaN where there are none."""
    index = _index(groups, len(similarity))
    kept = index[:, None] != index[None, :]
    return np.where(kept.any(axis=1), _means(similarity, kept), np.nan)


def ranks(similarity: np.ndarray, groups: Sequence[str] | None = None) -> np.ndarray:
    """(n,) rank of each row's own column, counted from 1, equal ones sharing the mean."""
    index = _index(groups, len(similarity))
    return retrieval.ranks(*places(similarity, index[:, None] != index[None, :])) + 1


def bars(matched: np.ndarray, mismatched: np.ndarray) -> dict[str, list[float]]:
    """Both distributions over the same `edges`, as shares of their pairs."""
    low, high = min(matched.min(), mismatched.min()), max(matched.max(), mismatched.max())
    edges = np.linspace(low, high if high - low > NOISE else low + 1e-6, BARS + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (matched, mismatched)]
    told = zip(("edges", "matched", "mismatched"), (edges, *shares), strict=True)
    return {name: [round(float(one), 6) for one in values] for name, values in told}


def add_to(
    rows: Sequence[dict[str, Any]],
    scores: Mapping[str, np.ndarray],
    groups: Sequence[str] | None,
    sides: tuple[str, str],
) -> None:
    """Write into each video's row what it has with its own pair, with others', and its ranks; two videos at least.

    Args:
        rows: (n,), in the order of the similarities.
        scores: name -> (n, n) similarity.
        groups: (n,) group of each video.
        sides: what a row of the similarity ranks, and what a column ranks: words of the keys `{score}_{side}_rank`.
    """
    if len(rows) < 2:
        return
    for score, values in scores.items():
        mismatched = others(values, groups)
        ranked = [ranks(one, groups) for one in (values, values.T)]
        for place, row in enumerate(rows):
            row[f"{score}_matched"], row[f"{score}_mismatched"] = values[place, place], mismatched[place]
            for side, one in zip(sides, ranked, strict=True):
                row[f"{score}_{side}_rank"] = one[place]
