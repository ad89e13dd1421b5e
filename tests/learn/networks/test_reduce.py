"""Reductions: what they keep, their width, and that rows outside the training fold never touch them."""

import numpy as np
import pytest
from learn.networks.planted import features, one_hot
from learn.world import World, accuracy, planted, table

from triptych.core.config import Reduce
from triptych.learn.reduce import Pca, ReducedBlock

KINDS = ("pca", "autoencoder", "supervised")


def wide(rows: int = 60, width: int = 40, inner: int = 3, noise: float = 0.1):
    """Columns that are mixtures of `inner` numbers."""
    random = np.random.default_rng(2)
    hidden = random.normal(size=(rows, inner))
    return hidden @ random.normal(size=(inner, width)) + noise * random.normal(size=(rows, width)), hidden


def reduced(x, use: str, width: int, rows, targets=None, seed: int = 0) -> ReducedBlock:
    if use != "pca":
        pytest.importorskip("torch")
    targets = one_hot(np.arange(len(x)) % 2, 2) if targets is None else targets
    made = ReducedBlock(features(x), Reduce(use=use, width=width), targets, [f"g{n}" for n in range(len(x))], seed)
    assert made.fit(np.asarray(rows))
    return made


@pytest.mark.parametrize("use", KINDS)
def test_rows_that_are_predicted_never_touch_what_is_fitted(use):
    """Canary: the rows to predict hold huge numbers while the block is fitted, and true ones afterwards."""
    x, _ = wide()
    train, test = np.arange(24), np.arange(24, 60)
    targets = one_hot(np.arange(60) % 2, 2)
    clean = reduced(x, use, 4, train, targets)
    spoilt, other = x.copy(), targets.copy()
    spoilt[24:] = 1e12
    other[24:] = ~other[24:]
    fitted = reduced(spoilt, use, 4, train, other)
    fitted.block.values[24:] = np.nan
    assert fitted.fit(train)
    fitted.block.values[24:] = x[24:]
    for rows in (train, test):
        assert np.array_equal(clean.transform(rows, True), fitted.transform(rows, True))


@pytest.mark.parametrize("use", KINDS)
def test_no_more_numbers_than_one_fewer_than_there_are_rows(use):
    x, _ = wide()
    assert reduced(x, use, 64, range(9)).transform(np.arange(60), False).shape == (60, 8)
    assert reduced(x[:, :6], use, 64, range(30)).transform(np.arange(60), False).shape == (60, 6)
    assert reduced(x, use, 5, range(30)).transform(np.arange(60), False).shape == (60, 5)


@pytest.mark.parametrize("use", KINDS)
def test_a_block_weighs_the_same_as_any_other(use):
    x, _ = wide()
    made = reduced(x * 1000, use, 6, range(60))
    alone, beside = made.transform(np.arange(60), False), made.transform(np.arange(60), True)
    assert alone.var(axis=0).mean() == pytest.approx(1)
    assert np.square(beside).sum(axis=1).mean() == pytest.approx(1)


def test_a_video_without_the_feature_is_the_training_mean():
    x, _ = wide()
    present = np.arange(60) != 7
    x[7] = np.nan
    made = ReducedBlock(features(x, present), Reduce(width=3), one_hot(np.arange(60) % 2, 2), ["g"] * 60)
    assert made.fit(np.arange(60))
    assert not made.transform(np.array([7]), True).any() and np.isfinite(made.transform(np.arange(60), True)).all()
    assert not made.fit(np.array([7])) and not made.fit(np.array([3, 7]))


def test_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    x, _ = wide()
    ours, theirs = Pca(5).fit(x, None, ()).transform(x), PCA(5, svd_solver="full").fit(x).transform(x)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-9)


def test_an_autoencoder_rebuilds_what_it_has_not_seen():
    pytest.importorskip("torch")
    from triptych.learn.networks.autoencoder import Autoencoder

    x, _ = wide(160)
    made = Autoencoder(3, seed=1, learning_rate=0.005).fit(x[:120])
    rebuilt, code = made.rebuild(x[120:]), made.transform(x[120:])
    assert code.dtype == rebuilt.dtype == np.float64 and code.shape == (40, 3)
    left = np.square(rebuilt - x[120:]).sum() / np.square(x[120:] - x[:120].mean(axis=0)).sum()
    assert left < 0.1
    again = Autoencoder(3, seed=1, learning_rate=0.005).fit(x[:120]).transform(x[120:])
    other = Autoencoder(3, seed=2, learning_rate=0.005).fit(x[:120]).transform(x[120:])
    assert np.array_equal(code, again) and not np.array_equal(code, other)


def test_an_autoencoder_of_nothing_stops():
    pytest.importorskip("torch")
    from triptych.learn.networks.autoencoder import Autoencoder

    with pytest.raises(ValueError, match=r"rows \(n, d\) are needed"):
        Autoencoder(3).fit(np.zeros((0, 4)))


@pytest.mark.parametrize("use", KINDS)
def test_a_head_learns_from_what_is_left(tmp_path, use):
    if use != "pca":
        pytest.importorskip("torch")
    one = World(
        tmp_path, table({"a": [3] * 5, "b": [3] * 5}), {"label": "topic", "group": "film", "folds": 2}
    ).prepare()
    one.feature("seen", planted(one.rows, 30, 1.5, 1), np.arange(30) % 9 > 0)
    one.feature("heard", planted(one.rows, 12, 1.5, 2))
    model = {"inputs": ["seen", "heard"], "fusion": "early", "head": "logistic", "reduce": {"use": use, "width": 8}}
    assert accuracy(one.run("m", model)) > 0.85
