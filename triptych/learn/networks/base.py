"""Networks: models that read the blocks of a video themselves, where a head reads one matrix.

A network is given blocks that hold all rows, and may look at the rows that it is told only: training rows in `fit`
(which it parts into rows to learn from and rows to stop by, groups kept together), and rows to predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from triptych.core.config import SEQUENCE_HEADS, Model
from triptych.learn.inputs import Block


class Network(Protocol):
    """What `learn.predict` asks of a network."""

    def fit(self, rows: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> Network:
        """Learn.

        Args:
            rows: (n,) numbers of training rows in the blocks; a row that balancing repeats is there several times.
            targets: (n, K) bool.
            groups: (n,), which an inner validation split keeps together.
        """

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, K) of these rows."""


def make(
    model: Model, blocks: Sequence[Block], *, multi: bool, seed: int, threads: int, device: str = "cpu"
) -> Network:
    """The network of a model's section, not yet fitted.

    Args:
        model: its section of the study file.
        blocks: its inputs over all rows, in the order of `inputs`, text last.
        multi: several labels a video.
        seed: of everything random.
        threads: it may use.
        device: `cpu` or `cuda:0`, for networks that are large enough to need a card.
    """
    if model.head == "finetune":
        from triptych.learn.networks.finetune import FineTuned

        return FineTuned(model, blocks, multi=multi, seed=seed, threads=threads, device=device)
    if model.head in SEQUENCE_HEADS:
        from triptych.learn.networks.sequence import SequenceNetwork

        return SequenceNetwork(model, blocks, multi=multi, seed=seed, threads=threads)
    from triptych.learn.networks.joint import JointNetwork

    return JointNetwork(model, blocks, multi=multi, seed=seed, threads=threads)
