"""Reduction of a feature to fewer numbers before a head, fitted on training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from triptych.core.config import Reduce
from triptych.learn.inputs import FeatureBlock


class Reducer(Protocol):
    """What makes fewer numbers of standardised ones."""

    def fit(self, x: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> Reducer:
        """Learn from rows x (n, d), targets (n, K) bool and groups (n,)."""

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Reduced rows (n, width)."""


class Pca:
    """Principal components, in the order of their variance; targets are not read.

    Args:
        width: components that are kept.
    """

    def __init__(self, width: int) -> None:
        self.width = width

    def fit(self, x: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> Pca:
        """Learn mean and components; of each the largest weight is positive, so that signs are the same everywhere."""
        self.mean = x.mean(axis=0)
        _, _, components = np.linalg.svd(x - self.mean, full_matrices=False)
        components = components[: self.width]
        largest = components[np.arange(len(components)), np.abs(components).argmax(axis=1)]
        self.components = components * np.where(largest < 0, -1.0, 1.0)[:, None]
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Components of these rows (n, width)."""
        return (x - self.mean) @ self.components.T


class ReducedBlock:
    """A feature, standardised and then reduced; beside other blocks it weighs the same as any.

    One factor brings the mean variance of the reduced columns to one: how they differ from each other is what the
    reduction has found. `supervised` reads the targets of training rows, no others.

    Args:
        block: the feature.
        section: how it is reduced, and to how many numbers. A fold with fewer videos than that is reduced to one
            fewer than it has: that many already tell all its videos apart.
        targets: (n, K) bool of the labelled videos, which are the first rows of the block.
        groups: (n,) of the labelled videos.
        seed: of networks; that of the fit, where `learn.predict` fits it.
        threads: that networks may use.
    """

    def __init__(
        self,
        block: FeatureBlock,
        section: Reduce,
        targets: np.ndarray,
        groups: Sequence[str],
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.block, self.section, self.targets = block, section, targets
        self.groups, self.seed, self.threads = np.array([*groups, None], dtype=object)[:-1], seed, threads

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.block.name

    @property
    def present(self) -> np.ndarray:
        """Which videos have the feature (N,)."""
        return self.block.present

    def fit(self, rows: np.ndarray) -> bool:
        """Learn from the training rows that have the feature; False when there is nothing to learn."""
        there = rows[self.present[rows]]
        if len(there) < 2 or not self.block.fit(there):
            return False
        x, targets, groups = self.block.transform(there, False), self.targets[there], self.groups[there].tolist()
        width = min(self.section.width, x.shape[1], len(there) - 1)
        self.reducer = make(self.section.use, width, self.seed, self.threads).fit(x, targets, groups)
        reduced = self.reducer.transform(x)
        self.mean, spread = reduced.mean(axis=0), float(np.sqrt(reduced.var(axis=0).mean()))
        self.factor = 1.0 / spread if spread > 1e-9 else 0.0
        return True

    def transform(self, rows: np.ndarray, beside: bool) -> np.ndarray:
        """Reduced rows (n, width); zeros, the training mean, where a video lacks the feature."""
        present = self.present[rows]
        out = np.zeros((len(rows), len(self.mean)))
        if present.any():
            values = self.reducer.transform(self.block.transform(rows[present], False))
            out[present] = (values - self.mean) * self.factor
        return out / np.sqrt(out.shape[1]) if beside else out


def make(use: str, width: int, seed: int, threads: int) -> Reducer:
    """A reducer by its name in the study file, not yet fitted."""
    if use == "pca":
        return Pca(width)
    from triptych.learn.networks import autoencoder

    kind = {"autoencoder": autoencoder.Autoencoder, "supervised": autoencoder.Supervised}[use]
    return kind(width, seed=seed, threads=threads)
