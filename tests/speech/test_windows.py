"""Cuts cover the whole sound; the middles of overlapping windows follow one another."""

import itertools

import numpy as np
import pytest

from triptych.speech import windows


@pytest.mark.parametrize("seconds", [1, 29.99, 30, 31, 95, 600])
def test_cuts_cover_all(seconds):
    samples = np.random.default_rng(0).standard_normal(int(seconds * 16_000)).astype(np.float32)
    cuts = windows.quiet_cuts(samples, 16_000, 30)
    assert cuts[0][0] == 0 and cuts[-1][1] == len(samples)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cuts))
    assert all(0 < last - first <= 30 * 16_000 for first, last in cuts)
    assert windows.quiet_cuts(samples[:0], 16_000, 30) == []


def test_a_cut_lies_in_the_pause():
    samples = np.ones(50 * 16_000, np.float32)
    samples[26 * 16_000 : 27 * 16_000] = 0
    (_, end), *_ = windows.quiet_cuts(samples, 16_000, 30)
    assert 26 * 16_000 <= end <= 27 * 16_000


@pytest.mark.parametrize("length", [1, 99, 100, 101, 179, 180, 181, 1000])
def test_overlaps(length):
    parts = windows.overlapping(length, 100, 10)
    counted = [place for one in parts for place in range(one[2], one[3])]
    assert counted == list(range(length))
    assert all(one[0] <= one[2] and one[3] <= one[1] and one[1] - one[0] <= 100 for one in parts)
