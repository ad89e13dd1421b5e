"""Scores of mapped features over folds, told by numbers that can be worked out by hand."""

import numpy as np
import pytest

from triptych.crossmodal.mapping_scores import Run, averaged
from triptych.crossmodal.mapping_table import METRICS


def test_own_targets_found_at_half_their_spread():
    gallery = np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])
    scores = Run.of(np.arange(4), gallery / 2, gallery, fold=0).scores()
    assert list(scores) == list(METRICS)
    assert scores["cosine"] == pytest.approx(1) and scores["r1"] == scores["median_rank"] == 1
    assert scores["variance_ratio"] == pytest.approx(0.25)


def test_folds_are_joined_and_variances_stay_within_them():
    gallery = np.array([[1.0, 0.0], [0.0, 1.0]])
    # The second fold lies elsewhere: what sets folds apart is no variance of either side.
    other = gallery + 9
    joined = Run.joined([Run.of([4, 2], gallery, gallery, fold=0), Run.of([1, 3], other, other, fold=1)])
    assert joined.rows.tolist() == [4, 2, 1, 3] and joined.fold.tolist() == [0, 0, 1, 1]
    assert joined.own.sum() == pytest.approx(2) and joined.scores()["variance_ratio"] == pytest.approx(1)


def test_targets_that_do_not_differ_have_no_variance_ratio():
    scores = Run.of(np.arange(3), np.eye(3), np.ones((3, 3)), fold=0).scores()
    assert np.isnan(scores["variance_ratio"])


def test_scores_are_averaged_metric_by_metric():
    low, high = ({name: place + add for place, name in enumerate(METRICS)} for add in (0.0, 1.0))
    assert averaged([low, high]) == {name: place + 0.5 for place, name in enumerate(METRICS)}
