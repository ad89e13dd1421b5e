"""What a head reads: blocks of features or text, each fitted on training rows only, with a mask of what is there."""

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
        deviation = values.std(axis=0)
        # A deviation that is only rounding noise of the mean is none.
        noise = 1e-9 * np.maximum(1.0, np.abs(self.mean))
        self.scale = np.where(deviation > noise, 1.0 / np.maximum(deviation, noise), 0.0)
        return True

    def transform(self, rows: np.ndarray, beside: bool) -> np.ndarray:
        """Standardised rows (n, d)."""
        present = self.present[rows]
        out = np.zeros((len(rows), self.values.shape[1]))
        out[present] = (self.values[rows[present]] - self.mean) * self.scale
        return out / np.sqrt(out.shape[1]) if beside else out


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
