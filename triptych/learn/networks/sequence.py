"""Heads on sequences: networks on the rows of one feature in their order, however many a video has.

What is beyond a video's own rows is masked in every layer, so that a prediction does not depend on which videos it is
computed with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triptych.learn.networks import modules
from triptych.learn.networks.base import BlockNetwork
from triptych.learn.networks.modules import Part, Rows

if TYPE_CHECKING:
    from torch import Tensor, nn


class SequenceNetwork(BlockNetwork):
    """`conv1d`, `attention_pool` or `mean_pool` (a linear layer on the mean row, to compare with)."""

    def build(self, inputs: Sequence[Rows], outputs: int) -> nn.ModuleDict:
        """Layers of the head."""
        from torch import nn

        head, width, params = self.model.head, inputs[0].width, self.params
        if head == "mean_pool":
            return nn.ModuleDict({"out": nn.Linear(width, outputs)})
        hidden = params["width"]
        layers = nn.ModuleDict({"drop": nn.Dropout(params["dropout"])})
        sizes = [(width if not number else hidden, hidden) for number in range(params["layers"])]
        if head == "conv1d":
            kernel = params["kernel"]
            layers["rows"] = nn.ModuleList(nn.Conv1d(a, b, kernel, padding=kernel // 2) for a, b in sizes)
        else:
            layers["rows"] = nn.ModuleList(nn.Linear(a, b) for a, b in sizes)
            layers["attention"] = modules.attention(hidden)
        layers["out"] = nn.Linear(2 * hidden if head == "conv1d" else hidden, outputs)
        return layers

    def forward(self, layers: nn.ModuleDict, parts: Sequence[Part]) -> Tensor:
        """Logits (n, outputs)."""
        values, mask = parts[0].values, parts[0].mask
        pool = {"mean_pool": _mean, "conv1d": _convolved, "attention_pool": _attended}[self.model.head]
        return layers["out"](pool(layers, values, mask))


def _mean(layers: nn.ModuleDict, values: Tensor, mask: Tensor) -> Tensor:
    return modules.mean_of(values, mask)


def _convolved(layers: nn.ModuleDict, values: Tensor, mask: Tensor) -> Tensor:
    """Convolutions over time, then mean and largest value of each channel."""
    import torch

    own = mask[:, None, :].to(values.dtype)
    values = values.transpose(1, 2) * own
    for layer in layers["rows"]:
        # Zeros again, which is what a convolution takes the rows beyond an end for.
        values = layers["drop"](layer(values).relu()) * own
    # Nothing is below 0 after a ReLU, so that masked rows are never the largest.
    return torch.cat([values.sum(dim=2) / own.sum(dim=2).clamp(min=1), values.amax(dim=2)], dim=1)


def _attended(layers: nn.ModuleDict, values: Tensor, mask: Tensor) -> Tensor:
    for layer in layers["rows"]:
        values = layers["drop"](layer(values).relu())
    return modules.attend(layers["attention"], values, mask)
