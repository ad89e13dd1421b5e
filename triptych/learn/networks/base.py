"""Networks: models that read the blocks of a video themselves, where a head reads one matrix.

A network is given blocks that hold all rows, and may look at the rows that it is told only: training rows in `fit`
(which it parts into rows to learn from and rows to stop by, groups kept together), and rows to predict.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from triptych.core.config import SEQUENCE_HEADS, Model
from triptych.learn.inputs import Block
from triptych.learn.networks import losses, training
from triptych.learn.networks.modules import Part, Rows
from triptych.learn.networks.params import NETWORK_PARAMS
from triptych.learn.params import values_of

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger("triptych")
#: Rows that are predicted at once.
PREDICTED = 256


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


class BlockNetwork:
    """What networks over blocks share: they differ in `build` and `forward`.

    Blocks are fitted on the training rows. A class that these lack keeps its share of them, 0, as with heads; so does a
    label that all or none of them have.

    Attributes:
        notes: what was odd, for the log.
        history: what happened while it was trained.
    """

    def __init__(self, model: Model, blocks: Sequence[Block], *, multi: bool, seed: int, threads: int) -> None:
        self.model, self.blocks, self.multi, self.seed, self.threads = model, blocks, multi, seed, threads
        self.params = values_of(NETWORK_PARAMS[model.head], model.params)
        self.notes: set[str] = set()

    def build(self, inputs: Sequence[Rows], outputs: int) -> nn.ModuleDict:
        """Layers with their first weights, for blocks that look like these."""
        raise NotImplementedError

    def forward(self, layers: nn.ModuleDict, parts: Sequence[Part]) -> Tensor:
        """Logits (n, outputs) of a batch."""
        raise NotImplementedError

    def fit(self, rows: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> BlockNetwork:
        """Learn; see `Network`."""
        share = targets.mean(axis=0) if len(targets) else np.zeros(targets.shape[1])
        usable = (share > 0) & ((share < 1) | (not self.multi))
        self.constant, self.columns, self.layers = share, np.flatnonzero(usable), None
        if len(self.columns) < (1 if self.multi else 2):
            return self
        # What balancing repeats is one video to standardisation and vocabulary, as it is for heads.
        self.used = [block for block in self.blocks if block.fit(np.unique(rows))]
        if not self.used:
            return self
        wanted = targets[:, self.columns]
        parted = training.validation_rows(groups, wanted, self.params["validation"], self.seed)
        with training.reproducible(self.seed, self.threads):
            inputs = [Rows(block, rows) for block in self.used]
            everything = np.arange(len(rows))
            if parted is None:
                self._note(groups)
                self.layers, self.history = self._trained(inputs, wanted, everything, None)
            else:
                self.layers, self.history = self._trained(inputs, wanted, *parted)
                if self.params["refit"]:
                    passes = self.history.best
                    self.layers, _ = self._trained(inputs, wanted, everything, None, passes)
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, K)."""
        import torch

        out = np.tile(self.constant, (len(rows), 1))
        if self.layers is None or not len(rows):
            return out
        with training.reproducible(self.seed, self.threads), torch.no_grad():
            inputs = [Rows(block, rows) for block in self.used]
            found = [
                self.forward(self.layers, [one.batch(part) for one in inputs])
                for part in torch.arange(len(rows)).split(PREDICTED)
            ]
            logits = torch.cat(found).double()
            out[:, self.columns] = (logits.sigmoid() if self.multi else logits.softmax(dim=1)).numpy()
        return out

    def _trained(
        self,
        inputs: Sequence[Rows],
        targets: np.ndarray,
        learn: np.ndarray,
        held: np.ndarray | None,
        passes: int | None = None,
    ) -> tuple[nn.ModuleDict, training.History]:
        """New layers, trained on the rows `learn` and stopped by the rows `held`, or after some passes."""
        import torch

        # The same first weights and the same order of rows, whatever was drawn before.
        torch.default_generator.manual_seed(self.seed)
        layers = self.build(inputs, targets.shape[1])
        weights = losses.term_weights(targets[learn], self.multi) if self.model.balance == "class_weight" else None
        name = self.params["loss"]
        if name == "auto":
            name = losses.MULTI[0] if self.multi else losses.SINGLE[0]
        loss, truth = losses.make(name, self.params, weights), torch.from_numpy(targets.astype(np.float32))

        def loss_of(part: Tensor) -> Tensor:
            return loss(self.forward(layers, [one.batch(part) for one in inputs]), truth[part])

        known = {field.name for field in dataclasses.fields(training.Schedule)}
        # `clip` is of the asymmetric loss here, and of the gradient there.
        given = {key: value for key, value in self.params.items() if key in known - {"clip"}}
        schedule = training.Schedule(**given | ({"epochs": passes} if passes else {}))
        return layers, training.train(layers, loss_of, learn, held, schedule, self.seed)

    def _note(self, groups: Sequence[str]) -> None:
        if self.params["validation"] > 0:
            self.notes.add(
                f"{len(set(groups))} groups are too few to hold some out: the network is trained for all "
                f"{self.params['epochs']} passes"
            )
