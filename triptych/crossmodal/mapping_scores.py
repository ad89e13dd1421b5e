"""Scores of mapped features: where a prediction finds its own video in the gallery of its fold, and how near it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triptych.crossmodal.mapping_table import METRICS
from triptych.evaluate import retrieval


@dataclass
class Run:
    """Scores of the test videos of one repeat and seed, fold after fold.

    Attributes:
        rows: numbers of the videos.
        above, ties: where the own target stands (`retrieval.places`).
        cosine: with the own target.
        moved, own: squared distance of the prediction, and of the target, from its mean over the fold.
        fold: of each video.
    """

    rows: np.ndarray
    above: np.ndarray
    ties: np.ndarray
    cosine: np.ndarray
    moved: np.ndarray
    own: np.ndarray
    fold: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, queries: np.ndarray, gallery: np.ndarray, fold: int) -> Run:
        """The scores of one fold."""
        above, ties = retrieval.places_of(queries, gallery)
        moved, own = (((side - side.mean(axis=0)) ** 2).sum(axis=1) for side in (queries, gallery))
        cosine = retrieval.own_cosines(queries, gallery)
        return cls(rows, above, ties, cosine, moved, own, np.full(len(rows), fold))

    @classmethod
    def joined(cls, parts: Sequence[Run]) -> Run:
        """Folds one after another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def scores(self) -> dict[str, float]:
        """Every metric; NaN where there is nothing to compute it from."""
        told = retrieval.summary(self.above, self.ties)
        spread = float(self.own.sum())
        told |= {"cosine": float(self.cosine.mean())}
        told |= {"variance_ratio": float(self.moved.sum()) / spread if spread > 0 else float("nan")}
        return {name: told[name] for name in METRICS}


def averaged(scored: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every metric over repeats and seeds."""
    return {name: float(np.mean([one[name] for one in scored])) for name in METRICS}
