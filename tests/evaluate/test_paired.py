"""Paired tests and Holm's correction against textbook values and brute force."""

from itertools import product

import numpy as np
import pytest
from evaluate.scored import names

from triptych.evaluate.paired import holm, mcnemar, paired_p


def test_mcnemar_is_the_binomial_test():
    # Ten discordant pairs, 9 to 1: 2 (1 + 10) / 2^10.
    assert mcnemar(9, 1) == pytest.approx(22 / 1024)
    assert mcnemar(5, 5) == 1.0 and mcnemar(0, 0) == 1.0


def test_videos_as_groups_are_tested_by_mcnemar():
    difference = np.array([1] * 9 + [-1] + [0] * 30)
    assert paired_p(difference, np.array(names(40)), 100, 0) == pytest.approx(22 / 1024)


def test_few_groups_are_tested_exactly():
    random = np.random.default_rng(0)
    difference, groups = random.choice([-1, 0, 1], 40, p=[0.1, 0.5, 0.4]), np.repeat([f"g{k}" for k in range(8)], 5)
    sums = difference.reshape(8, 5).sum(1)
    extreme = [abs(np.dot(signs, sums)) >= abs(sums.sum()) for signs in product((-1, 1), repeat=8)]
    assert paired_p(difference, groups, 5000, 0) == pytest.approx(np.mean(extreme))


def test_many_groups_are_sampled_close_to_the_exact_value():
    random = np.random.default_rng(1)
    difference = random.choice([-1, 0, 1], 60, p=[0.1, 0.5, 0.4])
    groups = np.repeat([f"g{k}" for k in range(15)], 4)
    exact, sampled = (paired_p(difference, groups, most, 0) for most in (2**15, 20_000))
    assert sampled == pytest.approx(exact, abs=0.006)


def test_equal_models_do_not_differ():
    assert paired_p(np.zeros(20), np.repeat(["a", "b"], 10), 1000, 0) == 1.0


def test_group_test_holds_its_level_where_a_test_of_videos_does_not():
    """No true difference, but videos of a group go the same way: p < .05 in about 5 % of cases only with groups."""
    random, grouped, single = np.random.default_rng(2), 0, 0
    for seed in range(300):
        difference = np.repeat(random.choice([-1, 0, 1], 20), 10)
        grouped += paired_p(difference, np.repeat(names(20), 10), 500, seed) < 0.05
        single += paired_p(difference, np.array(names(200)), 500, seed) < 0.05
    assert grouped / 300 < 0.08 and single / 300 > 0.3


def test_holm_steps_down():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert holm({}) == {}
