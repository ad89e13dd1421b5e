"""Videos that show the same pictures: like prints are looked up, then the pictures themselves are held together.

Two prints of 64 bits that differ in at most `bits` agree in at least three of `bits + 3` bands, whichever bits differ:
so those that share any three bands are found by sorting, and 10,000 videos need no comparison of all with all.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from triptych.media.prints import SIDE

#: Least correlation of two small pictures that show the same; re-encoded, cropped and letterboxed copies of real clips
#: lie above, different drawings of one scene, and other moments before a fixed camera, below.
ALIKE = 0.95
#: The same for videos of fewer pictures than this, where chance is not averaged over many.
ALONE = 0.98
LONE = 4
#: Side of the pictures that are correlated, and the middle parts of one that are held against the other: a copy may
#: have lost its edges.
FINE = 24
PARTS = (1.0, 0.95, 0.9)
#: Up to so many prints are compared all with all.
FEW = 2048
#: Bands that like prints must share, and how far apart in a sorted run of equal bands they may lie.
SHARED = 3
RUN = 256
#: Videos with one and the same print that are paired with one another; of more, each with its next ones.
CROWD = 64


@dataclass(frozen=True)
class Pictures:
    """Prints of a video's keyframes: those that have one.

    Attributes:
        codes: (n,) uint64.
        small: (n, 32, 32) uint8 grey.
    """

    codes: np.ndarray
    small: np.ndarray


def like_pictures(videos: Mapping[str, Pictures], bits: int, share: float) -> list[tuple[str, str, float]]:
    """Pairs of videos that show the same, and the share of the shorter one's pictures that the other one has too.

    Args:
        videos: slug -> prints.
        bits: in which like prints differ at most.
        share: least share.
    """
    names = sorted(name for name, one in videos.items() if len(one.codes))
    if not names:
        return []
    found = []
    looks: dict[str, np.ndarray] = {}
    for first, second in _candidates([videos[name].codes for name in names], bits, share):
        pair = sorted((names[first], names[second]))
        one, other = (videos[name] for name in pair)
        for name in pair:
            if name not in looks:
                looks[name] = _looks(videos[name].small)
        alike = _distances(one.codes, other.codes) <= bits
        least = ALONE if min(len(one.codes), len(other.codes)) < LONE else ALIKE
        alike &= _correlations(looks[pair[0]], looks[pair[1]]) >= least
        score = alike.any(axis=1 if len(one.codes) <= len(other.codes) else 0).mean()
        if score >= share:
            found.append((*pair, float(score)))
        if len(looks) > 4096:
            looks.clear()
    return sorted(found)


def like_codes(codes: np.ndarray, bits: int) -> np.ndarray:
    """(m, 2) positions of different prints that differ in at most `bits`, the smaller position first.

    Args:
        codes: (n,) uint64, all different.
        bits: at most.
    """
    if len(codes) <= FEW or bits > 64 - SHARED:
        first, second = np.nonzero(np.triu(_distances(codes, codes) <= bits, 1))
        return np.stack([first, second], axis=1)
    edges = np.linspace(0, 64, bits + SHARED + 1).round().astype(int)
    bands = [
        (codes >> np.uint64(start)) & np.uint64((1 << (end - start)) - 1) for start, end in itertools.pairwise(edges)
    ]
    widths = np.diff(edges)
    found: list[np.ndarray] = []
    for chosen in itertools.combinations(range(len(bands)), SHARED):
        key = np.zeros(len(codes), np.uint64)
        for band in chosen:
            key = (key << np.uint64(widths[band])) | bands[band]
        order = np.argsort(key, kind="stable")
        key, ordered = key[order], codes[order]
        for step in range(1, RUN):
            near = np.flatnonzero(key[step:] == key[:-step])
            if not len(near):
                break
            near = near[np.bitwise_count(ordered[near] ^ ordered[near + step]) <= bits]
            found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
        if sum(map(len, found)) > 4_000_000:
            found = [np.unique(np.concatenate(found), axis=0)]
    return np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), int)


def _candidates(codes: list[np.ndarray], bits: int, share: float) -> np.ndarray:
    """(m, 2) pairs of videos whose prints are alike in `share` of the shorter one's, the smaller first."""
    owner = np.repeat(np.arange(len(codes)), [len(one) for one in codes])
    distinct, which = np.unique(np.concatenate(codes), return_inverse=True)
    # How often a video has each of its prints: a still scene has one print many times.
    held, times = np.unique(which * len(codes) + owner, return_counts=True)
    code, video = np.divmod(held, len(codes))
    starts = np.searchsorted(code, np.arange(len(distinct) + 1))
    like = np.concatenate([np.stack([np.arange(len(distinct))] * 2, axis=1), like_codes(distinct, bits)])
    rows = np.concatenate([_paired(starts, like), _paired(starts, like[len(distinct) :, ::-1])])
    first, second = rows[:, 0], rows[:, 1]
    apart = video[first] != video[second]
    # Each row of `held` counts once for each other video that has something like it.
    triples = np.unique(np.stack([first[apart], video[second[apart]]], axis=1), axis=0)
    both = video[triples[:, 0]] * len(codes) + triples[:, 1]
    pairs, back = np.unique(both, return_inverse=True)
    shown = np.bincount(back, weights=times[triples[:, 0]], minlength=len(pairs))
    one, other = np.divmod(pairs, len(codes))
    sizes = np.array([len(each) for each in codes])
    # Of two videos as long as each other, either may tell.
    kept = (sizes[one] <= sizes[other]) & (shown >= share * sizes[one] - 1e-9)
    return np.unique(np.sort(np.stack([one[kept], other[kept]], axis=1), axis=1), axis=0)


def _paired(starts: np.ndarray, like: np.ndarray) -> np.ndarray:
    """(m, 2) rows of `held` whose prints are alike: for each pair of prints all rows of one with those of the other."""
    sizes = np.diff(starts)
    left, right = sizes[like[:, 0]], sizes[like[:, 1]]
    small = left * right <= CROWD**2
    found = [np.zeros((0, 2), int)]
    if small.any():
        count = (left * right)[small]
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        width = np.repeat(right[small], count)
        one = np.repeat(starts[like[small, 0]], count) + place // width
        other = np.repeat(starts[like[small, 1]], count) + place % width
        found.append(np.stack([one, other], axis=1))
    for first, second in like[~small].tolist():
        one, other = (np.arange(starts[each], starts[each + 1]) for each in (first, second))
        if len(one) < len(other):
            one, other = other, one
        spot = np.arange(len(one)) * len(other) // len(one)
        for step in range(CROWD):
            found.append(np.stack([one, other[(spot + step) % len(other)]], axis=1))
    return np.concatenate(found)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one[:, None] ^ other[None])


def _looks(small: np.ndarray) -> np.ndarray:
    """(parts, n, 576) middle parts of small pictures, each with mean 0 and length 1."""
    parts = []
    for weights in _weights():
        part = (weights @ small.astype(np.float64) @ weights.T).reshape(len(small), -1)
        part -= part.mean(axis=1, keepdims=True)
        parts.append(part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9))
    return np.stack(parts)


@cache
def _weights() -> list[np.ndarray]:
    """For each part of a picture (24, 32): which of its 32 rows make up each of 24."""
    found = []
    for part in PARTS:
        edges = SIDE * ((1 - part) / 2 + part * np.arange(FINE + 1) / FINE)
        low, high = edges[:-1, None], edges[1:, None]
        rows = np.arange(SIDE)[None]
        found.append(np.clip(np.minimum(high, rows + 1) - np.maximum(low, rows), 0, None) / (high - low))
    return found


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) highest correlation of each two pictures, as a whole or one with the middle of the other."""
    found = one[0] @ other[0].T
    for part in range(1, len(PARTS)):
        found = np.maximum(found, np.maximum(one[part] @ other[0].T, one[0] @ other[part].T))
    return found
