"""Paired tests of two models on the same videos, and Holm's correction for several of them."""

from __future__ import annotations

import numpy as np

from triptych.evaluate.predictions import Predictions, PredictionsError
from triptych.evaluate.scores import sample_f1

#: Differences of sums below this are rounding noise, so that a permutation equal to the observed one counts as equal.
NOISE = 1e-9
#: Signs that one block of permutations may hold in memory.
BLOCK = 8_000_000


def video_scores(found: Predictions) -> np.ndarray:
    """Score of each video, averaged over repeats and seeds (n,): right (1) or wrong (0); with several labels its F1."""
    return np.mean([sample_f1(found.truth, repeat.decision) for repeat in found.repeats], axis=0)


def same_videos(models: dict[str, Predictions]) -> None:
    """Check that all models are scored on the same videos with the same truths and folds, with any number of seeds.

    Raises:
        PredictionsError: naming the two models and what differs.
    """
    (first, reference), *others = models.items()
    for name, found in others:
        if found.videos != reference.videos:
            odd = sorted(set(found.videos) ^ set(reference.videos))
            raise PredictionsError(
                f"models {first!r} and {name!r} are scored on different videos: {len(odd)} are in one of them only "
                f"({', '.join(odd[:5])}); train both on the same labels and splits"
            )
        if found.classes != reference.classes or (found.truth != reference.truth).any():
            raise PredictionsError(f"models {first!r} and {name!r} are scored on different labels; train both again")
        folds = [{(repeat.number, *repeat.fold) for repeat in one.repeats} for one in (found, reference)]
        if folds[0] != folds[1]:
            raise PredictionsError(f"models {first!r} and {name!r} were tested in different folds; train both again")


def paired_p(difference: np.ndarray, groups: np.ndarray, permutations: int, seed: int) -> float:
    """Two-sided p of the mean difference of two models being zero.

    Whole groups change sign together (the two models are exchangeable within a group). Where every video is a group of
    its own and each is right or wrong, this is McNemar's test, computed exactly; also exact where all sign patterns of
    the groups that differ can be listed. Else random patterns, p = (1 + as extreme ones) / (1 + permutations).

    Args:
        difference: (n,) score of one model minus that of the other, each video.
        groups: (n,) group of each video.
        permutations: most sign patterns that are looked at.
        seed: of the random ones.
    """
    names, index = np.unique(groups.astype(str), return_inverse=True)
    single = len(names) == len(groups)
    if single and np.isin(difference, (-1, 0, 1)).all():
        return mcnemar(int((difference > 0).sum()), int((difference < 0).sum()))
    sums = np.bincount(index, weights=difference)
    sums = sums[np.abs(sums) > NOISE]
    if not len(sums):
        return 1.0
    observed = abs(sums.sum()) - NOISE
    if len(sums) < 60 and 2 ** len(sums) <= permutations:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((2 * patterns - 1) @ sums) >= observed).mean())
    random = np.random.default_rng(seed)
    extreme, block = 0, max(1, BLOCK // len(sums))
    for start in range(0, permutations, block):
        signs = random.integers(0, 2, size=(min(block, permutations - start), len(sums)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ sums) >= observed).sum())
    return (1 + extreme) / (1 + permutations)


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided McNemar test from the discordant pairs (binomial with one half)."""
    from scipy.special import bdtr

    both = better + worse
    return float(min(1.0, 2 * bdtr(min(better, worse), both, 0.5))) if both else 1.0


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's step-down correction (1979): name -> p adjusted for all comparisons of the family."""
    adjusted, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = highest
    return adjusted
