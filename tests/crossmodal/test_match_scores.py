"""Matched against mismatched pairs: what is there is found, what is not there is not, groups are kept apart."""

import numpy as np
import pytest

from triptych.crossmodal import match_scores


def related(n=40, strength=0.5, seed=0):
    """Similarities with hubs (popular rows and columns), and a diagonal that is higher by `strength`."""
    random = np.random.default_rng(seed)
    hubs = random.normal(0, 2, n)[:, None] + random.normal(0, 2, n)[None, :]
    return hubs + random.normal(0, 0.2, (n, n)) + strength * np.eye(n)


def test_numbers_of_a_case_done_by_hand():
    similarity = np.array([[0.9, 0.1, 0.2], [0.3, 0.5, 0.1], [0.1, 0.6, 0.5]])
    told = match_scores.compare(similarity, permutations=100)
    assert told["n"] == told["groups"] == 3
    assert told["matched"] == pytest.approx(1.9 / 3) and told["mismatched"] == pytest.approx(1.4 / 6)
    gains = [0.9 - 0.15, 0.5 - 0.2, 0.5 - 0.35]
    assert told["difference"] == pytest.approx(np.mean(gains)) and told["low"] >= min(gains)
    assert told["row_to_column"]["r1"] == pytest.approx(2 / 3)  # the third text is second
    assert told["row_to_column"]["median_rank"] == 1 and told["row_to_column"]["chance"]["r1"] == pytest.approx(1 / 3)
    assert told["column_to_row"]["r1"] == pytest.approx(2 / 3) and told["column_to_row"]["gallery"] == 3
    # The pairing is the best of six, so that p is near 1/6.
    assert 0.08 < told["p"] < 0.28
    assert sum(told["bars"]["matched"]) == pytest.approx(1.0, abs=1e-4)


def test_hubs_hide_nothing_from_the_test_and_the_null_is_kept():
    assert match_scores.compare(related(), permutations=200)["p"] == pytest.approx(1 / 201)
    ps = [match_scores.compare(related(12, 0.0, seed), permutations=199, seed=seed)["p"] for seed in range(60)]
    assert 0.3 < np.mean(ps) < 0.7 and np.mean(np.array(ps) <= 0.05) < 0.15


def test_what_a_group_shares_is_no_evidence_that_pairs_match():
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(8), 5)
    # Videos of a film are like its texts, all alike; by themselves no video fits its own text.
    similarity = random.normal(0, 0.1, (40, 40)) + (groups[:, None] == groups[None, :])
    told = match_scores.compare(similarity, [f"film {one}" for one in groups], permutations=500)
    assert told["groups"] == 8 and told["row_to_column"]["gallery"] == 36
    assert match_scores.ranks(similarity, groups).max() == 1.0
    alone = match_scores.compare(similarity, permutations=500)
    assert alone["mismatched"] > told["mismatched"] and alone["row_to_column"]["r1"] < 0.6
    # Only whole films are dealt anew: with four of them 24 orders, so that p cannot be small.
    few = match_scores.compare(similarity[:20, :20], groups[:20], permutations=500)
    assert 0.02 < few["p"] < 0.08


def test_groups_of_unequal_size_do_not_bias_the_null():
    sizes = np.repeat(np.arange(10), [1, 1, 2, 3, 5, 1, 8, 2, 4, 3])
    ps = [match_scores.compare(related(30, 0.0, seed), sizes, permutations=199, seed=seed)["p"] for seed in range(60)]
    assert 0.3 < np.mean(ps) < 0.7 and np.mean(np.array(ps) <= 0.05) < 0.15


def test_ties_are_never_better_than_chance():
    told = match_scores.compare(np.zeros((20, 20)), permutations=100)
    assert told["p"] is None and told["d_prime"] is None and told["low"] is None
    assert told["row_to_column"]["median_rank"] == 10.5 and told["row_to_column"]["r10"] <= 0.5


@pytest.mark.parametrize("n, groups", [(0, None), (1, None), (3, ["a", "a", "a"])])
def test_too_little_is_told_in_words(n, groups):
    told = match_scores.compare(np.zeros((n, n)), groups)
    assert told["p"] is None and "nothing to compare" in told["why"] and told["n"] == n


def test_the_same_seed_gives_the_same_numbers():
    one, same, other = (match_scores.compare(related(20, 0.1), permutations=100, seed=seed) for seed in (1, 1, 2))
    assert one == same and one["null"] != other["null"] and one["matched"] == other["matched"]
