"""Cohen's kappa against scikit-learn, and counts of two labellings."""

import csv
import json

import numpy as np
import pytest

from triptych.learn import agreement


def one_hot(labels, classes):
    return np.array([[one == name for name in classes] for one in labels])


def test_kappa_is_that_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    for classes in ("ab", "abcd"):
        first = random.choice(list(classes), 60)
        second = np.where(random.random(60) < 0.6, first, random.choice(list(classes), 60))
        found = agreement.cohen_kappa(one_hot(first, classes), one_hot(second, classes))
        assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_without_rows_or_with_one_class_is_none():
    assert agreement.cohen_kappa(np.zeros((0, 2), bool), np.zeros((0, 2), bool)) is None
    same = one_hot("aaa", "ab")
    assert agreement.cohen_kappa(same, same) is None


def test_only_videos_with_both_labels_count():
    existing = {"1": ("sea",), "2": ("hill",), "3": (), "4": ("sea",)}
    made = {"1": ("sea",), "2": ("sea",), "3": ("hill",), "4": ()}
    facts, table = agreement.compare(existing, made, False)
    assert (facts["n"], facts["only_existing"], facts["only_made"]) == (2, 1, 1)
    assert facts["agreement"] == 0.5 and table.videos == ["1", "2"]


def test_several_labels_give_the_kappa_of_each_class_and_their_mean():
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(1)
    truth, other = random.random((2, 40, 3)) < 0.5
    truth[:, 0] |= ~truth.any(axis=1)
    other[:, 1] |= ~other.any(axis=1)
    names = ["a", "b", "c"]
    first = {f"{number:02d}": tuple(np.array(names)[row]) for number, row in enumerate(truth)}
    second = {f"{number:02d}": tuple(np.array(names)[row]) for number, row in enumerate(other)}
    facts, _ = agreement.compare(first, second, True)
    each = [cohen_kappa_score(truth[:, place], other[:, place]) for place in range(3)]
    assert [row["kappa"] for row in facts["per_class"]] == pytest.approx(each, abs=1e-12)
    assert facts["kappa"] == pytest.approx(np.mean(each))


def test_files_hold_the_counts_and_no_formula(tmp_path):
    existing = {"1": ("=SUM(A1)",), "2": ("hill",)}
    facts, table = agreement.compare(existing, {"1": ("hill",), "2": ("hill",)}, False)
    paths = [tmp_path / f"x.{suffix}" for suffix in ("json", "csv", "svg")]
    agreement.write(facts, table, *paths)
    rows = list(csv.DictReader(paths[1].open()))
    assert list(rows[0]) == ["existing", "zero_shot", "count", "share"]
    counted = {(row["existing"], row["zero_shot"]): float(row["count"]) for row in rows}
    assert counted["'=SUM(A1)", "hill"] == 1 and counted["hill", "hill"] == 1 and sum(counted.values()) == 2
    assert json.loads(paths[0].read_text())["n"] == 2
    assert "zero-shot" in paths[2].read_text()
