"""Predictions: masks, unlabelled videos, balancing in the training fold alone, several labels, same bytes twice."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from learn.world import World, accuracy, planted, table

from triptych.learn import balance, predict
from triptych.learn.table import LeakError
from triptych.learn.tasks import read_labels

TASK = {"label": "topic", "group": "film", "folds": 3}
SIZES = {"a": [3] * 5, "b": [3] * 5, "c": [3] * 5}
HEADS = {
    "svc": {},
    "linear_svc": {},
    "logistic": {},
    "mlp": {"hidden": [16], "max_iter": 150, "learning_rate": 0.01},
    "knn": {},
    "forest": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 15, "max_leaf_nodes": 4, "min_samples_leaf": 3},
}


def world(tmp_path, sizes=None, unlabelled=0, **changes) -> World:
    rows = table(sizes or SIZES, unlabelled)
    one = World(tmp_path, rows, {**TASK, **changes}).prepare()
    one.feature("seen", planted(rows, 12, 2.5, 1))
    return one


def seen(head: str, **more) -> dict:
    return {"inputs": ["seen"], "head": head, "params": HEADS[head], "seeds": 1, **more}


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_and_gives_the_same_bytes_twice(tmp_path, head):
    one = world(tmp_path, unlabelled=3)
    found = one.run("m", seen(head), inner=2)
    assert accuracy(found) > 0.85
    first = (tmp_path / "m.parquet").read_bytes()
    one.run("m", seen(head), inner=2)
    assert (tmp_path / "m.parquet").read_bytes() == first
    for rows in found.values():
        assert sum(row["probability"] for row in rows.values()) == pytest.approx(1)
        assert sum(row["decision"] for row in rows.values()) == 1
    roles = [key[0] for key in found]
    assert (roles.count("test"), roles.count("inner"), roles.count("new")) == (45, 90, 3)


def test_the_schema_is_the_contract(tmp_path):
    world(tmp_path, unlabelled=1).run("m", {"head": "prior"})
    found = pq.read_schema(tmp_path / "m.parquet")
    kinds = {name: str(found.field(name).type) for name in found.names}
    assert kinds == {
        "video": "string",
        "role": "string",
        "outer": "int64",
        "repeat": "int64",
        "seed": "int64",
        "class": "string",
        "probability": "double",
        "decision": "bool",
        "truth": "bool",
        "covered": "bool",
    }


def test_each_video_is_tested_once_a_repeat_in_its_own_fold(tmp_path):
    one = world(tmp_path, repeats=2)
    found = one.run("m", seen("logistic"))
    folds = {(row.video, row.repeat): row.fold for row in predict_splits(one)}
    assert {(video, repeat): outer for role, repeat, outer, video in found if role == "test"} == folds


def predict_splits(one: World):
    from triptych.learn.splits import read_splits

    return read_splits(one.splits)


def test_inner_rows_keep_groups_and_the_outer_fold_apart(tmp_path):
    one = world(tmp_path)
    found = one.run("m", seen("logistic"), inner=3)
    fold = {row.video: row.fold for row in predict_splits(one)}
    for role, _, outer, video in found:
        if role == "inner":
            assert fold[video] != outer
    for outer in range(3):
        inner = {video for role, _, k, video in found if role == "inner" and k == outer}
        assert inner == {video for video in fold if fold[video] != outer}


def test_a_video_without_input_gets_the_training_prior(tmp_path):
    rows = table({"a": [2] * 9, "b": [1] * 9})
    one = World(tmp_path, rows, TASK).prepare()
    mask = np.arange(len(rows)) % 4 != 0
    values = planted(rows, 6, 2, 3)
    values[~mask] = np.nan
    one.feature("seen", values, mask)
    found = one.run("m", seen("svc"))
    fold = {row.video: row.fold for row in predict_splits(one)}
    truth = {row["slug"]: row["fields"]["topic"] for row in rows}
    for (_, _, outer, video), classes in found.items():
        has = bool(mask[int(video[1:])])
        assert classes["a"]["covered"] is has
        if not has:
            train = [truth[other] for other in fold if fold[other] != outer]
            assert classes["a"]["probability"] == pytest.approx(train.count("a") / len(train))
    assert accuracy(found, covered=True) > 0.9


def test_a_training_fold_without_input_gives_the_prior(tmp_path):
    one = world(tmp_path)
    one.feature("seen", np.full((45, 2), np.nan), np.zeros(45, dtype=bool))
    found = one.run("m", seen("logistic"))
    assert all(not row["covered"] for rows in found.values() for row in rows.values())
    assert "training prior" in one.summary["notes"][0]


def test_early_fusion_uses_what_is_there(tmp_path):
    one = world(tmp_path, {"a": [3] * 8, "b": [3] * 8, "c": [3] * 8})
    one.feature("seen", planted(one.rows, 40, 0.6, 1), np.arange(72) % 3 != 0)
    one.feature("heard", planted(one.rows, 4, 1.2, 2) * 1000, np.arange(72) % 3 != 1)
    found = one.run("m", {"inputs": ["seen", "heard"], "fusion": "early", "head": "svc"})
    assert all(row["covered"] for rows in found.values() for row in rows.values())
    single = [accuracy(one.run("s", {"inputs": [name], "head": "svc"})) for name in ("seen", "heard")]
    assert accuracy(found) > max(single)


@pytest.mark.parametrize("head", ["logistic", "concat"])
def test_an_input_that_no_training_video_has_covers_nothing(tmp_path, head):
    if head == "concat":
        pytest.importorskip("torch")
    one = world(tmp_path)
    fold = {row.video: row.fold for row in predict_splits(one)}
    first = np.array([fold[slug] == 0 for slug in one.slugs()])
    one.feature("seen", planted(one.rows, 6, 2.5, 1), ~first)
    one.feature("rare", planted(one.rows, 6, 2.5, 2), first)
    kind, params = ("early", {}) if head == "logistic" else ("intermediate", {"epochs": 2})
    found = one.run("m", {"inputs": ["seen", "rare"], "fusion": kind, "head": head, "params": params, "seeds": 1})
    truth = {row["slug"]: row["fields"]["topic"] for row in one.rows}
    share = np.mean([truth[video] == "a" for video, number in fold.items() if number])
    for (_, _, outer, _), rows in found.items():
        assert rows["a"]["covered"] is (outer != 0)
        assert outer or rows["a"]["probability"] == pytest.approx(share)


def test_numbers_that_are_not_finite_stop(tmp_path):
    one = world(tmp_path)
    values = planted(one.rows, 3, 1, 1)
    values[7, 1] = np.inf
    one.feature("seen", values)
    with pytest.raises(
        ValueError, match=r"feature 'seen' holds numbers that are not finite in 1 rows \(first: v0007\)"
    ):
        one.run("m", seen("logistic"))


def test_unlabelled_videos_are_predicted_and_never_learned(tmp_path):
    one = world(tmp_path, unlabelled=6)
    values = planted(one.rows, 12, 3, 1)
    values[45:] = values[:6]
    one.feature("seen", values)
    found = one.run("m", seen("logistic"))
    new = {key[3]: rows for key, rows in found.items() if key[0] == "new"}
    assert sorted(new) == [f"v{i:04d}" for i in range(45, 51)]
    for rows in new.values():
        assert rows["a"]["decision"] and rows["a"]["truth"] is None and rows["a"]["outer"] == -1
    values[45:] = 1e6
    one.feature("seen", values)
    changed = one.run("m", seen("logistic"))
    assert all(changed[key] == rows for key, rows in found.items() if key[0] == "test")


def test_text_is_joined_and_its_vocabulary_comes_from_the_training_fold(tmp_path):
    one = world(tmp_path)
    words = {"a": "red apple", "b": "green tree", "c": "blue sky"}
    one.texts = {row["slug"]: f"{words[row['fields']['topic']]} {row['fields']['film']}" for row in one.rows}
    one.texts["v0000"] = "  "
    for vectorizer in ("tfidf", "counts"):
        found = one.run("m", {"text": ["title", "description"], "head": "logistic", "vectorizer": vectorizer})
        assert accuracy(found, covered=True) == 1.0
        assert [key[3] for key, rows in found.items() if not rows["a"]["covered"]] == ["v0000"]
    lines = [{"video": row["slug"], "segments": [{"text": one.texts[row["slug"]]}]} for row in one.rows]
    (tmp_path / "0.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = {"text": ["transcript"], "inputs": ["seen"], "fusion": "early", "head": "svc"}
    assert accuracy(one.run("m", model, transcripts={"transcript": [tmp_path / "0.jsonl"]})) > 0.95


def test_text_that_teaches_nothing_gives_the_prior(tmp_path):
    one = world(tmp_path)
    one.texts = {row["slug"]: row["slug"] for row in one.rows}
    found = one.run("m", {"text": ["title"], "head": "logistic", "params": {"min_df": 2}})
    assert not any(rows["a"]["covered"] for rows in found.values())


def test_balancing_happens_in_the_training_fold_only(tmp_path):
    sizes = {"a": [4] * 9, "b": [1] * 9, "c": [2] * 9}
    one = world(tmp_path, sizes)
    plain = one.run("plain", seen("logistic"))
    for kind in ("under+over", "class_weight"):
        found = one.run("m", seen("logistic", balance=kind), balance=tmp_path / "balance.json")
        assert sorted(found) == sorted(plain), "the test rows stay what they are"
        folds = json.loads((tmp_path / "balance.json").read_text())["folds"]
        assert len(folds) == 3
        for fold in folds:
            assert fold["before"]["a"] == pytest.approx(4 * fold["before"]["b"])
            assert len({round(value, 3) for value in fold["after"].values()}) == 1
        chosen = {name: sum(rows[name]["probability"] for rows in found.values()) for name in "abc"}
        natural = {name: sum(rows[name]["probability"] for rows in plain.values()) for name in "abc"}
        assert chosen["b"] > natural["b"]


def test_resampling_keeps_all_rows_of_small_classes():
    targets = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], [20, 9, 3])]
    chosen = balance.resample(targets, 0)
    assert targets[chosen].sum(axis=0).tolist() == [9, 9, 9]
    assert set(range(20, 32)) <= set(chosen.tolist())
    assert (balance.resample(targets, 0) == chosen).all() and (balance.resample(targets, 1) != chosen).any()


def test_the_distribution_is_drawn_and_names_are_text(tmp_path):
    one = world(tmp_path)
    one.run("m", seen("logistic", balance="under+over"), balance=tmp_path / "one.svg")
    one.run("m", seen("logistic", balance="under+over"), balance=tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    hostile = {"<script>alert(1)</script>": 3.0, "$x_1": 2.0}
    balance.draw(hostile, hostile, tmp_path / "hostile.svg")
    text = (tmp_path / "hostile.svg").read_text()
    assert "<script>" not in text and "&lt;script&gt;" in text and "$x_1" in text


@pytest.mark.parametrize("head", HEADS)
def test_several_labels(tmp_path, head):
    rows = table({"red": [3] * 6, "red;round": [3] * 6, "round": [3] * 6, "": [2] * 2})
    one = World(tmp_path, rows, {**TASK, "multi_label": True}).prepare()
    random = np.random.default_rng(0)
    has = np.array([[name in row["fields"]["topic"].split(";") for name in ("red", "round")] for row in rows])
    one.feature(
        "seen", np.concatenate([has * 5.0, np.zeros((len(rows), 4))], axis=1) + random.normal(size=(len(rows), 6))
    )
    found = one.run("m", seen(head), inner=2)
    assert accuracy(found) > 0.7
    assert any(rows["red"]["probability"] + rows["round"]["probability"] > 1.2 for rows in found.values())
    assert all(row["decision"] == (row["probability"] >= 0.5) for rows in found.values() for row in rows.values())
    one.run("w", seen(head, balance="under+over"), inner=2)
    for fusion in ("mean", "log_product", "logistic"):
        assert accuracy(one.run("f", {"members": ["m", "w"], "fusion": "late", "head": fusion})) > 0.7
    majority = one.run("majority", {"head": "majority"})
    assert all(sum(row["decision"] for row in rows.values()) == 1 for rows in majority.values())


def test_a_class_that_a_training_fold_lacks(tmp_path):
    one = world(tmp_path, {"a": [2] * 6, "b": [2] * 6, "rare": [3]}, min_groups="allow")
    for head in HEADS:
        found = one.run("m", seen(head), inner=2)
        assert all(sum(row["probability"] for row in rows.values()) == pytest.approx(1) for rows in found.values())


def test_parameters_are_checked(tmp_path):
    one = world(tmp_path)
    with pytest.raises(ValueError, match=r"models.m.params.c: the head `svc` has no such parameter; did you mean 'C'"):
        one.run("m", {"inputs": ["seen"], "head": "svc", "params": {"c": 1}})


def test_leaks_are_refused(tmp_path):
    data = read_labels(world(tmp_path, unlabelled=2).labels).labelled()
    rows = np.arange(45)
    with pytest.raises(LeakError, match="both sides"):
        predict.refuse_leaks(data, rows[:10], rows[9:20])
    with pytest.raises(LeakError, match=r"groups on both sides of a split: \['a-0'\]"):
        predict.refuse_leaks(data, rows[:2], rows[2:5])
    with pytest.raises(LeakError, match="occurs twice"):
        predict.refuse_leaks(data, np.array([0, 0]), rows[3:5])
    with pytest.raises(LeakError, match="unlabelled video"):
        predict.refuse_leaks(data, np.array([0, 45]), rows[3:5])
    predict.refuse_leaks(data, rows[:3], np.array([3, 45, 46]))
