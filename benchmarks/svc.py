"""One-vs-rest SVC with probabilities: one shared Gram matrix against scikit-learn's own one-vs-rest.

Interleaved pairs on the same data; medians of CPU seconds of fitting and of predicting a test fold; the ratio, the
difference of accuracy and of log-loss on further rows (not timed).

    python benchmarks/svc.py [--n 2000] [--d 512] [--classes 15] [--pairs 3] [--successor]

The peer is `OneVsRestClassifier(SVC(probability=True))`. scikit-learn 1.9 deprecates that parameter (removal in 1.11)
in favour of `CalibratedClassifierCV(SVC(), ensemble=False)`; `--successor` times that once, too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

#: Rows on which accuracy and log-loss are compared: enough that chance differences stay well below .005.
JUDGED = 4000


def data(n: int, d: int, classes: int, seed: int = 0):
    """Overlapping classes of unequal size in d dimensions, standardised by the n training rows."""
    random = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, classes + 1) ** 0.5
    label = random.choice(classes, size=n + JUDGED, p=share / share.sum())
    centres = random.normal(size=(classes, d)) * (3.4 / np.sqrt(d))
    mixing = random.normal(size=(d, d)) / np.sqrt(d)
    x = (centres[label] + random.normal(size=(len(label), d))) @ mixing
    x = (x - x[:n].mean(axis=0)) / x[:n].std(axis=0)
    return x[:n], label[:n], x[n:], label[n:]


def ours(x, y, classes):
    """The head `svc` of this project: every row its own group, three inner folds, as by default."""
    from triptych.learn.svc import KernelSVC

    groups = [str(row) for row in range(len(x))]
    head = KernelSVC([{"C": 1.0, "gamma": "scale"}], multi=False, folds=3, seed=0, threads=1)
    return head.fit(x, np.eye(classes, dtype=bool)[y], groups)


def theirs(x, y, classes):
    """scikit-learn's own one-vs-rest with probabilities."""
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    return OneVsRestClassifier(SVC(C=1.0, gamma="scale", probability=True, random_state=0)).fit(x, y)


def calibrated(x, y, classes):
    """The successor that scikit-learn advises."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    return OneVsRestClassifier(CalibratedClassifierCV(SVC(C=1.0), ensemble=False)).fit(x, y)


def timed(method, x, y, test, classes):
    """CPU seconds of fitting and of predicting `test`, and the fitted model."""
    started = time.process_time()
    fitted = method(x, y, classes)
    fitted.predict_proba(test)
    return time.process_time() - started, fitted


def judged(probability, truth):
    """Accuracy and log-loss."""
    hit = float((probability.argmax(axis=1) == truth).mean())
    p = np.clip(probability[np.arange(len(truth)), truth] / probability.sum(axis=1), 1e-12, 1)
    return hit, float(-np.log(p).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--d", type=int, default=512)
    parser.add_argument("--classes", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--successor", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return compare(options)


def compare(options) -> int:
    import sklearn

    x, y, others, truth = data(options.n, options.d, options.classes)
    test = others[: options.n // 4]
    methods = {"shared": ours, "peer": theirs}
    for method in methods.values():
        timed(method, x[:200], y[:200] % 3, test[:10], 3)
    print(
        f"scikit-learn {sklearn.__version__}, n={options.n} to train and {len(test)} to test, d={options.d}, "
        f"{options.classes} classes, {options.pairs} interleaved pairs, one thread",
        flush=True,
    )
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    fitted = {}
    for _ in range(options.pairs):
        for name, method in methods.items():
            spent, fitted[name] = timed(method, x, y, test, options.classes)
            seconds[name].append(spent)
            print(f"{name:7s} {spent:7.2f} CPU s", flush=True)
    if options.successor:
        spent, _ = timed(calibrated, x, y, test, options.classes)
        print(f"CalibratedClassifierCV {spent:.2f} CPU s", flush=True)
    (mine, my_loss), (other, other_loss) = (judged(fitted[name].predict_proba(others), truth) for name in methods)
    shared, peer = (statistics.median(seconds[name]) for name in methods)
    ratio, loss = peer / shared, my_loss / other_loss - 1
    print(f"ratio {ratio:.1f} (at least 10 wanted): {peer:.2f} / {shared:.2f} CPU s, medians")
    print(f"accuracy {mine:.4f} - {other:.4f} = {mine - other:+.4f} (within .005 wanted), on {len(truth)} rows")
    print(f"log-loss {my_loss:.4f} / {other_loss:.4f}: {100 * loss:+.2f} % (within 2 % wanted)")
    met = ratio >= 10 and abs(mine - other) <= 0.005 and abs(loss) <= 0.02
    print("met" if met else "NOT met")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
