"""Retrieval metrics with ties counted fairly: ranks, recall at 1, 5 and 10, median and mean rank.

An entry that is scored like others takes the mean of the ranks that they share (the "averaging" of
albanie/collaborative-experts). It counts as found within k when that mean lies within k, and then by the share of its
ties that do: a model that scores all alike is never better than chance. (The metric of MCN and AVLnet counts every tie
as found: its recall of a collapsed model is 500 %.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Recall is given within these numbers of entries.
WITHIN = (1, 5, 10)
#: Numbers that one block of similarities may hold in memory.
BLOCK = 4_000_000
#: Cosines are held to so many decimals: rounding noise is no order.
DECIMALS = 10


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows (n, D) of length one, float64; rows of zeros stay, so that their cosines are 0."""
    rows = np.asarray(rows, np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def cosines(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Cosines (n, m) of rows (n, D) and (m, D), without rounding noise."""
    return np.round(unit(queries) @ unit(gallery).T, DECIMALS)


def own_cosines(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Cosine (n,) of each row (n, D) and the row of the same number."""
    return np.round((unit(queries) * unit(gallery)).sum(axis=1), DECIMALS)


def similarity_blocks(queries: np.ndarray, gallery: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row, and cosines (b, m) of so many queries with all of the gallery, in blocks that memory bears."""
    queries, gallery = unit(queries), unit(gallery)
    step = max(1, BLOCK // max(1, len(gallery)))
    for start in range(0, len(queries), step):
        yield start, np.round(queries[start : start + step] @ gallery.T, DECIMALS)


def places(similarity: np.ndarray, wanted: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Where the right entry of each query stands.

    Args:
        similarity: (n, m) scores, higher is nearer.
        wanted: (n,) column of the right entry; column i for row i by default.

    Returns:
        Entries that are scored above it (n,), and entries that are scored like it, itself among them (n,).
    """
    rows = np.arange(len(similarity))
    own = similarity[rows, rows if wanted is None else wanted][:, None]
    return (similarity > own).sum(axis=1), (similarity == own).sum(axis=1)


def places_of(queries: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`places` by the cosines of queries (n, D) with a gallery (n, D) of which row i is right for query i."""
    above, ties = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    for start, block in similarity_blocks(queries, gallery):
        rows = slice(start, start + len(block))
        above[rows], ties[rows] = places(block, np.arange(start, start + len(block)))
    return above, ties


def all_places(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`places` of every entry of each query: two arrays (n, m), for nulls that ask for other pairs."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    ordered = np.take_along_axis(similarity, order, axis=1)
    new = np.ones(similarity.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    numbers = np.arange(similarity.shape[1])
    first = np.maximum.accumulate(np.where(new, numbers, 0), axis=1)
    ends = np.ones(similarity.shape, dtype=bool)
    ends[:, :-1] = new[:, 1:]
    last = np.minimum.accumulate(np.where(ends, numbers, similarity.shape[1])[:, ::-1], axis=1)[:, ::-1]
    above, ties = np.empty(similarity.shape, np.int64), np.empty(similarity.shape, np.int64)
    np.put_along_axis(above, order, first, axis=1)
    np.put_along_axis(ties, order, last - first + 1, axis=1)
    return above, ties


def ranks(above: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank of the right entry, 0 for the first; entries that are scored alike share the mean of their ranks."""
    return above + (ties - 1) / 2


def found_within(above: np.ndarray, ties: np.ndarray, k: int) -> np.ndarray:
    """How far the right entry is among the first k: 0 to 1, between them only where a tie reaches over k."""
    share = np.clip((k - above) / ties, 0.0, 1.0)
    return np.where(ranks(above, ties) < k, share, 0.0)


def summary(above: np.ndarray, ties: np.ndarray) -> dict[str, float]:
    """`r1`, `r5`, `r10` as shares, `median_rank` and `mean_rank` counted from 1; NaN without queries."""
    if not len(above):
        return {name: float("nan") for name in (*(f"r{k}" for k in WITHIN), "median_rank", "mean_rank")}
    found = {f"r{k}": float(found_within(above, ties, k).mean()) for k in WITHIN}
    rank = ranks(above, ties) + 1
    return {**found, "median_rank": float(np.median(rank)), "mean_rank": float(rank.mean())}


def chance(sizes: np.ndarray) -> dict[str, float]:
    """Expected recall of a blind draw.

    Args:
        sizes: (n,) entries of the gallery of each query.
    """
    return {f"r{k}": float(np.mean(np.minimum(k, sizes) / sizes)) for k in WITHIN}
