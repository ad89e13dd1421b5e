"""Networks that map one embedding to another: an MLP with squared error, or two towers with a contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.learn.networks.training import Schedule, reproducible, train, validation_rows

#: Share of the training videos, whole groups, that training is stopped by.
HELD_OUT = 0.2


class Towers:
    """Of squared error: one network, which predicts the target. Contrastive: two, into a space of their own.

    The contrastive loss is symmetric InfoNCE (van den Oord et al. 2018; as CLIP has it): among the videos of a batch
    each source must find its own target, and each target its own source, by cosines over a fixed temperature.

    Networks this small are fastest in one thread, and the same bytes whatever the threads of the job.

    Args:
        params: of the method, complete.
        contrastive: InfoNCE instead of squared error.
        seed: of weights, order and left-out units.
    """

    def __init__(self, params: Mapping[str, Any], *, contrastive: bool, seed: int) -> None:
        self.params, self.contrastive, self.seed = params, contrastive, seed

    def fit(self, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Towers:
        """See `mappers.Mapper.fit`."""
        import torch

        params = self.params
        schedule = Schedule(
            learning_rate=float(params["learning_rate"]),
            weight_decay=float(params["weight_decay"]),
            epochs=int(params["epochs"]),
            patience=int(params["patience"]),
            batch=int(params["batch"]),
        )
        parted = validation_rows(groups, np.zeros((len(x), 0), dtype=bool), HELD_OUT, self.seed)
        learn, held = parted or (np.arange(len(x)), None)
        with reproducible(self.seed):
            source, target = torch.from_numpy(x).float(), torch.from_numpy(y).float()
            width = int(params["width"]) if self.contrastive else y.shape[1]
            self.towers = torch.nn.ModuleList([self._tower(x.shape[1], width)])
            if self.contrastive:
                self.towers.append(self._tower(y.shape[1], width))

            def loss(rows):
                if not self.contrastive:
                    return torch.nn.functional.mse_loss(self.towers[0](source[rows]), target[rows])
                return info_nce(self.towers[0](source[rows]), self.towers[1](target[rows]), params["temperature"])

            history = train(self.towers, loss, learn, held, schedule, self.seed)
        self.chosen = {"epochs": history.best}
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Predicted targets, or places in the shared space."""
        return self._forward(0, x)

    def place(self, y: np.ndarray) -> np.ndarray:
        """The targets themselves, or their places in the shared space."""
        return self._forward(1, y) if self.contrastive else y

    def _tower(self, inward: int, outward: int):
        from torch import nn

        hidden = int(self.params["hidden"])
        dropout = nn.Dropout(float(self.params["dropout"]))
        return nn.Sequential(nn.Linear(inward, hidden), nn.ReLU(), dropout, nn.Linear(hidden, outward))

    def _forward(self, number: int, rows: np.ndarray) -> np.ndarray:
        import torch

        with reproducible(self.seed), torch.inference_mode():
            found = self.towers[number](torch.from_numpy(rows).float()).numpy().astype(np.float64)
        # Cosines are what the loss sees: places are compared on the sphere.
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12) if self.contrastive else found


def info_nce(sources, targets, temperature: float):
    """Symmetric InfoNCE of (n, k) tensors whose rows belong together: the mean of both directions, in nats."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    scores = normalize(sources, dim=1) @ normalize(targets, dim=1).T / temperature
    own = torch.arange(len(scores))
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2
