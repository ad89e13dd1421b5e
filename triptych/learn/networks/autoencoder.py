"""Networks that make fewer numbers of many: an autoencoder, and the hidden layer of a classifier.

Both take and give float64 arrays, standardise what they learn from themselves, and are the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.learn.inputs import scale_of
from triptych.learn.networks import losses, training

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Reducing:
    """What both have in common: standardisation, held-out rows, training, and the hidden numbers.

    Args:
        width: numbers that are left; fewer where the rows have fewer columns.
        seed: of all that is random.
        threads: that torch may use.
        epochs: most passes over the rows.
        patience: passes without a better loss of held-out rows after which training ends.
        learning_rate: of AdamW.
        batch: rows of a step.
        validation: share of the rows (whole groups) that tells when to stop.
    """

    def __init__(
        self,
        width: int,
        seed: int = 0,
        *,
        threads: int = 1,
        epochs: int = 200,
        patience: int = 15,
        learning_rate: float = 1e-3,
        batch: int = 32,
        validation: float = 0.2,
    ) -> None:
        self.width, self.seed, self.threads, self.validation = width, seed, threads, validation
        self.schedule = training.Schedule(learning_rate, 1e-4, epochs, patience, batch)

    def _fit(self, x: np.ndarray, targets: np.ndarray | None, groups: Sequence[str] | None) -> Any:
        import torch

        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or not x.size:
            raise ValueError(f"rows (n, d) are needed to learn a reduction (given: {x.shape})")
        self.mean = x.mean(axis=0)
        self.scale = scale_of(self.mean, x.std(axis=0))
        self.size = min(self.width, x.shape[1])
        groups = [str(number) for number in range(len(x))] if groups is None else groups
        known = np.ones((len(x), 1), dtype=bool) if targets is None else targets
        parted = training.validation_rows(groups, known, self.validation, self.seed)
        learn, held = (np.arange(len(x)), None) if parted is None else parted
        with training.reproducible(self.seed, self.threads):
            rows = self._scaled(x)
            self.layers = self._build(rows[learn], None if targets is None else targets.shape[1])
            loss = self._loss(rows, None if targets is None else torch.from_numpy(targets.astype(np.float32)))
            self.history = training.train(self.layers, loss, learn, held, self.schedule, self.seed)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Hidden numbers (n, width) float64 of rows x (n, d)."""
        import torch

        with training.reproducible(self.seed, self.threads), torch.no_grad():
            return self._code(self._scaled(np.asarray(x, dtype=np.float64))).double().numpy()

    def _scaled(self, x: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(((x - self.mean) * self.scale).astype(np.float32))

    def _code(self, rows: Tensor) -> Tensor:
        return self.layers["code"](rows)

    def _build(self, rows: Tensor, outputs: int | None) -> nn.ModuleDict:
        raise NotImplementedError

    def _loss(self, rows: Tensor, targets: Tensor | None):
        raise NotImplementedError


class Autoencoder(_Reducing):
    """A network that rebuilds its rows from `width` numbers; rows are shown with some of their columns left out.

    A linear path and one with a hidden layer are added up on both sides. The linear one begins as the principal
    components of the rows and the other as zeros, so that learning starts where these end: few rows would not find them
    again from random weights. Leaving out columns keeps it from learning its rows by heart. Method: P. Vincent et al.,
    Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008.
    """

    #: Share of the columns that is left out of a row while learning.
    HIDDEN_SHARE = 0.1

    def fit(self, x: np.ndarray, targets: np.ndarray | None = None, groups: Sequence[str] | None = None) -> Autoencoder:
        """Learn from rows x (n, d); targets are not read, groups (n,) lie on one side of what is held out."""
        return self._fit(x, None, groups)

    def rebuild(self, x: np.ndarray) -> np.ndarray:
        """Rows (n, d) float64 as they are rebuilt from their hidden numbers."""
        import torch

        with training.reproducible(self.seed, self.threads), torch.no_grad():
            rows = self._decoded(self._code(self._scaled(np.asarray(x, dtype=np.float64))))
            deviation = np.where(self.scale > 0, 1.0 / np.where(self.scale > 0, self.scale, 1.0), 0.0)
            return rows.double().numpy() * deviation + self.mean

    def _build(self, rows: Tensor, outputs: int | None) -> nn.ModuleDict:
        import torch
        from torch import nn

        width, middle = rows.shape[1], min(256, 2 * max(self.size, 16))

        def bent(a: int, b: int) -> nn.Module:
            last = nn.Linear(middle, b)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            return nn.Sequential(nn.Linear(a, middle), nn.ReLU(), last)

        layers = nn.ModuleDict(
            {
                "drop": nn.Dropout(self.HIDDEN_SHARE),
                "straight": nn.Linear(width, self.size, bias=False),
                "bent": bent(width, self.size),
                "straight_back": nn.Linear(self.size, width),
                "bent_back": bent(self.size, width),
            }
        )
        # Of fewer rows than columns there are fewer components; the rest keep their random weights.
        components = np.linalg.svd(rows.double().numpy(), full_matrices=False)[2][: self.size]
        with torch.no_grad():
            layers["straight"].weight[: len(components)] = torch.from_numpy(components).float()
            layers["straight_back"].weight[:, : len(components)] = torch.from_numpy(components.T.copy()).float()
            layers["straight_back"].bias.zero_()
        return layers

    def _code(self, rows: Tensor) -> Tensor:
        return self.layers["straight"](rows) + self.layers["bent"](rows)

    def _decoded(self, code: Tensor) -> Tensor:
        return self.layers["straight_back"](code) + self.layers["bent_back"](code)

    def _loss(self, rows: Tensor, targets: Tensor | None):
        def loss(part: Tensor) -> Tensor:
            wanted = rows[part]
            return (self._decoded(self._code(self.layers["drop"](wanted))) - wanted).square().mean()

        return loss


class Supervised(_Reducing):
    """The hidden layer of a classifier that is trained on the rows, before its ReLU.

    It has seen the classes of the rows it was fitted on: a head on top of it is surer of these rows than of others.
    """

    def fit(self, x: np.ndarray, targets: np.ndarray, groups: Sequence[str] | None = None) -> Supervised:
        """Learn from rows x (n, d) and targets (n, K) bool; groups (n,) lie on one side of what is held out."""
        self.multi = bool((targets.sum(axis=1) != 1).any())
        return self._fit(x, np.asarray(targets, dtype=bool), groups)

    def _build(self, rows: Tensor, outputs: int | None) -> nn.ModuleDict:
        from torch import nn

        return nn.ModuleDict(
            {"code": nn.Linear(rows.shape[1], self.size), "drop": nn.Dropout(0.3), "out": nn.Linear(self.size, outputs)}
        )

    def _loss(self, rows: Tensor, targets: Tensor | None):
        kind = losses.make("bce" if self.multi else "cross_entropy", {})

        def loss(part: Tensor) -> Tensor:
            return kind(self.layers["out"](self.layers["drop"](self._code(rows[part]).relu())), targets[part])

        return loss
