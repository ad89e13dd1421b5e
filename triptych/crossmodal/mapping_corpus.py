"""What mappings of features read: labelled videos, their folds, and rows of features standardised in each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triptych.learn.inputs import FeatureBlock
from triptych.learn.tasks import Labels

#: Standardised numbers are cut at so many deviations.
LARGEST = 10.0


@dataclass
class Corpus:
    """Labelled videos, their folds and their features.

    Attributes:
        data: labels and groups of the n labelled videos.
        folds: (repeats, n) fold of each video.
        blocks: feature -> its rows over these videos.
        reduce: width that an autoencoder brings features to, or None.
        seed: of the autoencoder.
        threads: that the autoencoder may use.
    """

    data: Labels
    folds: np.ndarray
    blocks: Mapping[str, FeatureBlock]
    reduce: int | None = None
    seed: int = 0
    threads: int = 1
    _made: dict[tuple, tuple[np.ndarray, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = np.array(self.data.groups, dtype=object)
        self.targets = self.data.targets

    def both(self, source: str, target: str) -> np.ndarray:
        """Which videos have both features (n,)."""
        return self.blocks[source].present & self.blocks[target].present

    def matrices(self, name: str, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standardised rows of a feature: of the training and of the test videos.

        Pairs that share training videos get the same array of them, made once for a fold.
        """
        key = (name, train.tobytes())
        block = self.blocks[name]
        block.fit(train)
        if key not in self._made:
            x = bounded(block.transform(train, beside=False))
            narrow = None
            if self.reduce is not None and x.shape[1] > self.reduce and x.any():
                narrow = _Narrow(x, self.reduce, self.seed, self.threads, self.groups[train].tolist())
                x = narrow.transform(x)
            self._made[key] = (x, narrow)
        x, narrow = self._made[key]
        asked = bounded(block.transform(test, beside=False))
        return x, asked if narrow is None else narrow.transform(asked)

    def forget(self) -> None:
        """Drop the matrices of a fold that is done."""
        self._made.clear()


class _Narrow:
    """An autoencoder's narrow layer, standardised by the training videos again."""

    def __init__(self, x: np.ndarray, width: int, seed: int, threads: int, groups: list[str]) -> None:
        from triptych.learn.networks.autoencoder import Autoencoder

        self.coder = Autoencoder(width, seed, threads=threads).fit(x, groups=groups)
        code = np.asarray(self.coder.transform(x), np.float64)
        self.block = FeatureBlock("narrow", code, np.ones(len(code), dtype=bool), [])
        self.block.fit(np.arange(len(code)))

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Standardised numbers (n, width) of rows."""
        code = np.asarray(self.coder.transform(rows), np.float64)
        return bounded((code - self.block.mean) * self.block.scale)


def bounded(rows: np.ndarray) -> np.ndarray:
    """Rows cut at `LARGEST`: a column that hardly varies among training videos would rule the others."""
    return np.clip(rows, -LARGEST, LARGEST)


def read_block(name: str, path: Path | str, videos: Sequence[str]) -> FeatureBlock:
    """Rows of a feature, read from its HDF5 file, over these videos in their order."""
    from triptych.encoders.pooling import read_feature

    ids, values, mask = read_feature(path)
    where = {video: row for row, video in enumerate(ids)}
    rows = np.array([where.get(video, -1) for video in videos], dtype=int)
    present = np.array([row >= 0 and bool(mask[row]) for row in rows], dtype=bool)
    taken = np.zeros((len(videos), values.shape[1]))
    taken[present] = values[rows[present]]
    return FeatureBlock(name, taken, present, videos)
