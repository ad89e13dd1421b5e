"""Losses of networks: of logits, for one class a video or for several labels.

All take logits (n, K) and targets (n, K) of 0 and 1, work in the numbers that the logits have (float64 too), and reduce
in the same way: `mean` divides by the rows (one class) or by rows x labels (several), so that the step does not grow
with the batch; `sum` is what the papers' code computes; `none` leaves the terms. `weights` are factors of the terms,
anything that broadcasts to (n, K).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

#: Losses of tasks with one class a video, and with several labels; the first of each is the default.
SINGLE = ("cross_entropy",)
MULTI = ("bce", "focal", "asymmetric")
#: Smallest number whose logarithm is taken, as in the reference code of the asymmetric loss.
SMALLEST = 1e-8


def cross_entropy(logits: Tensor, targets: Tensor, *, weights: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """Negative log-probability of the true class.

    Args:
        logits: (n, K).
        targets: (n, K), one 1 a row.
        weights: of the classes (K,). The mean is over rows, not over weights: a batch of rare classes weighs more.
        reduction: `mean`, `sum` or `none` (n,).
    """
    terms = -_weighted(targets.to(logits.dtype) * logits.log_softmax(dim=1), weights).sum(dim=1)
    return _reduced(terms, reduction)


def bce(
    logits: Tensor,
    targets: Tensor,
    *,
    pos_weight: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of each label.

    Args:
        logits: (n, K).
        targets: (n, K).
        pos_weight: factor of a label's positive terms (K,).
        weights: factors of the terms.
        reduction: `mean`, `sum` or `none` (n, K).
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    terms = binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), pos_weight=pos_weight, reduction="none")
    return _reduced(_weighted(terms, weights), reduction)


def focal(
    logits: Tensor, targets: Tensor, *, gamma: float = 2.0, weights: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Focal loss without alpha: binary cross-entropy x (1 - probability of the truth) ** gamma.

    Method: T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.

    Args:
        logits: (n, K).
        targets: (n, K).
        gamma: 0 is binary cross-entropy; the larger, the less an easy term weighs.
        weights: factors of the terms.
        reduction: `mean`, `sum` or `none` (n, K).
    """
    y = targets.to(logits.dtype)
    terms = bce(logits, y, reduction="none")
    # 1 - probability of the truth, without 1 - p; its lowest value keeps the slope finite for gamma below 1.
    wrong = ((1 - 2 * y) * logits).sigmoid().clamp(min=SMALLEST)
    return _reduced(_weighted(terms * wrong**gamma, weights), reduction)


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_neg: float = 4.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    detach_weight: bool = False,
    weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Asymmetric loss: negatives are focused more than positives, and easy ones are left out.

    With p the probability and q = min(1 - p + clip, 1), a term is -(1 - p) ** gamma_pos log p where the label is there,
    and -(1 - q) ** gamma_neg log q where it is not. Method: T. Ridnik et al., Asymmetric Loss For Multi-Label
    Classification, ICCV 2021; `reduction="sum"` is their code, whose sum grows with batch and labels.

    Args:
        logits: (n, K).
        targets: (n, K).
        gamma_neg: focus of absent labels.
        gamma_pos: focus of present labels.
        clip: an absent label whose probability is below this costs nothing.
        detach_weight: take the focusing factor as a constant for gradients, as their training script does.
        weights: factors of the terms.
        reduction: `mean`, `sum` or `none` (n, K).
    """
    y = targets.to(logits.dtype)
    p = logits.sigmoid()
    # The probability of an absent label directly: 1 - p is 0 in float32 from logits of 17 on.
    q = ((-logits).sigmoid() + clip).clamp(max=1.0)
    terms = y * p.clamp(min=SMALLEST).log() + (1 - y) * q.clamp(min=SMALLEST).log()
    # The lowest value keeps the slope of a power below 1 finite where q is 1; the logarithm is 0 there.
    focus = (y * (-logits).sigmoid() + (1 - y) * (1 - q)).clamp(min=SMALLEST) ** (gamma_pos * y + gamma_neg * (1 - y))
    terms = -terms * (focus.detach() if detach_weight else focus)
    return _reduced(_weighted(terms, weights), reduction)


def make(name: str, params: Mapping[str, Any], weights: tuple[np.ndarray, np.ndarray] | None = None) -> Callable:
    """A loss of (logits, targets), reduced to its mean, with its parameters filled in.

    Args:
        name: one of `SINGLE` or `MULTI`.
        params: `gamma` of focal; `gamma_neg`, `gamma_pos`, `clip` of asymmetric. Others are not read.
        weights: factors of positive and negative terms (K,), (K,), as `term_weights` gives them.
    """
    import torch

    loss = {"cross_entropy": cross_entropy, "bce": bce, "focal": focal, "asymmetric": asymmetric}[name]
    wanted = {"focal": ("gamma",), "asymmetric": ("gamma_neg", "gamma_pos", "clip")}.get(name, ())
    given = {key: params[key] for key in wanted if key in params}

    def weighed(logits: Tensor, targets: Tensor) -> Tensor:
        if weights is None:
            return loss(logits, targets, **given)
        positive, negative = (torch.as_tensor(part, dtype=logits.dtype, device=logits.device) for part in weights)
        return loss(logits, targets, weights=torch.where(targets > 0, positive, negative), **given)

    return weighed


def term_weights(targets: np.ndarray, multi: bool) -> tuple[np.ndarray, np.ndarray]:
    """Factors of positive and negative terms (K,), (K,) with which all classes weigh the same.

    One class a video: n / (K n_c), as `learn.balance`. Several labels: both values of a label weigh as much as if half
    of the rows had it. A class that the rows lack, or a label that all have, weighs 1.

    Args:
        targets: (n, K) bool, of the rows that are learned from.
        multi: several labels a video.
    """
    counts, size = targets.sum(axis=0).astype(float), len(targets)
    if not multi:
        there = counts > 0
        weight = np.where(there, size / (max(1, int(there.sum())) * np.maximum(counts, 1)), 1.0)
        return weight, weight
    both = (counts > 0) & (counts < size)
    return (
        np.where(both, 0.5 * size / np.maximum(counts, 1), 1.0),
        np.where(both, 0.5 * size / np.maximum(size - counts, 1), 1.0),
    )


def _weighted(terms: Tensor, weights: Tensor | None) -> Tensor:
    return terms if weights is None else terms * weights


def _reduced(terms: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return terms
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none (given: {reduction!r})")
    return getattr(terms, reduction)()
