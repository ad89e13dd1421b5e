"""How networks are trained: seeded, the same bytes twice, stopped by rows of the training fold that are held out.

What is held out is whole groups, and of the training fold only. On the CPU the same seed and number of threads give the
same numbers, whatever else the process did before; nothing global is left changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.learn.splits import assign

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Fewest groups of a training fold of which some are held out.
FEWEST_GROUPS = 4


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        learning_rate: of AdamW.
        weight_decay: of AdamW, decoupled from the learning rate's moments.
        epochs: most passes over the rows.
        patience: passes without a better validation loss after which training ends.
        batch: rows of a step.
        clip: largest norm of a step's gradient; 0 for any.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 100
    patience: int = 10
    batch: int = 32
    clip: float = 0.0


@dataclass
class History:
    """What happened.

    Attributes:
        train: mean loss of the rows learned from, a pass.
        held: loss of the rows held out, a pass; empty without any.
        best: number of passes after which the network was best (1 is the first), all of them without held-out rows.
    """

    train: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    best: int = 0


@contextmanager
def reproducible(seed: int, threads: int = 1, device: str = "cpu") -> Iterator[None]:
    """Seed torch and make it deterministic; leave its state as it was.

    Args:
        seed: of all that torch draws inside.
        threads: that torch may use on the CPU.
        device: `cpu`, or `cuda:N`, where an operation without a deterministic version only warns.
    """
    import torch

    card = torch.device(device)
    before = torch.get_num_threads()
    deterministic, only_warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng(devices=[card] if card.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if card.type == "cuda":
            torch.cuda.manual_seed(seed)
        try:
            torch.set_num_threads(max(1, threads))
            torch.use_deterministic_algorithms(True, warn_only=card.type != "cpu")
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=only_warn)
            torch.set_num_threads(before)


def validation_rows(
    groups: Sequence[str], targets: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Part training rows into those to learn from and those to stop by.

    Groups are dealt into about 1 / `share` folds as evenly as the splits of a task are; one fold is held out. Of those,
    one is taken that leaves every class to learn from and holds as many classes as it can.

    Args:
        groups: (n,) group of each row, kept together; a row that balancing repeats stays on one side.
        targets: (n, K) bool.
        share: of the rows to hold out; 0 for none.
        seed: of the choice.

    Returns:
        Row numbers (into these n) to learn from and held out, or None when there are too few groups.
    """
    names = sorted(set(groups))
    if share <= 0 or len(names) < FEWEST_GROUPS:
        return None
    folds = min(len(names), max(2, round(1 / share)))
    found = assign(groups, targets, folds, f"validation {seed}")
    of_row = np.array([found[group] for group in groups])
    there = targets.any(axis=0)

    def odd(fold: int) -> tuple:
        held = of_row == fold
        lost = there & ~targets[~held].any(axis=0)
        unseen = there & ~targets[held].any(axis=0)
        return int(lost.sum()), int(unseen.sum()), abs(float(held.mean()) - share), fold

    chosen = min((fold for fold in range(folds) if (of_row == fold).any()), key=odd)
    return np.flatnonzero(of_row != chosen), np.flatnonzero(of_row == chosen)


def batches(count: int, size: int, generator: Any = None) -> Iterator[Tensor]:
    """Numbers 0 .. count - 1 in batches of nearly equal size, at most `size`; shuffled when a generator is given.

    Equal sizes: a last batch of one row would make a step as large as any other from one row.
    """
    import torch

    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    yield from torch.tensor_split(order, max(1, -(-count // size)))


def train(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    learn: np.ndarray,
    held: np.ndarray | None,
    schedule: Schedule,
    seed: int,
    optimizer: Any = None,
) -> History:
    """Train a network, and leave it with the weights of its best pass, for prediction (`eval`).

    Call it inside `reproducible`.

    Args:
        module: the network.
        loss: mean loss of some rows, given by their numbers; it calls the network.
        learn: (n,) numbers of the rows to learn from.
        held: (m,) numbers of the rows to stop by; None or empty: all passes are made, and the last weights are kept.
        schedule: how long and how fast.
        seed: of the order of rows.
        optimizer: AdamW over all weights by default.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = optimizer or torch.optim.AdamW(weights, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    learn = torch.as_tensor(np.asarray(learn), dtype=torch.long)
    held = torch.as_tensor(np.asarray([] if held is None else held), dtype=torch.long)
    history, best, state = History(), float("inf"), None
    for epoch in range(1, schedule.epochs + 1):
        module.train()
        total = 0.0
        for part in batches(len(learn), schedule.batch, generator):
            optimizer.zero_grad(set_to_none=True)
            value = loss(learn[part])
            value.backward()
            if schedule.clip:
                torch.nn.utils.clip_grad_norm_(weights, schedule.clip)
            optimizer.step()
            total += float(value.detach()) * len(part)
        history.train.append(total / len(learn))
        if not np.isfinite(history.train[-1]):
            raise FloatingPointError(f"the loss is not finite after {epoch} passes; lower `learning_rate`")
        if not len(held):
            history.best = epoch
            continue
        history.held.append(_held(module, loss, held, schedule.batch))
        if history.held[-1] < best:
            best, history.best = history.held[-1], epoch
            state = copy.deepcopy(module.state_dict())
        elif epoch - history.best >= schedule.patience:
            break
    if state is not None:
        module.load_state_dict(state)
    module.eval()
    return history


def _held(module: nn.Module, loss: Callable[[Tensor], Tensor], rows: Tensor, size: int) -> float:
    """Mean loss of the held-out rows."""
    import torch

    module.eval()
    with torch.no_grad():
        return sum(float(loss(rows[part])) * len(part) for part in batches(len(rows), size)) / len(rows)
