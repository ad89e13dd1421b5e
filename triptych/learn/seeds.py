"""Seeds: how often a model is fitted, and with which numbers.

A network that is trained once tells one draw of its starting weights; several fits tell how far the score depends on
them. Run s of a repeat has the seed `task seed + repeat + 1000 s`, so that run 0 is what a single fit was, and no two
runs of a task share a seed (there are at most 100 repeats).
"""

from __future__ import annotations

from triptych.core.config import Model

#: Fits of a model whose result depends on where it starts, when the study names no number.
NETWORK_RUNS = 5
#: Between the seeds of two runs of a repeat.
STEP = 1000


def count(model: Model) -> int:
    """How often everything is fitted; for a fusion or a choice its members' predictions tell."""
    if model.seeds is not None:
        return model.seeds
    if model.reads_members:
        return 1
    reduced = model.reduce is not None and model.reduce.use != "pca"
    return NETWORK_RUNS if model.network or reduced or model.head == "mlp" else 1


def of(seed: int, repeat: int, run: int) -> int:
    """The seed of a run of a repeat, from the task's seed."""
    return seed + repeat + STEP * run
