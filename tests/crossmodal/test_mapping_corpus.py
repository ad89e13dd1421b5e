"""Rows of features as mappings read them: standardised, narrowed and cut by the training videos of each fold."""

import numpy as np
import pytest
from crossmodal.world import World, linked, of_pair

from triptych.crossmodal import mapping_corpus


def test_features_are_brought_to_a_width_in_the_training_fold(tmp_path):
    world = World(tmp_path, films=24, task={"folds": 2})
    for name, values in zip(("one", "two"), linked(world, widths=(40, 8)), strict=True):
        world.feature(name, values)
    seen = []
    plain = mapping_corpus.Corpus.matrices

    def spied(corpus, name, train, test):
        found = plain(corpus, name, train, test)
        seen.append((name, found[0].shape[1], set(corpus.groups[train]) & set(corpus.groups[test])))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping_corpus.Corpus, "matrices", spied)
        pair = of_pair(world.run("one", "two", methods=["ridge"], reduce=8), "one", "two")
    assert pair["methods"]["ridge"]["scores"]["r1"]["value"] > 5 * pair["chance"]["r1"]
    assert all(width == 8 and not shared for _, width, shared in seen)


def test_pairs_that_share_training_videos_and_not_test_videos_are_kept_apart(tmp_path):
    """A feature that one test video of the first fold lacks: of that fold all pairs have the same training videos."""
    world = World(tmp_path)
    one, two = linked(world)
    mask = np.arange(len(world)) != 0
    for name, values, there in (("one", one, None), ("two", two, None), ("less", two, mask)):
        world.feature(name, values, there)
    told = world.run("one", "two", "less", methods=["ridge"])
    assert of_pair(told, "one", "two")["n"] == 60 and of_pair(told, "one", "less")["n"] == 59


def test_a_video_far_from_all_others_does_not_rule_the_variance(tmp_path):
    world = World(tmp_path)
    one, two = linked(world)
    # Hardly any variance where it is learned, and one video beyond all measure.
    two[:, 0] = 1e-3 * np.random.default_rng(0).normal(size=len(world))
    two[5, 0] = 1e6
    world.feature("one", one)
    world.feature("two", two)
    pair = of_pair(world.run("one", "two", methods=["ridge"]), "one", "two")
    assert pair["methods"]["ridge"]["scores"]["variance_ratio"]["value"] > 0.4
