"""Metrics as functions of sums over videos, so that a bootstrap needs one matrix product instead of 2,000 passes.

Every video contributes a row of sufficient statistics (true positives, support and predictions of each class, its
log-loss, its calibration bin, ...). A metric is a function of the sums of those rows; resampling groups only changes
how often a group's sum is counted. Ranking metrics (ROC-AUC, average precision) are not sums; see `ranking`.
"""

from __future__ import annotations

import numpy as np

from triptych.evaluate.predictions import Predictions, Repeat

#: Bins of the expected calibration error, of equal width (Guo et al. 2017, "On Calibration of Modern Neural Networks").
BINS = 15
#: Probabilities are cut off here before their logarithm is taken.
EPSILON = 1e-15


def statistics(found: Predictions, repeat: Repeat):
    """Sufficient statistics of each video: sparse (n, C), columns as `metrics_of` reads them."""
    from scipy import sparse

    truth, decision, probability = found.truth, repeat.decision, repeat.probability
    blocks = [truth & decision, truth, decision]
    blocks += [sparse.csr_matrix(np.stack(_singles(truth, decision, probability, found.multi), axis=1))]
    blocks += [_bins(truth, decision, probability, found.multi)]
    return sparse.hstack([sparse.csr_matrix(block, dtype=float) for block in blocks], format="csr")


def _singles(truth, decision, probability, multi: bool) -> list[np.ndarray]:
    """Videos, exactly right ones, wrong labels, log-loss, Brier score and per-video F1, each (n,)."""
    wrong = (truth != decision).sum(axis=1)
    safe = np.clip(probability, EPSILON, 1 - EPSILON)
    squared = (probability - truth) ** 2
    if multi:
        loss = -np.where(truth, np.log(safe), np.log1p(-safe)).mean(axis=1)
        brier = squared.mean(axis=1)
    else:
        loss = -np.log(np.clip(probability, EPSILON, 1)[truth])
        brier = squared.sum(axis=1)
    return [
        np.ones(len(truth)),
        (wrong == 0).astype(float),
        wrong / truth.shape[1],
        loss,
        brier,
        sample_f1(truth, decision),
    ]


def sample_f1(truth: np.ndarray, decision: np.ndarray) -> np.ndarray:
    """F1 of each video's label set (n,); 1 where nothing is true and nothing decided. For one label: right or wrong."""
    both, total = (truth & decision).sum(axis=1), truth.sum(axis=1) + decision.sum(axis=1)
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def _bins(truth, decision, probability, multi: bool):
    """Count, confidence and correctness of each calibration bin: sparse (n, 3 BINS).

    One label: the confidence is the probability of the decision, correct when it is right. Several labels: every pair
    of video and class counts, with the probability of the class and whether it is true.
    """
    from scipy import sparse

    n, classes = truth.shape
    if multi:
        confidence, correct, rows = probability.ravel(), truth.ravel().astype(float), np.repeat(np.arange(n), classes)
    else:
        chosen = decision.argmax(axis=1)
        confidence = probability[np.arange(n), chosen]
        correct, rows = truth[np.arange(n), chosen].astype(float), np.arange(n)
    # Bin b holds (b / BINS, (b + 1) / BINS]; a confidence of 0 is in the first.
    place = np.clip(np.ceil(confidence * BINS - 1e-9).astype(int) - 1, 0, BINS - 1)
    values = np.concatenate([np.ones(len(rows)), confidence, correct])
    columns = np.concatenate([place, place + BINS, place + 2 * BINS])
    return sparse.coo_matrix((values, (np.tile(rows, 3), columns)), shape=(n, 3 * BINS)).tocsr()


def metrics_of(sums: np.ndarray, classes: int, multi: bool) -> dict[str, np.ndarray]:
    """Metrics of sums of statistics.

    Args:
        sums: (B, C) as columns of `statistics`, one row a resample.
        classes: K.
        multi: whether videos carry several labels.

    Returns:
        name -> (B,). `macro_f1` is the mean over classes that occur in truth or decisions (a resample may lack some),
        `balanced_accuracy` over classes that occur in truth; a ratio without anything to divide by counts as 0.
    """
    hit, support, decided = sums[:, :classes], sums[:, classes : 2 * classes], sums[:, 2 * classes : 3 * classes]
    n, exact, wrong, loss, brier, video_f1 = sums[:, 3 * classes : 3 * classes + 6].T
    n = np.maximum(n, 1e-300)
    f1 = _ratio(2 * hit, support + decided)
    occurs, true = support + decided > 0, support > 0
    found = {"macro_f1": _mean(f1, occurs), "weighted_f1": _ratio((f1 * support).sum(1), support.sum(1))}
    if multi:
        micro = _ratio(2 * hit.sum(1), support.sum(1) + decided.sum(1))
        found |= {
            "subset_accuracy": exact / n,
            "hamming_loss": wrong / n,
            "micro_f1": micro,
            "samples_f1": video_f1 / n,
        }
        found |= {"macro_f1_supported": _mean(f1, true)}
    else:
        found |= {"accuracy": exact / n, "balanced_accuracy": _mean(_ratio(hit, support), true)}
    return found | {"log_loss": loss / n, "brier": brier / n, "ece": _ece(sums[:, 3 * classes + 6 :])}


def per_class(sums: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Support, predictions, precision, recall and F1 of each class (K,) from one row of sums."""
    hit, support, decided = (sums[part * classes : (part + 1) * classes] for part in range(3))
    return {
        "support": support,
        "predicted": decided,
        "precision": _ratio(hit, decided),
        "recall": _ratio(hit, support),
        "f1": _ratio(2 * hit, support + decided),
    }


def _ece(bins: np.ndarray) -> np.ndarray:
    """Expected calibration error: mean over bins of |accuracy - confidence|, weighted by their counts (B,)."""
    count, confidence, correct = (bins[:, part * BINS : (part + 1) * BINS] for part in range(3))
    return _ratio(np.abs(correct - confidence).sum(axis=1), count.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return _ratio((values * where).sum(axis=1), where.sum(axis=1).astype(float))
