"""Predictions files for the tests of this folder, written as the training stage writes them."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.learn.table import Part, write_predictions

THUMBNAILS = np.array([[31, 0, 0], [0, 41, 1], [3, 4, 39]])


def names(count: int) -> list[str]:
    return [f"v{number:04d}" for number in range(count)]


def write(path, probability, truth, *, classes=None, covered=None, fold=None, multi=False, repeats=None, runs=None):
    """A predictions file: probability (n, K) or, with repeats or runs (seeds), several of them; truth (n, K) bool."""
    truth = np.asarray(truth, dtype=bool)
    videos = names(len(truth))
    covered = np.ones(len(truth), bool) if covered is None else np.asarray(covered)
    fold = np.arange(len(truth)) % 2 if fold is None else np.asarray(fold)
    classes = classes or [f"c{k:02d}" for k in range(truth.shape[1])]
    parts = []
    several = [(0, run, one) for run, one in enumerate(runs)] if runs else enumerate_repeats(repeats or [probability])
    for number, run, numbers in several:
        numbers = np.asarray(numbers, dtype=float)
        for one in np.unique(fold):
            rows = np.flatnonzero(fold == one)
            parts.append(
                Part(
                    *("test", int(one), number, 1000 * run, [videos[r] for r in rows]),
                    *(numbers[rows], covered[rows], truth[rows], run),
                )
            )
    write_predictions(path, parts, classes, multi)
    return path


def enumerate_repeats(repeats):
    """Number of the repeat, number of the run, probabilities."""
    return [(number, 0, one) for number, one in enumerate(repeats)]


def write_labels(path, groups):
    """labels.parquet with these groups for v0000, v0001, ..."""
    table = pa.table({"video": pa.array(names(len(groups))), "group": pa.array(list(groups), pa.string())})
    out = io.BytesIO()
    pq.write_table(table, out)
    path.write_bytes(out.getvalue())
    return path


def from_matrix(matrix: np.ndarray, sure: float = 0.8):
    """Truth and probabilities that give this confusion matrix."""
    size = len(matrix)
    pairs = [(row, column) for row in range(size) for column in range(size) for _ in range(matrix[row, column])]
    truth, decided = np.array(pairs).T
    probability = np.full((len(pairs), size), (1 - sure) / (size - 1))
    probability[np.arange(len(pairs)), decided] = sure
    return np.eye(size, dtype=bool)[truth], probability


def random_task(n: int, classes: int, seed: int, strength: float = 1.0):
    """Truth, probabilities better than chance."""
    random = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[random.integers(0, classes, n)]
    logits = random.normal(size=(n, classes)) + strength * truth
    probability = np.exp(logits)
    return truth, probability / probability.sum(axis=1, keepdims=True)
