"""How well models do by what the videos have: a missing sound or text must not hide in a mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from triptych.evaluate import intervals
from triptych.evaluate.paired import video_scores
from triptych.evaluate.predictions import Predictions


def by_availability(
    found: dict[str, Predictions],
    singles: Mapping[str, str],
    groups: np.ndarray | None = None,
    resamples: int = 0,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Mean score of each model for each pattern of what the videos have.

    Args:
        found: model -> predictions, all on the same n videos.
        singles: single-modality models, whose `covered` tells what a video has -> what they read (`heard`). Models
            that cover the same videos count as one.
        groups: (n,) group of each video, for the intervals.
        resamples: of groups, for 95 % intervals; 0 gives none.
        seed: of the resamples.

    Returns:
        A row a pattern: `has` (what the videos have), `n`, `groups`, `scores` (model -> mean) and `between` (model ->
        [low, high] or None); frequent ones first.
    """
    if not found or not singles:
        return []
    alike: dict[bytes, list[str]] = {}
    for name in singles:
        alike.setdefault(found[name].covered.tobytes(), []).append(name)
    kinds = _named(list(alike.values()), singles)
    patterns = np.stack([found[names[0]].covered for names in alike.values()], axis=1)
    scores = {name: video_scores(one) for name, one in found.items()}
    rows = []
    for pattern in np.unique(patterns, axis=0):
        members = np.flatnonzero((patterns == pattern).all(axis=1))
        own = groups[members] if groups is not None else members
        between = _between(np.stack([values[members] for values in scores.values()], axis=1), own, resamples, seed)
        rows.append(
            {
                "has": sorted({name for names, there in zip(kinds, pattern, strict=True) if there for name in names}),
                "n": len(members),
                "groups": len(np.unique(own.astype(str))),
                "scores": {name: float(values[members].mean()) for name, values in scores.items()},
                "between": dict(zip(scores, between, strict=True)),
            }
        )
    return sorted(rows, key=lambda row: (-row["n"], row["has"]))


def _named(kinds: list[list[str]], singles: Mapping[str, str]) -> list[list[str]]:
    """What each kind of models reads; with a model's name where two kinds read the same panel (two sources of text)."""
    reads = [sorted({singles[name] for name in names}) for names in kinds]
    told = []
    for names, own in zip(kinds, reads, strict=True):
        shared = any(other is not own and set(other) & set(own) for other in reads)
        told.append([f"{one} ({names[0]})" if shared else one for one in own])
    return told


def _between(scores: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> list[list[float] | None]:
    """95 % interval of the mean of each column of scores (n, M) over resampled groups."""
    names, index = np.unique(groups.astype(str), return_inverse=True)
    if len(names) < 2 or not resamples:
        return [None] * scores.shape[1]
    sums = np.zeros((len(names), scores.shape[1] + 1))
    np.add.at(sums, index, np.concatenate([scores, np.ones((len(scores), 1))], axis=1))
    drawn = np.concatenate(list(intervals.draws(len(names), resamples, seed, max(1, intervals.BLOCK // len(names)))))
    totals = drawn @ sums
    tail = (1 - intervals.LEVEL) / 2
    low, high = np.quantile(totals[:, :-1] / totals[:, -1:], [tail, 1 - tail], axis=0)
    return [[float(a), float(b)] if b - a > intervals.NO_WIDTH else None for a, b in zip(low, high, strict=True)]
