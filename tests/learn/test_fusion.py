"""Fusions, and canaries: random labels must score at chance, whatever is stacked and balanced."""

import numpy as np
import pytest
from learn.world import LATE, TASK, World, accuracy, pictures_and_sounds, read

from triptych.learn.fusion import Stack
from triptych.learn.members import Members
from triptych.learn.splits import folds_of
from triptych.learn.table import read_predictions
from triptych.learn.tasks import read_labels


@pytest.mark.parametrize("head", ["mean", "log_product", "logistic"])
def test_late_fusion_beats_its_members_and_repeats_exactly(tmp_path, head):
    one = pictures_and_sounds(tmp_path, unlabelled=8)
    found = one.run("late", {**LATE, "head": head})
    first = (tmp_path / "late.parquet").read_bytes()
    single = max(accuracy(read(tmp_path / f"{name}.parquet")) for name in ("picture", "sound"))
    assert accuracy(found) > single + {"mean": 0.05, "log_product": 0.15, "logistic": 0.2}[head]
    one.run("late", {**LATE, "head": head})
    assert (tmp_path / "late.parquet").read_bytes() == first
    for (_, _, _, video), rows in found.items():
        number = int(video[1:])
        assert rows["a"]["covered"] is (number % 7 != 0 or number % 5 != 0)
        assert sum(row["probability"] for row in rows.values()) == pytest.approx(1)
    new = [rows for key, rows in found.items() if key[0] == "new"]
    assert len(new) == 8 and np.mean([rows["a"]["probability"] for rows in new]) > 0.35


def test_mean_reads_available_members_only(tmp_path):
    one = pictures_and_sounds(tmp_path)
    found = one.run("late", {**LATE, "head": "mean", "params": {"weights": {"sound": 3}}})
    picture, sound = (read_predictions(tmp_path / f"{name}.parquet", list("abcd")) for name in ("picture", "sound"))
    for (_, repeat, outer, video), rows in found.items():
        parts = [read["test", repeat, outer, 0] for read in (picture, sound)]
        values = [part.probability[part.videos.index(video)] for part in parts]
        weights = np.array([1.0, 3.0]) * [part.covered[part.videos.index(video)] for part in parts]
        if weights.any():
            expected = np.average(values, axis=0, weights=weights)
            assert [rows[name]["probability"] for name in "abcd"] == pytest.approx(expected.tolist(), abs=1e-9)
        else:
            assert not rows["a"]["covered"]


@pytest.mark.parametrize("multi", [False, True])
def test_a_stack_with_nothing_to_learn_from_gives_the_prior(multi):
    targets = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=bool)
    stack = Stack(["one", "two"], {"C": [0.1, 1.0], "temperature": True}, multi, 3, 0)
    stack.fit(Members(np.full((2, 4, 2), 0.5), np.zeros((2, 4), dtype=bool)), targets, list("abcd"))
    test = Members(np.full((2, 3, 2), 0.5), np.array([[True, True, False], [True, False, False]]))
    assert stack.predict_proba(test).tolist() == [[0.75, 0.25]] * 3
    assert stack.covers(test).tolist() == [False] * 3


def random_labels(tmp_path, seed: int, classes: str, share, size: int, **changes) -> World:
    """Labels that no input tells."""
    random = np.random.default_rng(seed)
    rows = [
        {"slug": f"v{i:04d}", "line": i + 2, "fields": {"topic": str(one), "film": f"g{i // 2}"}}
        for i, one in enumerate(random.choice(list(classes), size, p=share))
    ]
    one = World(tmp_path, rows, {**TASK, "seed": seed, **changes}).prepare()
    one.feature("seen", random.normal(size=(size, 8)))
    return one


def chance(rate: float, rows: int) -> float:
    """Three standard errors above."""
    return rate + 3 * np.sqrt(rate * (1 - rate) / rows)


@pytest.mark.parametrize("head", ["knn", "forest", "svc"])
def test_random_labels_with_balancing_stay_at_chance(tmp_path, head):
    options = {"knn": {"neighbors": 1}, "forest": {"n_estimators": 30}, "svc": {"C": 100.0}}[head]
    one = random_labels(tmp_path, 1, "abc", [0.6, 0.3, 0.1], 300)
    model = {"inputs": ["seen"], "head": head, "params": options, "balance": "under+over"}
    share = max(np.bincount(read_labels(one.labels).targets.argmax(axis=1))) / 300
    assert accuracy(one.run("m", model)) < chance(share, 300)


def test_the_balancing_canary_sings_when_copies_are_made_before_the_split(tmp_path):
    one = random_labels(tmp_path, 1, "abc", [0.6, 0.3, 0.1], 300)
    rows = []
    for row in one.rows:
        copies = {"a": 1, "b": 2, "c": 6}[row["fields"]["topic"]]
        rows += [{**row, "slug": f"{row['slug']}-{copy}"} for copy in range(copies)]
    features = np.random.default_rng(5).normal(size=(300, 8))
    folder = tmp_path / "leaky"
    folder.mkdir()
    leaky = World(folder, rows, {**TASK, "group": "none"}).prepare()
    leaky.feature("seen", np.stack([features[int(slug[1:5])] for slug in leaky.slugs()]))
    assert accuracy(leaky.run("m", {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 1}})) > 0.6


def test_a_stack_of_priors_on_random_labels_stays_at_chance(tmp_path):
    """Stacking on one shared out-of-fold table leaks here (the control); nested stacking cannot."""
    nested, shared = [], []
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        one = random_labels(folder, seed, "abcd", [0.25] * 4, 200, folds=5)
        for name in ("one", "two", "three"):
            one.run(name, {"head": "prior"}, inner=3)
        model = {"fusion": "late", "members": ["one", "two", "three"], "head": "logistic", "params": {"C": 1e4}}
        nested.append(accuracy(one.run("stack", model)))
        shared.append(shared_table(one))
    assert np.mean(nested) < chance(0.25, 6 * 200)
    assert np.mean(shared) > chance(0.25, 6 * 200), "the canary has a voice"


def shared_table(one: World) -> float:
    """Accuracy of the same stack, fitted wrongly: on the other folds' rows of one out-of-fold table."""
    data = read_labels(one.labels)
    of_row = folds_of(one.splits, data, one.task)[0]
    parts = read_predictions(one.folder / "one.parquet", data.classes)
    table = np.zeros(data.targets.shape)
    for fold in range(5):
        part = parts["test", 0, fold, 0]
        table[[data.videos.index(video) for video in part.videos]] = part.probability
    members = Members(np.stack([table] * 3), np.ones((3, len(table)), dtype=bool))
    hits = []
    for fold in range(5):
        train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
        stack = Stack(["one", "two", "three"], {"C": 1e4, "temperature": False}, False, 3, 0)
        stack.fit(members.take(train), data.targets[train], [data.groups[row] for row in train])
        p = stack.predict_proba(members.take(test))
        hits += (p.argmax(axis=1) == data.targets[test].argmax(axis=1)).tolist()
    return float(np.mean(hits))


def test_a_stack_learns_whom_to_trust(tmp_path):
    one = pictures_and_sounds(tmp_path)
    one.feature("static", np.random.default_rng(3).normal(size=(96, 5)))
    noise = {"inputs": ["static"], "head": "forest", "params": {"n_estimators": 10}}
    for number in range(3):
        one.run(f"noise{number}", noise, inner=3)
    members = ["picture", "sound", "noise0", "noise1", "noise2"]
    stacked = accuracy(one.run("stack", {"fusion": "late", "members": members, "head": "logistic"}))
    averaged = accuracy(one.run("mean", {"fusion": "late", "members": members, "head": "mean"}))
    assert stacked > averaged - 0.05 and stacked > 0.6


@pytest.mark.parametrize("balance", ["class_weight", "under+over"])
def test_a_stack_can_be_balanced_and_searched(tmp_path, balance):
    one = pictures_and_sounds(tmp_path)
    options = {"C": [0.01, 1.0], "indicator": True}
    found = one.run("stack", {**LATE, "head": "logistic", "balance": balance, "params": options})
    assert accuracy(found) > 0.7 and len(one.summary["balanced"]) == 3
