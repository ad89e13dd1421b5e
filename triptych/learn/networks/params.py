"""Parameters of networks: one table that gives defaults, checks, and the tables of docs/networks.md."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from triptych.core.config import JOINT_HEADS, SEQUENCE_HEADS, Model, Task
from triptych.learn.networks.losses import MULTI, SINGLE
from triptych.learn.params import Param, _number, _one_of, _whole

_LOSSES = ("auto", *SINGLE, *MULTI)


def _odd(value: Any) -> bool:
    return _whole(1, 31)(value) and value % 2 == 1


def _below_one(value: Any) -> bool:
    return _number(0, 1)(value) and value < 1


_WIDTH = Param(64, _whole(1, 4096), "1 to 4096", "numbers of a hidden layer")
_DROPOUT = Param(0.3, _below_one, "0 or more, below 1", "share of hidden numbers left out while learning")
#: How networks are trained.
TRAINING: dict[str, Param] = {
    "loss": Param(
        "auto",
        _one_of(*_LOSSES),
        ", ".join(f"`{name}`" for name in _LOSSES),
        "`auto`: cross-entropy for one class a video (the only one there), `bce` for several labels",
    ),
    "gamma": Param(2.0, _number(0, 20), "0 to 20", "focus of `focal` on hard terms"),
    "gamma_neg": Param(4.0, _number(0, 20), "0 to 20", "focus of `asymmetric` on labels that are absent"),
    "gamma_pos": Param(1.0, _number(0, 20), "0 to 20", "focus of `asymmetric` on labels that are there"),
    "clip": Param(
        0.05, _below_one, "0 or more, below 1", "`asymmetric`: absent labels below this probability are free"
    ),
    "learning_rate": Param(0.001, _number(0, 1, above=True), "above 0, to 1", "step of AdamW"),
    "weight_decay": Param(0.01, _number(0, 1), "0 to 1", "weight decay of AdamW"),
    "epochs": Param(100, _whole(1, 10_000), "1 to 10000", "most passes over the training videos"),
    "patience": Param(20, _whole(1), "1 or more", "passes without a better validation loss that end training"),
    "batch": Param(32, _whole(1), "1 or more", "videos of a step"),
    "validation": Param(
        0.2,
        lambda value: _number(0, 0.5)(value),
        "0 to 0.5",
        "share of the training videos, whole groups, that tells when to stop; 0: all passes are made",
    ),
    "refit": Param(
        True,
        _one_of(True, False),
        "`true`, `false`",
        "learn anew from all training videos, as many passes as were best",
    ),
}
_JOINT = {
    "width": _WIDTH,
    "dropout": _DROPOUT,
    "modality_dropout": Param(
        0.1,
        _below_one,
        "0 or more, below 1",
        "chance that an input is hidden from a step of learning; never all of them",
    ),
}
#: Head -> its parameters.
NETWORK_PARAMS: dict[str, dict[str, Param]] = {
    "conv1d": {
        "width": _WIDTH,
        "layers": Param(2, _whole(1, 8), "1 to 8", "convolutions, one after another"),
        "kernel": Param(3, _odd, "odd, 1 to 31", "rows that a convolution reads at once"),
        "dropout": _DROPOUT,
        **TRAINING,
    },
    "attention_pool": {
        "width": _WIDTH,
        "layers": Param(1, _whole(1, 8), "1 to 8", "layers that each row goes through before it is weighed"),
        "dropout": _DROPOUT,
        **TRAINING,
    },
    "mean_pool": TRAINING,
    "concat": {
        **_JOINT,
        "layers": Param(1, _whole(1, 8), "1 to 8", "layers after the branches are joined"),
        **TRAINING,
    },
    "gated": {**_JOINT, **TRAINING},
    "bottleneck": {
        **_JOINT,
        "layers": Param(2, _whole(1, 8), "1 to 8", "transformer layers"),
        "tokens": Param(2, _whole(1, 64), "1 to 64", "bottleneck tokens, through which the inputs see each other"),
        "heads": Param(4, _whole(1, 64), "a divisor of `width`", "heads of attention"),
        **TRAINING,
    },
}


def faults(model: Model, values: Mapping[str, Any]) -> list[str]:
    """What does not fit between parameters that are each valid, one line each: `key: what`.

    Args:
        model: the model's section of the study file.
        values: its parameters with defaults.
    """
    if model.head == "bottleneck" and values["width"] % values["heads"]:
        return [f"heads: must divide `width` ({values['width']}; given: {values['heads']!r})"]
    return []


def study_faults(models: Mapping[str, Model], tasks: Mapping[str, Task], installed: bool = True) -> list[str]:
    """Networks that cannot be trained for a task, or not with what is installed; one line each.

    Args:
        models: of the study.
        tasks: of the study.
        installed: packages must be importable here; not so where jobs have environments of their own.
    """
    found = []
    for name, model in models.items():
        loss = model.params.get("loss", "auto")
        for task in model.tasks if model.tasks is not None else tasks:
            allowed = MULTI if tasks[task].multi_label else SINGLE
            if model.head in NETWORK_PARAMS and loss in _LOSSES and loss not in ("auto", *allowed):
                kind = "several labels" if tasks[task].multi_label else "one class"
                found.append(
                    f"models.{name}.params.loss: task {task!r} has {kind} a video: use {' or '.join(allowed)} "
                    f"(given: {loss!r})"
                )
        if installed and needs_torch(model) and importlib.util.find_spec("torch") is None:
            what = f"reduce.use: {model.reduce.use}" if model.reduce is not None else f"head: {model.head}"
            found.append(f'models.{name}.{what} needs torch, which is not installed; pip install "triptych[models]"')
    return found


def needs_torch(model: Model) -> bool:
    """Whether a model computes with PyTorch."""
    reduced = model.reduce is not None and model.reduce.use in ("autoencoder", "supervised")
    return reduced or model.head in (*SEQUENCE_HEADS, *JOINT_HEADS) or model.network
