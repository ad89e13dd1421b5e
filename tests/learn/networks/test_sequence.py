"""Heads on sequences: they find what the mean hides, and padding has no say."""

import numpy as np
import pytest
from learn.networks.planted import block, fitted, one_hot, sequences, weights

HEADS = ("conv1d", "attention_pool", "mean_pool")
FAST = {"epochs": 25, "learning_rate": 0.01, "refit": False}
SMALL = {"conv1d": {"width": 16}, "attention_pool": {"width": 16}, "mean_pool": {}}


def section(head: str, **params) -> dict:
    return {"inputs": ["s"], "head": head, "params": {**FAST, **SMALL[head], **params}}


@pytest.fixture(scope="module")
def world():
    pytest.importorskip("torch")
    values, starts, y = sequences(150)
    return block(values, starts), one_hot(y, 3)


@pytest.fixture(scope="module")
def networks(world):
    one, targets = world
    return {head: fitted(section(head), [one], range(100), targets[:100]) for head in HEADS}


def accuracy(network, targets, rows=range(100, 150)) -> float:
    found = network.predict_proba(np.asarray(rows))
    return float((found.argmax(axis=1) == targets[rows].argmax(axis=1)).mean())


def test_one_row_that_tells_is_found_and_lost_in_a_mean(networks, world):
    assert accuracy(networks["conv1d"], world[1]) >= 0.9
    assert accuracy(networks["attention_pool"], world[1]) >= 0.9
    assert accuracy(networks["mean_pool"], world[1]) > 0.5


@pytest.mark.parametrize("head", HEADS)
def test_a_prediction_does_not_depend_on_the_batch(networks, world, head):
    one, _ = world
    rows = np.arange(100, 150)
    together = networks[head].predict_proba(rows)
    alone = np.concatenate([networks[head].predict_proba(rows[number : number + 1]) for number in range(50)])
    assert set(np.diff(np.stack([one.begin, one.end]), axis=0)[0][rows].tolist()) >= {1, 2}
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-9)


def test_the_rows_after_a_video_end_are_never_read():
    """The neighbours of each video in the file hold huge numbers."""
    pytest.importorskip("torch")
    values, starts, y = sequences(60)
    targets = one_hot(y, 3)
    rows = np.arange(0, 60, 2)
    for head in HEADS:
        found = []
        for size in (0.0, 1e6):
            changed = values.copy()
            for odd in range(1, 60, 2):
                changed[starts[odd] : starts[odd + 1]] += size
            network = fitted(section(head, epochs=2), [block(changed, starts)], rows, targets[rows])
            found.append(network.predict_proba(rows))
        assert np.array_equal(*found)


def test_order_counts_for_convolutions_alone():
    pytest.importorskip("torch")
    random = np.random.default_rng(3)
    y = np.arange(120) % 2
    starts = np.arange(121) * 6
    values = random.normal(size=(720, 3)).astype(np.float32) * 0.3
    for row in range(120):
        first, second = sorted(random.choice(6, 2, replace=False))
        values[starts[row] + first, y[row]] += 4
        values[starts[row] + second, 1 - y[row]] += 4
    targets, one = one_hot(y, 2), block(values, starts)
    rows = range(80, 120)
    ordered = fitted(section("conv1d", kernel=7, epochs=40), [one], range(80), targets[:80])
    assert accuracy(ordered, targets, rows) > 0.9
    assert accuracy(fitted(section("attention_pool"), [one], range(80), targets[:80]), targets, rows) < 0.75


@pytest.mark.parametrize("head", HEADS)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(world, head):
    one, targets = world
    first, again, other = (
        weights(fitted(section(head, epochs=2), [one], range(40), targets[:40], seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("loss", ["bce", "focal", "asymmetric"])
def test_several_labels_with_each_loss(world, loss):
    one, targets = world
    several = np.concatenate([targets, targets[:, :1] | targets[:, 1:2]], axis=1)
    network = fitted(section("attention_pool", loss=loss), [one], range(100), several[:100], multi=True)
    p = network.predict_proba(np.arange(100, 150))
    truth = several[100:]
    aucs = [np.mean(p[truth[:, k], k][:, None] > p[~truth[:, k], k]) for k in range(4)]
    assert min(aucs) > 0.9
    assert ((p >= 0) & (p <= 1)).all() and (p.sum(axis=1) > 1.05).any()


def test_classes_that_training_lacks_keep_their_share(world):
    one, targets = world
    more = np.concatenate([targets, np.zeros((150, 1), bool)], axis=1)
    network = fitted(section("mean_pool", epochs=2), [one], range(60), more[:60])
    p = network.predict_proba(np.arange(100, 150))
    assert (p[:, 3] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
    always = np.concatenate([targets, np.ones((150, 1), bool)], axis=1)
    network = fitted(section("mean_pool", epochs=2), [one], range(60), always[:60], multi=True)
    assert (network.predict_proba(np.arange(100, 150))[:, 3] == 1).all()


def test_too_few_groups_train_all_passes_and_say_so(world):
    one, targets = world
    groups = ["a", "b", "c"] * 20
    network = fitted(section("mean_pool", epochs=3), [one], range(60), targets[:60], groups)
    assert network.history.held == [] and len(network.history.train) == 3
    assert network.notes == {
        "3 groups are too few to hold some out: the network is trained for all 3 passes",
    }


def test_class_weights_raise_the_rare_class(world):
    one, _ = world
    rare = one_hot((np.arange(150) % 10 == 0).astype(int), 2)
    plain, weighted = (
        fitted({**section("mean_pool", epochs=40, validation=0), "balance": balance}, [one], range(100), rare[:100])
        .predict_proba(np.arange(100, 150))[:, 1]
        .mean()
        for balance in ("none", "class_weight")
    )
    assert weighted > plain + 0.15


def test_refitting_learns_from_the_rows_that_told_when_to_stop(world):
    one, targets = world
    alone = fitted(section("mean_pool", epochs=6), [one], range(60), targets[:60])
    again = fitted(section("mean_pool", epochs=6, refit=True), [one], range(60), targets[:60])
    assert alone.history == again.history
    assert weights(alone) != weights(again)
