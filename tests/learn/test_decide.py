"""Decisions of tasks with several labels: chosen on inner rows of the same fold, and on nothing else."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from learn.world import World, table

from triptych.commands.check import CheckError, load
from triptych.core.config import Decide
from triptych.core.study import StudyError, parse_study
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.predictions import read
from triptych.learn import decide
from triptych.learn.decide import DecisionError
from triptych.learn.members import MembersError
from triptych.learn.table import LeakError, Part, read_predictions

TASK = {"label": "topic", "group": "film", "folds": 3, "multi_label": True}
CLASSES = ["blue", "red", "round"]
HEAD = {"inputs": ["seen"], "head": "logistic"}


def world(tmp_path, unlabelled=0) -> World:
    """Labels that features tell badly, so that one half is no good threshold."""
    rows = table({"red": [3] * 6, "red;round": [2] * 6, "round": [2] * 6, "blue;red": [1] * 6}, unlabelled)
    one = World(tmp_path, rows, TASK).prepare()
    has = np.array([[name in row["fields"]["topic"].split(";") for name in CLASSES] for row in rows], dtype=float)
    one.feature("seen", has * 1.2 + np.random.default_rng(0).normal(size=has.shape))
    return one


def f1(truth, decision):
    return 2 * (truth & decision).sum() / max(1, truth.sum() + decision.sum())


def brute(p, truth):
    """The best F1 of all thresholds, and the distance from one half of the nearest that reaches it."""
    values = np.unique(p)
    cuts = [0.5, *((np.append(0.0, values[:-1]) + values) / 2)]
    scores = np.array([f1(truth, p >= cut) for cut in cuts])
    return scores.max(), min(
        abs(cut - 0.5) for cut, score in zip(cuts, scores, strict=True) if score > scores.max() - 1e-9
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_has_the_highest_f1_and_is_nearest_to_one_half(seed):
    random = np.random.default_rng(seed)
    truth = random.random(40) < 0.3
    p = np.round(np.clip(random.random(40) * 0.6 + 0.2 * truth, 0, 1), 1 if seed % 2 else 3)
    found = decide.best_threshold(p, truth)
    best, distance = brute(p, truth)
    assert f1(truth, p >= found) == pytest.approx(best) and abs(found - 0.5) == pytest.approx(distance)


def test_what_cannot_be_chosen_is_one_half():
    assert decide.best_threshold(np.array([0.1, 0.9]), np.array([False, False])) == 0.5
    assert decide.best_threshold(np.array([0.1, 0.9]), np.array([False, True])) == 0.5
    assert decide.best_threshold(np.array([0.0, 0.0]), np.array([True, True])) == 0.0
    assert decide.best_threshold(np.array([0.1, 0.3]), np.array([False, True])) == pytest.approx(0.2)


def test_top_k_satisfies_the_identity_of_micro_precision_and_recall():
    """P = R * sum of labels / (k N); every video gets exactly k labels, ties go to the first classes."""
    random = np.random.default_rng(0)
    truth, p = random.random((50, 6)) < 0.4, np.round(random.random((50, 6)), 1)
    for k in range(1, 7):
        decision = decide.top(p, k)
        assert (decision.sum(axis=1) == k).all()
        hits = (truth & decision).sum()
        precision, recall = hits / decision.sum(), hits / truth.sum()
        assert precision == pytest.approx(recall * truth.sum() / (k * len(truth)))
    assert decide.top(np.array([[0.5, 0.7, 0.5, 0.5]]), 2).tolist() == [[True, True, False, False]]
    scores = [f1(truth, decide.top(p, k)) for k in range(1, 7)]
    assert decide.best_k(p, truth) == int(np.argmax(scores)) + 1


def test_top_k_metrics_of_a_file_satisfy_the_identity_too(tmp_path):
    one = world(tmp_path)
    one.run("m", {**HEAD, "decide": {"rule": "top_k", "k": 2}})
    told = evaluate_model(
        *(tmp_path / "m.parquet", one.labels, tmp_path / "m.json"),
        **{"task": "t", "model": "m", "spec": {}, "evaluate": {"bootstrap": 100, "seed": 0}, "multi_label": True},
    )
    found = read(tmp_path / "m.parquet", True)
    hits, labels, n = (found.truth & found.repeats[0].decision).sum(), found.truth.sum(), len(found.videos)
    recall = hits / labels
    precision = recall * labels / (2 * n)
    assert told["all"]["micro_f1"]["value"] == pytest.approx(2 * precision * recall / (precision + recall))
    macro = [f1(found.truth[:, k], found.repeats[0].decision[:, k]) for k in range(3)]
    assert told["all"]["macro_f1"]["value"] == pytest.approx(np.mean(macro))
    assert told["decide"] is None


def parts_of(one: World, name: str):
    return read_predictions(one.folder / f"{name}.parquet", CLASSES)


@pytest.mark.parametrize("rule", ["global", "per_label", "top_k"])
@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_numbers_come_from_the_inner_rows_of_the_same_fold_and_run(tmp_path, rule, head):
    one = world(tmp_path)
    small = {"hidden": [4], "max_iter": 20} if head == "mlp" else {}
    model = {**HEAD, "head": head, "params": small, "seeds": 2 if head == "mlp" else 1, "decide": {"rule": rule}}
    one.run("m", model)
    parts = parts_of(one, "m")
    assert {key[3] for key in parts} == set(range(model["seeds"]))
    chosen = set()
    for (role, repeat, outer, run), part in parts.items():
        inner = parts["inner", repeat, outer, run]
        numbers = decide.fit(Decide(rule=rule), inner.probability, inner.truth, 3)
        if role == "test":
            chosen.add(repr(numbers))
            assert (part.decision == numbers.decide(part.probability)).all()
    assert len(chosen) > 1 or rule == "top_k"


def test_a_choice_does_not_prefer_the_rule_with_the_most_thresholds(tmp_path):
    """Thresholds of noise: one a label fits the inner rows better than one for all, and is no better."""
    random, names = np.random.default_rng(1), "abcdefgh"
    has = random.random((60, 8)) < 0.15
    has[np.arange(60), random.integers(0, 8, 60)] = True
    labels = [";".join(names[k] for k in np.flatnonzero(row)) for row in has]
    rows = [
        {"slug": f"v{n:03d}", "line": n + 2, "fields": {"topic": label, "film": f"f{n}"}}
        for n, label in enumerate(labels)
    ]
    one = World(tmp_path, rows, {**TASK, "min_groups": "allow"}).prepare()
    one.feature("seen", random.normal(size=(60, 8)))
    for rule in ("global", "per_label"):
        one.run(rule, {**HEAD, "decide": {"rule": rule}})
    scores = {}
    for rule in ("global", "per_label"):
        parts = read_predictions(tmp_path / f"{rule}.parquet", list(names))
        scores[rule] = {
            role: np.mean([f1(one.truth, one.decision) for key, one in parts.items() if key[0] == role])
            for role in ("inner", "test")
        }
        assert abs(scores[rule]["inner"] - scores[rule]["test"]) < 0.05
    assert scores["per_label"]["inner"] < scores["global"]["inner"] + 0.02


def test_a_label_of_the_test_fold_changes_no_threshold_of_it(tmp_path):
    one = world(tmp_path)
    model = {**HEAD, "decide": {"rule": "per_label"}}
    one.run("m", model)
    before = parts_of(one, "m")
    tested = before["test", 0, 0, 0].videos[:4]
    for row in one.rows:
        if row["slug"] in tested:
            row["fields"]["topic"] = "blue;round"
    from triptych.learn import tasks

    tasks.make_labels("topic", one.task, one.rows, one.labels)
    one.run("m", model)
    after = parts_of(one, "m")
    assert (after["test", 0, 0, 0].truth != before["test", 0, 0, 0].truth).any()
    assert (after["test", 0, 0, 0].decision == before["test", 0, 0, 0].decision).all()


def test_a_chosen_threshold_beats_one_half_where_labels_are_rare(tmp_path):
    one = world(tmp_path, unlabelled=4)
    one.run("half", HEAD)
    one.run("own", {**HEAD, "decide": {"rule": "per_label"}})
    scores = {}
    for name in ("half", "own"):
        found = read(tmp_path / f"{name}.parquet", True)
        scores[name] = f1(found.truth[:, 0], found.repeats[0].decision[:, 0])
    assert scores["own"] > scores["half"]
    parts = parts_of(one, "own")
    tests = [part for key, part in parts.items() if key[0] == "test"]
    p, truth = (np.concatenate([getattr(part, name) for part in tests]) for name in ("probability", "truth"))
    new = parts["new", 0, -1, 0]
    numbers = decide.fit(Decide(rule="per_label"), p, truth, 3)
    assert (new.decision == numbers.decide(new.probability)).all(), "thresholds of all out-of-fold rows"


def test_a_fixed_threshold_needs_no_inner_rows(tmp_path):
    one = world(tmp_path)
    found = one.run("m", {**HEAD, "decide": {"threshold": 0.3}})
    assert {key[0] for key in found} == {"test"}
    rows = [row for classes in found.values() for row in classes.values()]
    assert all(row["decision"] == (row["probability"] >= 0.3) for row in rows)
    assert any(row["decision"] and row["probability"] < 0.5 for row in rows)


@pytest.mark.parametrize("head", ["mean", "log_product", "logistic"])
@pytest.mark.parametrize("rule", ["global", "top_k"])
def test_late_fusions_choose_on_their_members_inner_rows(tmp_path, head, rule):
    one = world(tmp_path, unlabelled=2)
    one.run("a", HEAD, inner=3)
    one.run("b", {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 7}}, inner=3)
    late = {"fusion": "late", "members": ["a", "b"], "head": head}
    one.run("plain", late)
    one.run("late", {**late, "decide": {"rule": rule}})
    plain, parts = parts_of(one, "plain"), parts_of(one, "late")
    assert all((parts[key].probability == part.probability).all() for key, part in plain.items())
    a, b = parts_of(one, "a"), parts_of(one, "b")
    if head == "mean":
        for outer in range(3):
            inner = a["inner", 0, outer, 0], b["inner", 0, outer, 0]
            joined = (inner[0].probability + inner[1].probability) / 2
            numbers = decide.fit(Decide(rule=rule), joined, inner[0].truth, 3)
            test = parts["test", 0, outer, 0]
            assert (test.decision == numbers.decide(test.probability)).all()
    one.run("b", {"inputs": ["seen"], "head": "knn"})
    with pytest.raises(MembersError, match="no inner rows"):
        one.run("late", {**late, "decide": {"rule": rule}})


def test_inner_rows_of_another_fold_or_of_test_videos_are_refused():
    p, truth = np.array([[0.4, 0.6]]), np.array([[True, False]])
    test = Part("test", 0, 0, 0, ["a"], p, np.ones(1, bool), truth)
    rule = Decide(rule="global")
    for inner in (
        Part("inner", 1, 0, 0, ["b"], p, np.ones(1, bool), truth),
        Part("inner", 0, 0, 0, ["a"], p, np.ones(1, bool), truth),
    ):
        with pytest.raises(LeakError, match="not its training rows alone"):
            decide.decided(rule, test, inner)
    with pytest.raises(DecisionError, match="no inner rows"):
        decide.decided(rule, test, None)


def test_rules_that_do_not_fit_the_task_stop_the_job(tmp_path):
    one = world(tmp_path)
    with pytest.raises(DecisionError, match="4 labels a video, but the task has 3 classes"):
        one.run("m", {**HEAD, "decide": {"rule": "top_k", "k": 4}})
    rows = table({"a": [2] * 4, "b": [2] * 4})
    (tmp_path / "single").mkdir()
    single = World(tmp_path / "single", rows, {"label": "topic", "group": "film", "folds": 2}).prepare()
    single.feature("seen", np.zeros((16, 2)))
    with pytest.raises(DecisionError, match="one label a video"):
        single.run("m", {**HEAD, "decide": {"rule": "global"}})


def study(tmp_path, **model) -> dict:
    lines = ["id,topic,film"] + [f"v{i},{'a;b' if i % 2 else 'a'},f{i}" for i in range(8)]
    (tmp_path / "videos.csv").write_text("\n".join(lines) + "\n")
    return {
        "study": "s",
        "corpus": str(tmp_path / "videos.csv"),
        "splits_dir": str(tmp_path / "splits"),
        "transcripts": {"c": {"use": "captions"}},
        "tasks": {"t": {"label": "topic", "group": "film", "folds": 2, "multi_label": True}},
        "models": {"m": {"text": ["transcript"], **model}},
    }


def test_check_refuses_decisions_of_single_labels_and_too_many_labels(tmp_path):
    good = study(tmp_path, decide={"rule": "top_k", "k": 2})
    assert load(good).study.models["m"].decide.k == 2
    with pytest.raises(CheckError, match=r"models.m.decide.k: 3 labels a video, but task 't' has 2 classes"):
        load(study(tmp_path, decide={"rule": "top_k", "k": 3}))
    single = study(tmp_path, decide={"rule": "global"})
    single["tasks"]["t"]["multi_label"] = False
    with pytest.raises(StudyError, match=r"models.m.decide: it is for tasks with several labels a video, and 't' has"):
        parse_study(single)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"decide": {"rule": "global", "k": 2}}, "`decide.k` belongs to `rule: top_k`"),
        ({"decide": {"rule": "global", "threshold": 0.2}}, "`decide.threshold` belongs to `rule: fixed`"),
        ({"decide": {"rule": "top_k", "k": 0}}, "models.m.decide.k"),
    ],
)
def test_rules_that_contradict_themselves(tmp_path, model, told):
    with pytest.raises(StudyError) as caught:
        parse_study(study(tmp_path, **model))
    assert any(told in fault for fault in caught.value.faults)


def test_inner_folds_are_asked_for_where_numbers_are_chosen(tmp_path):
    data = study(tmp_path)
    rule = {"decide": {"rule": "per_label"}}
    data["models"] = {
        **{name: {"text": ["transcript"]} for name in "ab"},
        "own": {"text": ["transcript"], "inner": 4, **rule},
        "late": {"fusion": "late", "members": ["a", "own"], "head": "mean", "inner": 5, **rule},
        "fixed": {"fusion": "late", "members": ["b", "own"], "head": "mean"},
    }
    found = parse_study(data)
    assert [found.inner_folds(name, "t") for name in ("a", "b", "own", "late", "fixed")] == [5, 0, 5, 0, 0]


def test_the_roles_of_the_table_stay(tmp_path):
    one = world(tmp_path, unlabelled=1)
    one.run("m", {**HEAD, "decide": {"rule": "global"}})
    assert set(pq.read_table(tmp_path / "m.parquet").column("role").to_pylist()) == {"test", "inner", "new"}
