"""Planted tasks for networks: blocks whose classes are known to be learnable, or not, by whom."""

import numpy as np

from triptych.core.config import Model
from triptych.learn.inputs import FeatureBlock, SequenceBlock
from triptych.learn.networks import base


def one_hot(y, classes: int) -> np.ndarray:
    return np.eye(classes, dtype=bool)[y]


def names(count: int) -> list[str]:
    return [f"v{number}" for number in range(count)]


def features(values: np.ndarray, present=None, name: str = "f") -> FeatureBlock:
    present = np.ones(len(values), dtype=bool) if present is None else present
    return FeatureBlock(name, values, present, names(len(values)))


def sequences(count: int, classes: int = 3, width: int = 6, longest: int = 12, seed: int = 0):
    """One row of each sequence tells the class, wherever it stands; lengths 1 to `longest`."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    lengths = random.integers(1, longest + 1, count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = random.normal(size=(starts[-1], width)).astype(np.float32)
    for row in range(count):
        values[starts[row] + random.integers(lengths[row]), y[row]] += 6
    return values, starts, y


def block(values, starts, present=None) -> SequenceBlock:
    count = len(starts) - 1
    present = np.ones(count, dtype=bool) if present is None else present
    return SequenceBlock("s", values, starts, present, names(count))


def xor(count: int, seed: int = 0):
    """Two features whose bits are independent of the class, which is their exclusive or."""
    random = np.random.default_rng(seed)
    a, b = np.arange(count) % 2, np.arange(count) // 2 % 2
    seen, heard = random.normal(size=(2, count, 4)) * 0.3
    seen[:, 0] += 2 * a - 1
    heard[:, 1] += 2 * b - 1
    return seen, heard, a ^ b


def fitted(section: dict, blocks, rows, targets, groups=None, multi: bool = False, seed: int = 0):
    groups = [f"g{row}" for row in rows] if groups is None else groups
    model = Model.model_validate(section)
    return base.make(model, blocks, multi=multi, seed=seed, threads=1).fit(np.asarray(rows), targets, groups)


def weights(network) -> bytes:
    return b"".join(value.numpy().tobytes() for value in network.layers.state_dict().values())
