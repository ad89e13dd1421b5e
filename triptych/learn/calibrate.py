"""Probabilities and their calibration: Platt's sigmoid, temperature, log-loss; all fitted inside a training fold."""

from __future__ import annotations

import numpy as np

#: Smallest probability whose logarithm is taken.
SMALLEST = 1e-6


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-values)) without overflow."""
    half = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, half) / (1.0 + half)


def logits(probability: np.ndarray, multi: bool) -> np.ndarray:
    """Centred log-probabilities (n, K): log p minus their mean over classes; with several labels log p/(1-p)."""
    p = np.clip(probability, SMALLEST, 1 - SMALLEST)
    if multi:
        return np.log(p) - np.log1p(-p)
    values = np.log(p)
    return values - values.mean(axis=1, keepdims=True)


def probabilities(values: np.ndarray, multi: bool) -> np.ndarray:
    """The inverse of `logits`."""
    if multi:
        return sigmoid(values)
    grown = np.exp(values - values.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def log_loss(probability: np.ndarray, targets: np.ndarray, multi: bool, weights: np.ndarray | None = None) -> float:
    """Mean negative log-probability of the true class; with several labels mean over labels of the binary one."""
    p = np.clip(probability, SMALLEST, 1 - SMALLEST)
    if multi:
        losses = -np.where(targets, np.log(p), np.log1p(-p)).mean(axis=1)
    else:
        losses = -np.log((p * targets).sum(axis=1) / p.sum(axis=1))
    return float(np.average(losses, weights=weights))


def temperature(probability: np.ndarray, targets: np.ndarray, multi: bool) -> float:
    """The number by which log-probabilities are divided so that log-loss on these held-out rows is least.

    Method: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017. Bounded to 1/20 .. 20.
    """
    from scipy.optimize import minimize_scalar

    if not len(probability):
        return 1.0
    values = logits(probability, multi)
    if np.ptp(values) < 1e-9:
        return 1.0
    found = minimize_scalar(
        lambda power: log_loss(probabilities(values / np.exp(power), multi), targets, multi),
        bounds=(-np.log(20), np.log(20)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def platt(decision: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Slope and offset (a, b) of the sigmoid 1 / (1 + exp(-(a f + b))) fitted to held-out decision values.

    Newton's method with backtracking and Platt's smoothed targets: H.-T. Lin, C.-J. Lin, R. C. Weng, A note on Platt's
    probabilistic outputs for support vector machines, Machine Learning 68 (2007). That paper's A and B are -a and -b.

    Args:
        decision: decision values (n,).
        target: whether each row is of the class (n,).
        weights: weight of each row (n,); 1 by default.
    """
    f = np.asarray(decision, dtype=float)
    w = np.ones(len(f)) if weights is None else np.asarray(weights, dtype=float)
    positive, negative = w[target].sum(), w[~target].sum()
    t = np.where(target, (positive + 1) / (positive + 2), 1 / (negative + 2))
    a, b = 0.0, float(np.log((positive + 1) / (negative + 1)))

    def cost(a: float, b: float) -> float:
        z = a * f + b
        return float(w @ (np.logaddexp(0, z) - t * z))

    value = cost(a, b)
    for _ in range(100):
        p = sigmoid(a * f + b)
        d1, d2 = w * (p - t), w * p * (1 - p)
        gradient = np.array([d1 @ f, d1.sum()])
        if np.abs(gradient).max() < 1e-5:
            break
        cross = d2 @ f
        hessian = np.array([[d2 @ (f * f) + 1e-12, cross], [cross, d2.sum() + 1e-12]])
        step = np.linalg.solve(hessian, gradient)
        size, slope = 1.0, float(gradient @ step)
        while size >= 1e-10:
            trial = cost(a - size * step[0], b - size * step[1])
            if trial < value - 1e-4 * size * slope:
                break
            size /= 2
        else:
            break
        a, b, value = a - size * step[0], b - size * step[1], trial
    return a, b
