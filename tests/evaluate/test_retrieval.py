"""Ranks with ties, against fixtures of collaborative-experts and against a plain count."""

import tracemalloc

import numpy as np
import pytest

from triptych.evaluate import retrieval


def test_all_scored_alike():
    told = retrieval.summary(*retrieval.places(np.zeros((5, 5))))
    assert told == {"r1": 0.0, "r5": 1.0, "r10": 1.0, "median_rank": 3.0, "mean_rank": 3.0}
    assert retrieval.ranks(*retrieval.places(np.zeros((5, 5)))).tolist() == [2.0] * 5


def test_one_above_and_the_right_one_among_four_alike():
    above, ties = retrieval.places(np.roll(np.eye(5), 1, axis=1))
    assert retrieval.ranks(above, ties).tolist() == [2.5] * 5
    assert retrieval.summary(above, ties)["median_rank"] == 3.5


def test_perfect():
    assert retrieval.summary(*retrieval.places(np.eye(7)))["r1"] == 1.0


@pytest.mark.parametrize("n", range(1, 31))
def test_a_collapsed_model_is_never_better_than_chance(n):
    queries, gallery = np.zeros((n, 3)), np.random.default_rng(n).normal(size=(n, 3))
    told = retrieval.summary(*retrieval.places_of(queries, gallery))
    chance = retrieval.chance(np.full(n, n))
    assert all(told[name] <= chance[name] + 1e-12 for name in chance) and told["median_rank"] == (n + 1) / 2
    # The same vector for every video: the order of the gallery is the same each time, so one is found first.
    same = retrieval.summary(*retrieval.places_of(np.ones((n, 3)), gallery))
    assert all(same[name] <= chance[name] + 1e-12 for name in chance)


def test_equal_entries_share_what_lies_within():
    above, ties = retrieval.places(np.array([[1.0, 1.0, 0.0]]))
    assert retrieval.found_within(above, ties, 1).tolist() == [0.5]
    assert retrieval.found_within(above, ties, 5).tolist() == [1.0]


def test_every_place_is_the_place_of_each_column():
    scores = np.random.default_rng(0).integers(0, 4, size=(6, 9)).astype(float)
    above, ties = retrieval.all_places(scores)
    for column in range(9):
        wanted = np.full(6, column)
        one_above, one_ties = retrieval.places(scores, wanted)
        assert (above[:, column] == one_above).all() and (ties[:, column] == one_ties).all()


def test_cosines_have_no_rounding_noise_and_zeros_are_zero():
    gallery = np.repeat(np.random.default_rng(0).normal(size=(1, 300)), 40, axis=0)
    found = retrieval.cosines(gallery * 3, gallery)
    assert (found == 1.0).all() and (retrieval.cosines(np.zeros((2, 300)), gallery) == 0).all()
    assert retrieval.own_cosines(gallery, -gallery).tolist() == [-1.0] * 40


def test_blocks_give_the_same_and_bound_memory(monkeypatch):
    random = np.random.default_rng(0)
    queries, gallery = random.normal(size=(900, 4)), random.normal(size=(900, 4))
    whole = retrieval.places(retrieval.cosines(queries, gallery))
    monkeypatch.setattr(retrieval, "BLOCK", 9000)
    tracemalloc.start()
    parts = retrieval.places_of(queries, gallery)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all((a == b).all() for a, b in zip(whole, parts, strict=True))
    assert peak < 900 * 900 * 8 / 4


def test_nothing_to_find():
    assert np.isnan(retrieval.summary(np.zeros(0), np.ones(0))["r1"])
