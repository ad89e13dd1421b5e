"""CPU seconds of fitting an intermediate fusion, against a training loop of the same network written by hand.

Both train the same layers on the same rows for the same number of passes, one thread, interleaved pairs. What the
project adds there is deterministic algorithms, masks of what is missing and hidden inputs.

    python benchmarks/joint.py [--n 1000] [--widths 512 128] [--classes 10] [--passes 20] [--pairs 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def data(rows: int, widths: list[int], classes: int):
    random = np.random.default_rng(0)
    y = np.arange(rows) % classes
    return [random.normal(size=(rows, width)) + random.normal(size=(classes, width))[y] * 0.1 for width in widths], y


def ours(inputs, y, classes: int, passes: int):
    """The project's network, without held-out rows: all passes are made."""
    from triptych.core.config import Model
    from triptych.learn.inputs import FeatureBlock
    from triptych.learn.networks import base

    names = [f"f{number}" for number in range(len(inputs))]
    params = {"epochs": passes, "validation": 0}
    model = Model(inputs=names, fusion="intermediate", head="concat", params=params)
    videos, there = [str(row) for row in range(len(y))], np.ones(len(y), dtype=bool)
    blocks = [FeatureBlock(name, values, there, videos) for name, values in zip(names, inputs, strict=True)]
    network = base.make(model, blocks, multi=False, seed=0, threads=1)
    return network.fit(np.arange(len(y)), np.eye(classes, dtype=bool)[y], videos)


def plain(inputs, y, classes: int, passes: int):
    """The same layers, as one would write them down."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    scaled = [torch.tensor((one - one.mean(0)) / one.std(0), dtype=torch.float32) for one in inputs]
    truth = torch.tensor(y)
    branches = nn.ModuleList(nn.Sequential(nn.Linear(one.shape[1], 64), nn.ReLU(), nn.Dropout(0.3)) for one in scaled)
    top = nn.Sequential(nn.Linear(64 * len(scaled), 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, classes))
    optimizer = torch.optim.AdamW([*branches.parameters(), *top.parameters()], lr=1e-3, weight_decay=0.01)
    for _ in range(passes):
        for part in torch.randperm(len(y)).split(32):
            optimizer.zero_grad()
            joined = torch.cat([branch(one[part]) for branch, one in zip(branches, scaled, strict=True)], dim=1)
            nn.functional.cross_entropy(top(joined), truth[part]).backward()
            optimizer.step()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 128])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    inputs, y = data(options.n, options.widths, options.classes)
    methods = {"ours": ours, "plain": plain}
    for method in methods.values():
        method(inputs, y, options.classes, 1)
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(options.pairs):
        for name, method in methods.items():
            started = time.process_time()
            method(inputs, y, options.classes, options.passes)
            seconds[name].append(time.process_time() - started)
    mine, other = (statistics.median(seconds[name]) for name in methods)
    print(
        f"torch {torch.__version__}, n={options.n}, widths {options.widths}, {options.classes} classes, "
        f"{options.passes} passes, {options.pairs} interleaved pairs, one thread"
    )
    print(f"ratio {mine / other:.2f}: {mine:.2f} / {other:.2f} CPU s, medians")
    return 0


if __name__ == "__main__":
    sys.exit(main())
