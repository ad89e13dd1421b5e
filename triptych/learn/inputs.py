"""What a model reads: blocks of features or text, each fitted on training rows only, with a mask of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Block(Protocol):
    """One input of a model: the rows of all videos of the task, and which of them have it."""

    present: np.ndarray

    def fit(self, rows: np.ndarray) -> bool:
        """Learn from these rows; False when nothing can be learned from them."""

    def transform(self, rows: np.ndarray, beside: bool):
        """The matrix of these rows; `beside` other blocks it is scaled so that each block weighs the same."""


class FeatureBlock:
    """A feature matrix, standardised by the training fold's mean and deviation of the videos that have it.

    Beside other blocks it is divided by the root of its width, so that 1,024 numbers do not drown 128. A video
    without the feature becomes zeros, the training mean; there is no indicator column, since availability itself
    often tells the class (science: a leak of how the corpus was made).
    """

    def __init__(self, name: str, values: np.ndarray, present: np.ndarray, videos: Sequence[str]) -> None:
        self.name = name
        self.values = np.asarray(values, dtype=np.float64)
        self.present = np.asarray(present, dtype=bool)
        bad = np.flatnonzero(self.present & ~np.isfinite(self.values).all(axis=1))
        if len(bad):
            raise ValueError(
                f"feature {name!r} holds numbers that are not finite in {len(bad)} rows (first: {videos[bad[0]]})"
            )

    def fit(self, rows: np.ndarray) -> bool:
        """Learn mean and deviation; constant columns become zeros."""
        values = self.values[rows[self.present[rows]]]
        if not len(values) or not values.shape[1]:
            return False
        self.mean = values.mean(axis=0)
        self.scale = scale_of(self.mean, values.std(axis=0))
        return True

    def transform(self, rows: np.ndarray, beside: bool) -> np.ndarray:
        """Standardised rows (n, d)."""
        present = self.present[rows]
        out = np.zeros((len(rows), self.values.shape[1]))
        out[present] = (self.values[rows[present]] - self.mean) * self.scale
        return out / np.sqrt(out.shape[1]) if beside else out


class SequenceBlock:
    """Rows in order, as many a video as it has, standardised by the training fold.

    Each video weighs the same, however long it is, so that the longest ones do not set the scale.

    Args:
        name: of the feature.
        values: (R, D) rows of all videos.
        starts: (N + 1,) where the rows of each video begin; a video without the feature has none.
        present: (N,) which videos have it.
        videos: slugs (N,).
        order: (N,) which of the sequences belongs to each video, where they are not in the order of `videos`.
    """

    def __init__(
        self,
        name: str,
        values: np.ndarray,
        starts: np.ndarray,
        present: np.ndarray,
        videos: Sequence[str],
        order: np.ndarray | None = None,
    ) -> None:
        self.name, self.values = name, np.asarray(values)
        self.present = np.asarray(present, dtype=bool)
        there = (np.arange(len(videos)) if order is None else np.asarray(order))[self.present]
        self.begin, self.end = np.zeros(len(videos), dtype=int), np.zeros(len(videos), dtype=int)
        self.begin[self.present], self.end[self.present] = np.asarray(starts)[there], np.asarray(starts)[there + 1]
        odd = [row for row in np.flatnonzero(self.present) if not np.isfinite(self._rows(row)).all()]
        if odd:
            raise ValueError(
                f"feature {name!r} holds numbers that are not finite in {len(odd)} videos (first: {videos[odd[0]]})"
            )

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.values.shape[1]

    def _rows(self, row: int) -> np.ndarray:
        return self.values[self.begin[row] : self.end[row]]

    def fit(self, rows: np.ndarray) -> bool:
        """Learn mean and deviation over the rows of these videos; constant columns become zeros."""
        there = rows[self.present[rows]]
        if not len(there) or not self.width:
            return False
        self.mean = np.mean([self._rows(row).mean(axis=0, dtype=np.float64) for row in there], axis=0)
        spread = np.mean([np.square(self._rows(row) - self.mean).mean(axis=0) for row in there], axis=0)
        self.scale = scale_of(self.mean, np.sqrt(spread))
        return True

    def transform(self, rows: np.ndarray, beside: bool = False) -> list[np.ndarray]:
        """Standardised rows (T, D) float32 of each of these videos, none (0, D) where it lacks the feature."""
        return [((self._rows(row) - self.mean) * self.scale).astype(np.float32) for row in rows]


def scale_of(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Factors that bring columns to deviation one; a deviation that is only rounding noise of the mean gives 0."""
    noise = 1e-9 * np.maximum(1.0, np.abs(mean))
    return np.where(deviation > noise, 1.0 / np.maximum(deviation, noise), 0.0)


def assemble(blocks: Sequence[Block], train: np.ndarray, test: np.ndarray):
    """Matrices of the training and test rows, blocks side by side, or None when nothing can be learned.

    Returns:
        (train matrix, test matrix), dense (n, d), or CSR where a block is text. All rows are in them; rows without any
        input are zeros and must be left out by the caller (`covered`).
    """
    used = [block for block in blocks if block.fit(train)]
    if not used:
        return None
    beside = len(blocks) > 1
    both = [[block.transform(rows, beside) for block in used] for rows in (train, test)]
    return tuple(_side_by_side(parts) for parts in both)


def _side_by_side(parts: list):
    from scipy import sparse

    if any(sparse.issparse(part) for part in parts):
        return sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr") if len(parts) > 1 else parts[0]
    return np.concatenate(parts, axis=1)


def covered(blocks: Sequence[Block]) -> np.ndarray:
    """Which rows have at least one input (N,)."""
    return np.any([block.present for block in blocks], axis=0)
