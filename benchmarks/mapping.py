"""Ridge mappings of all ordered pairs of features over all folds: shared decompositions against scikit-learn's RidgeCV.

Interleaved pairs on the same data; medians of CPU seconds. The naive peer fits RidgeCV for each pair, fold and target
column (each with a penalty of its own); the other peer fits it once for all columns of a target. Penalties are chosen
among as many values by all three; ours leaves out whole groups, the peers single videos.

    python benchmarks/mapping.py [--n 300] [--widths 64 96 128] [--folds 4] [--pairs 3]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def data(n: int, widths: list[int], seed: int = 0) -> list[np.ndarray]:
    """Features of n videos that share a latent of ten numbers."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=(n, 10))
    return [latent @ random.normal(size=(10, width)) + random.normal(size=(n, width)) for width in widths]


def folds(features: list[np.ndarray], count: int):
    """Standardised training and test rows of every feature, and the groups of the training rows, fold by fold."""
    of_row = np.arange(len(features[0])) // 2 % count
    for fold in range(count):
        train, test = of_row != fold, of_row == fold
        scaled = []
        for one in features:
            mean, deviation = one[train].mean(axis=0), one[train].std(axis=0)
            scaled.append(((one[train] - mean) / deviation, (one[test] - mean) / deviation))
        yield scaled, [str(row // 2) for row in np.flatnonzero(train)]


def ours(features, count):
    from triptych.crossmodal import mappers

    errors = []
    for scaled, groups in folds(features, count):
        cache = mappers.Decompositions()
        for (x, asked), (y, wanted) in itertools.permutations(scaled, 2):
            model = mappers.make("ridge", {}, 0, cache).fit(x, y, groups)
            errors.append(float(((model.transform(asked) - wanted) ** 2).mean()))
    return float(np.mean(errors))


def peer(features, count, each: bool):
    from sklearn.linear_model import RidgeCV

    from triptych.crossmodal import mappers

    errors = []
    for scaled, _ in folds(features, count):
        for (x, asked), (y, wanted) in itertools.permutations(scaled, 2):
            penalties = np.array(mappers.PENALTIES) * mappers.decompose(x).scale
            columns = [y[:, [column]] for column in range(y.shape[1])] if each else [y]
            told = [RidgeCV(alphas=penalties).fit(x, one).predict(asked).reshape(len(asked), -1) for one in columns]
            errors.append(float(((np.concatenate(told, axis=1) - wanted) ** 2).mean()))
    return float(np.mean(errors))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 96, 128])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    from threadpoolctl import threadpool_limits

    features = data(options.n, options.widths)
    methods = {
        "shared": lambda: ours(features, options.folds),
        "RidgeCV for each column": lambda: peer(features, options.folds, each=True),
        "RidgeCV for each pair": lambda: peer(features, options.folds, each=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    error = {}
    with threadpool_limits(limits=1):
        for _ in range(options.pairs):
            for name, method in methods.items():
                started = time.process_time()
                error[name] = method()
                seconds[name].append(time.process_time() - started)
    mine = statistics.median(seconds["shared"])
    print(f"n={options.n}, widths {options.widths}, {options.folds} folds, all pairs, one thread, medians of CPU s")
    for name, spent in seconds.items():
        median = statistics.median(spent)
        print(f"{name:24s} {median:7.3f} s, ratio {median / mine:6.1f}, squared error {error[name]:.4f}")
    ratio = statistics.median(seconds["RidgeCV for each column"]) / mine
    met = ratio >= 10 and error["shared"] <= 1.02 * error["RidgeCV for each column"]
    print(f"ratio {ratio:.1f} (at least 10 wanted), error within 2 %: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
