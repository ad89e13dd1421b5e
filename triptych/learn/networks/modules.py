"""Parts that networks share: what blocks give as batches of tensors, and layers that know what is missing or padded.

Layers are functions of tensors, and networks keep their weights in a `ModuleDict`, so that PyTorch is imported where
something is computed and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.learn.inputs import Block, SequenceBlock

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Part:
    """One input of some videos.

    Attributes:
        values: (n, d), or of sequences (n, T, d), whose rows beyond a video's own are 0.
        present: (n,) which videos have it.
        mask: of sequences (n, T): which rows are a video's own.
    """

    values: Tensor
    present: Tensor
    mask: Tensor | None = None


class Rows:
    """One block's rows as tensors, given in batches.

    Args:
        block: fitted.
        rows: numbers of the rows in the block.
    """

    def __init__(self, block: Block, rows: np.ndarray) -> None:
        import torch

        self.present = torch.from_numpy(np.asarray(block.present[rows]))
        self.sequence = isinstance(block, SequenceBlock)
        if self.sequence:
            found = block.transform(rows)
            self.lengths = torch.tensor([len(one) for one in found])
            self.starts = torch.cumsum(self.lengths, 0) - self.lengths
            # A row of zeros more, which padding points to.
            self.values = torch.from_numpy(np.concatenate([*found, np.zeros((1, block.width), np.float32)]))
            return
        # Text is brought to length one, as beside any other block.
        values = block.transform(rows, hasattr(block, "documents"))
        self.sparse = not isinstance(values, np.ndarray)
        self.values = values if self.sparse else torch.from_numpy(values.astype(np.float32))

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return self.values.shape[1]

    @property
    def terms(self) -> float | None:
        """Of text, the mean number of words that a row has; None for features."""
        if self.sequence or not self.sparse:
            return None
        return max(1.0, self.values.nnz / max(1, int(self.present.sum())))

    def batch(self, part: Tensor) -> Part:
        """The rows of these numbers (into the rows given at first)."""
        import torch

        present = self.present[part]
        if self.sequence:
            lengths = self.lengths[part]
            steps = torch.arange(max(1, int(lengths.max())))
            mask = steps < lengths[:, None]
            where = torch.where(mask, self.starts[part][:, None] + steps, len(self.values) - 1)
            return Part(self.values[where], present, mask)
        if self.sparse:
            return Part(torch.from_numpy(self.values[part.numpy()].toarray().astype(np.float32)), present)
        return Part(self.values[part], present)


def linear(width: int, out: int, terms: float | None = None) -> Any:
    """A linear layer; of text, weights whose sums are as large as those of standardised columns.

    A row of tf-idf has length one, however many words there are, so that PyTorch's own weights, made for rows of length
    sqrt(width), would leave nothing of it.
    """
    from torch import nn

    layer = nn.Linear(width, out)
    if terms is not None:
        nn.init.uniform_(layer.weight, -(terms**-0.5), terms**-0.5)
    return layer


def attention(width: int) -> nn.ModuleDict:
    """Weights of `attend`: how much a row counts is learned from the row itself.

    Method: M. Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018.
    """
    from torch import nn

    return nn.ModuleDict({"look": nn.Linear(width, width), "weigh": nn.Linear(width, 1)})


def attend(layers: nn.ModuleDict, values: Tensor, mask: Tensor) -> Tensor:
    """Weighted mean (n, d) of rows (n, T, d); rows outside the mask do not count."""
    scores = layers["weigh"](layers["look"](values).tanh())[:, :, 0]
    # The lowest number and not -inf: a video without any row stays finite.
    weights = scores.masked_fill(~mask, -1e30).softmax(dim=1)
    return (weights[:, :, None] * values).sum(dim=1)


def mean_of(values: Tensor, mask: Tensor) -> Tensor:
    """Mean (n, d) of the rows (n, T, d) inside the mask."""
    own = mask[:, :, None].to(values.dtype)
    return (values * own).sum(dim=1) / own.sum(dim=1).clamp(min=1)


def keep_some(present: Tensor, chance: float) -> Tensor:
    """Inputs (n, M) that are shown in a step of learning: each that is there is hidden with a chance, never all."""
    import torch

    noise = torch.rand(present.shape).masked_fill(~present, -1.0)
    kept = noise >= chance
    kept[torch.arange(len(kept)), noise.argmax(dim=1)] = True
    return kept & present


def filled(values: Sequence[Tensor], shown: Tensor, null: Tensor) -> Tensor:
    """Embeddings (n, M, width) of M inputs; a learned one (M, width) where an input is not shown (n, M)."""
    import torch

    return torch.where(shown[:, :, None], torch.stack(list(values), dim=1), null)
