"""Intermediate fusion: a branch an input, joined inside one network that is trained as a whole.

Each branch ends in as many numbers (`width`). Where a video lacks an input, or where training hides it, a learned
embedding stands in its place, so that missing is neither a row of zeros nor an average video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triptych.learn.networks import modules
from triptych.learn.networks.base import BlockNetwork
from triptych.learn.networks.modules import Part, Rows

if TYPE_CHECKING:
    from torch import Tensor, nn


class JointNetwork(BlockNetwork):
    """`concat`, `gated` or `bottleneck`: how the branches are joined.

    - `concat`: side by side, then hidden layers.
    - `gated`: a sum of inputs, each weighed by a gate that sees all of them. Method: J. Arevalo et al., Gated
      Multimodal Units for Information Fusion, ICLR workshop 2017.
    - `bottleneck`: each input has a transformer of its own, and a few tokens that all of them read and write are the
      only way from one to another. Method: A. Nagrani et al., Attention Bottlenecks for Multimodal Fusion, 2021.
    """

    def build(self, inputs: Sequence[Rows], outputs: int) -> nn.ModuleDict:
        """Branches, embeddings of what is missing, and what joins them."""
        import torch
        from torch import nn

        width, count = self.params["width"], len(inputs)
        layers = nn.ModuleDict({"drop": nn.Dropout(self.params["dropout"])})
        layers["branches"] = nn.ModuleList(modules.linear(one.width, width, one.terms) for one in inputs)
        layers["attention"] = nn.ModuleList(modules.attention(width) if one.sequence else None for one in inputs)
        # As large as what a branch gives at first.
        layers["null"] = nn.ParameterDict({"of": nn.Parameter(0.5 * torch.rand(count, width))})
        joined = {"concat": self._concat, "gated": self._gated, "bottleneck": self._bottleneck}[self.model.head](count)
        layers["join"] = joined
        layers["out"] = nn.Linear(width * (count if self.model.head == "bottleneck" else 1), outputs)
        return layers

    def forward(self, layers: nn.ModuleDict, parts: Sequence[Part]) -> Tensor:
        """Logits (n, outputs)."""
        import torch

        present = torch.stack([part.present for part in parts], dim=1)
        chance = self.params["modality_dropout"]
        shown = modules.keep_some(present, chance) if layers.training and chance else present
        found = []
        for part, branch, attention in zip(parts, layers["branches"], layers["attention"], strict=True):
            values = layers["drop"](branch(part.values).relu())
            found.append(values if part.mask is None else modules.attend(attention, values, part.mask))
        embedded = modules.filled(found, shown, layers["null"]["of"])
        return layers["out"](_JOINED[self.model.head](layers, embedded))

    def _concat(self, count: int) -> nn.Module:
        from torch import nn

        width, number = self.params["width"], max(1, self.params["layers"])
        return nn.ModuleList(nn.Linear(width * (1 if one else count), width) for one in range(number))

    def _gated(self, count: int) -> nn.Module:
        from torch import nn

        width = self.params["width"]
        return nn.ModuleDict(
            {
                "inside": nn.ModuleList(nn.Linear(width, width) for _ in range(count)),
                "gates": nn.Linear(count * width, count * width),
            }
        )

    def _bottleneck(self, count: int) -> nn.Module:
        import torch
        from torch import nn

        params = self.params
        width = params["width"]
        # With more dropout than this in attention the inputs never find each other (a planted XOR stays at chance).
        dropout = min(0.1, params["dropout"])

        def transformer():
            return nn.TransformerEncoderLayer(
                width, params["heads"], 2 * width, dropout, batch_first=True, norm_first=True
            )

        return nn.ModuleDict(
            {
                "tokens": nn.ParameterDict({"of": nn.Parameter(0.02 * torch.randn(params["tokens"], width))}),
                "layers": nn.ModuleList(
                    nn.ModuleList(transformer() for _ in range(count)) for _ in range(params["layers"])
                ),
                "norm": nn.LayerNorm(count * width),
            }
        )


def _concat(layers: nn.ModuleDict, values: Tensor) -> Tensor:
    values = values.flatten(1)
    for layer in layers["join"]:
        values = layers["drop"](layer(values).relu())
    return values


def _gated(layers: nn.ModuleDict, values: Tensor) -> Tensor:
    import torch

    join = layers["join"]
    hidden = torch.stack(
        [layer(one) for layer, one in zip(join["inside"], values.unbind(1), strict=True)], dim=1
    ).tanh()
    gates = join["gates"](values.flatten(1)).sigmoid().view_as(hidden)
    return layers["drop"]((gates * hidden).sum(dim=1))


def _bottleneck(layers: nn.ModuleDict, values: Tensor) -> Tensor:
    import torch

    join = layers["join"]
    shared = join["tokens"]["of"].expand(len(values), -1, -1)
    for layer in join["layers"]:
        seen = [
            one(torch.cat([token[:, None], shared], dim=1)) for one, token in zip(layer, values.unbind(1), strict=True)
        ]
        values = torch.stack([one[:, 0] for one in seen], dim=1)
        # The tokens that the inputs share become the mean of what each has made of them.
        shared = torch.stack([one[:, 1:] for one in seen]).mean(dim=0)
    return join["norm"](values.flatten(1))


_JOINED = {"concat": _concat, "gated": _gated, "bottleneck": _bottleneck}
