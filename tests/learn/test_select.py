"""Choices: made by inner rows alone, written with digests before any candidate is scored, and followed exactly."""

import copy
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from learn.world import World, accuracy, planted, read, rewrite, table

from triptych.core import sealed
from triptych.core.files import digest_json
from triptych.core.study import StudyError, parse_study
from triptych.evaluate import modality
from triptych.evaluate.metrics import evaluate_model
from triptych.learn import lineage, select, tasks
from triptych.learn.members import MembersError
from triptych.learn.params import validate
from triptych.learn.select import SelectError
from triptych.learn.table import LeakError, read_predictions

TASK = {"label": "topic", "group": "film", "folds": 3, "repeats": 2, "seed": 3}
NAMES = ["clear", "dim", "trees"]
CHOICE = {"select": NAMES}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> World:
    rows = table({name: [3] * 6 for name in "abc"}, 4)
    one = World(tmp_path_factory.mktemp("candidates"), rows, TASK).prepare()
    one.feature("seen", planted(rows, 6, 1.2, 1))
    one.feature("blurred", planted(rows, 6, 0.6, 2))
    one.run("clear", {"inputs": ["seen"], "head": "logistic"}, inner=2)
    one.run("dim", {"inputs": ["blurred"], "head": "logistic"}, inner=2)
    one.run("trees", {"inputs": ["seen"], "head": "forest", "params": {"n_estimators": 5}, "seeds": 2}, inner=2)
    return one


@pytest.fixture
def one(made, tmp_path) -> World:
    """A copy of a study with three candidates, to change."""
    for path in made.folder.iterdir():
        shutil.copy2(path, tmp_path)
    features = {name: tmp_path / path.name for name, path in made.features.items()}
    return World(tmp_path, copy.deepcopy(made.rows), TASK, features)


def choose(one: World, name="best", **model) -> dict:
    model = {**CHOICE, **model}
    members = {member: one.folder / f"{member}.parquet" for member in model["select"]}
    files = {"labels": one.labels, "splits": one.splits, "members": members}
    return select.select_model(name, model, one.task, **files, out=one.folder / f"{name}.json")


def follow(one: World, name="best", **model) -> dict:
    model = {**CHOICE, **model}
    members = {member: one.folder / f"{member}.parquet" for member in model["select"]}
    return one.run(name, model, members=members, selection=one.folder / f"{name}.json")


@pytest.mark.parametrize("by", ["log_loss", "accuracy", "macro_f1", "micro_f1"])
def test_the_best_by_inner_rows_is_taken_for_each_repeat_seed_and_fold(one, tmp_path, by):
    told = choose(one, params={"by": by})
    assert sealed.read_json(tmp_path / "best.json") == told
    assert [(fold["repeat"], fold["seed"], fold["fold"]) for fold in told["folds"]] == [
        (repeat, 3 + repeat + 1000 * run, fold) for repeat in range(2) for run in range(2) for fold in range(3)
    ]
    rows = {name: pq.read_table(tmp_path / f"{name}.parquet").to_pandas() for name in NAMES}
    for fold in told["folds"]:
        scores = {}
        for name, table_ in rows.items():
            own = table_[(table_.role == "inner") & (table_.outer == fold["fold"]) & (table_.repeat == fold["repeat"])]
            seed = fold["seed"] if name == "trees" else 3 + fold["repeat"]
            own = own[own.seed == seed]
            assert own.video.nunique() == fold["n"]
            true = own[own.truth]
            f1 = [
                2 * (one_class.truth & one_class.decision).sum() / (one_class.truth.sum() + one_class.decision.sum())
                for _, one_class in own.groupby("class")
            ]
            values = {"log_loss": -np.log(np.maximum(true.probability, 1e-15)).mean(), "macro_f1": np.mean(f1)}
            scores[name] = values.get(by, true.decision.mean())
        assert fold["scores"] == pytest.approx(scores)
        assert fold["chosen"] == (min if by == "log_loss" else max)(scores, key=scores.get)


def test_test_rows_are_those_of_the_candidate_chosen_for_the_fold(one, tmp_path):
    told = choose(one, params={"by": "accuracy"})
    assert len({fold["chosen"] for fold in told["folds"]}) > 1, "the fixture has folds of different choices"
    follow(one, params={"by": "accuracy"})
    parts = {name: read_predictions(tmp_path / f"{name}.parquet", list("abc")) for name in [*NAMES, "best"]}
    for fold in told["folds"]:
        run = fold["seed"] // 1000
        taken = parts["best"]["test", fold["repeat"], fold["fold"], run]
        own = run if fold["chosen"] == "trees" else 0
        wanted = parts[fold["chosen"]]["test", fold["repeat"], fold["fold"], own]
        assert taken.videos == wanted.videos and taken.seed == fold["seed"]
        for kind in ("probability", "decision", "covered", "truth"):
            assert (getattr(taken, kind) == getattr(wanted, kind)).all()
    new = parts["best"]["new", 0, -1, 0]
    assert (new.probability == parts[told["new"]]["new", 0, -1, 0].probability).all()
    assert accuracy(read(tmp_path / "best.parquet")) > 0.4


def test_unlabelled_videos_get_the_candidate_chosen_most_often_ties_by_mean_score():
    folds = [{"chosen": one, "scores": {"a": 1.0, "b": 0.5, "c": 0.1}} for one in ("a", "b", "a", "b", "c")]
    assert select.overall(folds, "log_loss") == "b" and select.overall(folds, "accuracy") == "a"
    assert select.overall([*folds, folds[0]], "log_loss") == "a"
    assert select.best({"x": 0.5, "y": 0.5}, "accuracy") == select.best({"x": 0.5, "y": 0.5}, "log_loss") == "x"


def test_the_choice_reads_no_test_row(one, tmp_path):
    before = choose(one)

    def spoil(rows):
        return [{**row, "probability": 1 / 3} if row["role"] == "test" else row for row in rows]

    for name in NAMES:
        rewrite(tmp_path / f"{name}.parquet", spoil)
    assert choose(one) == before

    def drop(rows):
        return [row for row in rows if row["role"] == "inner"]

    for name in NAMES:
        rewrite(tmp_path / f"{name}.parquet", drop)
    assert choose(one) == before


def test_a_changed_label_or_inner_row_changes_the_digest_and_is_noticed(one, tmp_path):
    before = choose(one)
    follow(one)
    rewrite(
        tmp_path / "dim.parquet",
        lambda rows: [{**row, "covered": False} if row["video"] == "v0003" else row for row in rows],
    )
    with pytest.raises(SelectError, match="made of other inner rows of 'dim'"):
        follow(one)
    changed = choose(one)
    assert changed["inner"]["clear"] == before["inner"]["clear"] and changed["digest"] != before["digest"]
    follow(one)
    one.rows[0]["fields"]["topic"] = "b"
    tasks.make_labels("topic", one.task, one.rows, one.labels)
    with pytest.raises(MembersError, match="made with other labels"):
        choose(one)


def test_a_selection_that_someone_edited_is_refused(one, tmp_path):
    told = choose(one)
    edited = json.loads(json.dumps(told))
    edited["folds"][0]["chosen"] = "dim" if told["folds"][0]["chosen"] != "dim" else "trees"
    (tmp_path / "best.json").write_text(json.dumps(edited))
    with pytest.raises(SelectError, match="was changed after it was written"):
        follow(one)
    kept = {key: value for key, value in edited.items() if key != "digest"}
    kept["candidates"] = NAMES[:2]
    (tmp_path / "best.json").write_text(json.dumps({**kept, "digest": digest_json(kept)}))
    with pytest.raises(SelectError, match="other candidates"):
        follow(one)
    with pytest.raises(ValueError, match="is a choice; give its selection"):
        one.run("best", CHOICE)


def test_candidates_without_inner_rows_or_with_test_videos_in_them_are_refused(one, tmp_path):
    kept = (tmp_path / "dim.parquet").read_bytes()
    one.run("dim", {"inputs": ["blurred"], "head": "logistic"})
    with pytest.raises(MembersError, match="member 'dim' has no inner rows"):
        choose(one)
    (tmp_path / "dim.parquet").write_bytes(kept)

    def leak(rows):
        test = [
            {**row, "role": "inner"} for row in rows if (row["role"], row["repeat"], row["outer"]) == ("test", 0, 0)
        ]
        return rows + test

    rewrite(tmp_path / "dim.parquet", leak)
    with pytest.raises(LeakError, match="inner rows of fold 0 hold its test videos"):
        choose(one)


def test_a_choice_on_random_labels_stays_at_chance(tmp_path):
    """Eight models that know nothing: the best one on the test rows is above chance, the chosen one is not."""
    random = np.random.default_rng(0)
    hits, best = [], []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        rows = [
            {"slug": f"v{i:04d}", "line": i + 2, "fields": {"topic": "ab"[random.integers(2)], "film": f"g{i // 2}"}}
            for i in range(120)
        ]
        one = World(folder, rows, {**TASK, "repeats": 1, "seed": seed}).prepare()
        names = [f"m{k}" for k in range(8)]
        for name in names:
            one.feature(name, random.normal(size=(120, 3)))
            one.run(name, {"inputs": [name], "head": "knn"}, inner=2)
        choose(one, select=names, params={"by": "accuracy"})
        hits.append(accuracy(follow(one, select=names, params={"by": "accuracy"})))
        best.append(max(accuracy(read(folder / f"{name}.parquet")) for name in names))
    limit = 0.5 + 3 * np.sqrt(0.25 / 360)
    assert np.mean(hits) < limit
    assert np.mean(best) > 0.53, "the canary has a voice"


def test_a_choice_of_models_with_several_labels(tmp_path):
    rows = table({"red": [3] * 6, "red;round": [3] * 6, "round": [3] * 6})
    one = World(tmp_path, rows, {**TASK, "repeats": 1, "multi_label": True}).prepare()
    has = np.array([[name in row["fields"]["topic"] for name in ("red", "round")] for row in rows], dtype=float)
    one.feature("seen", has * 2 + np.random.default_rng(0).normal(size=has.shape))
    rule = {"decide": {"rule": "per_label"}}
    one.run("a", {"inputs": ["seen"], "head": "logistic", **rule}, inner=2)
    one.run("b", {"inputs": ["seen"], "head": "knn"}, inner=2)
    for by in ("micro_f1", "accuracy", "log_loss"):
        told = choose(one, select=["a", "b"], params={"by": by})
        assert all(0 < score < 2 for fold in told["folds"] for score in fold["scores"].values())
        follow(one, select=["a", "b"], params={"by": by})
    a, best = (read_predictions(tmp_path / f"{name}.parquet", ["red", "round"]) for name in ("a", "best"))
    taken = [fold["fold"] for fold in told["folds"] if fold["chosen"] == "a"]
    assert taken and all((best["test", 0, k, 0].decision == a["test", 0, k, 0].decision).all() for k in taken)


def test_metrics_of_a_choice_carry_the_digest_of_its_selection(one, tmp_path):
    told = choose(one)
    follow(one)
    files = (tmp_path / "best.parquet", one.labels, tmp_path / "metrics.json")
    options = {"task": "t", "model": "best", "spec": CHOICE, "evaluate": {"bootstrap": 100, "seed": 0}}
    found = evaluate_model(*files, **options, selection=tmp_path / "best.json")
    assert found["selection"]["digest"] == told["digest"] and found["selection"]["by"] == "log_loss"
    assert sum(found["selection"]["chosen"].values()) == 12 and found["select"] == NAMES
    assert "selection" not in evaluate_model(*files, **options)


STUDY = {
    "study": "s",
    "corpus": "videos.csv",
    "transcripts": {"captions": {"use": "captions"}},
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "relabel": {"zero": {"use": "nli", "model": "x", "labels": ["a", "b"]}},
    "tasks": {"t": {"label": {"relabel": "zero"}, "group": "none"}},
    "models": {
        "sight": {"inputs": ["seen"]},
        "words": {"text": ["transcript"], "allow_label_source": True},
        "best": {"select": ["sight", "words"]},
    },
}


def test_a_choice_reads_what_its_candidates_read():
    study = parse_study(STUDY).model_dump(by_alias=True, mode="json")
    best = study["models"]["best"]
    assert modality.panels(best, study) == ["said", "seen"] and not modality.is_single(best, study)
    assert lineage.of_task("t", study)["best"].kind == "same"
    assert parse_study(STUDY).inner_folds("words", "t") == 3


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"select": ["sight"]}, "`select` needs at least two models"),
        ({"select": ["sight", "words"], "head": "svc"}, "leave out `inputs`, `text`, `members`, `fusion` and `head`"),
        ({"select": ["sight", "wrods"]}, "there is no model 'wrods'; did you mean 'words'?"),
        ({"select": ["sight", "words"], "decide": {"rule": "global"}}, "a choice takes its models' decisions"),
    ],
)
def test_choices_that_make_no_sense(choice, told):
    with pytest.raises(StudyError) as caught:
        parse_study({**STUDY, "models": {**STUDY["models"], "best": choice}})
    assert told in caught.value.faults[0]


def test_parameters_of_a_choice_are_checked():
    assert validate({**CHOICE, "params": {"by": "auc"}}, "best") == [
        "models.best.params.by: must be `log_loss`, `accuracy`, `macro_f1`, `micro_f1` (given: 'auc')"
    ]
    assert validate({**CHOICE, "balance": "under+over"}, "best")[0].startswith(
        "models.best.balance: a choice fits noth"
    )
    assert "a choice has no such parameter" in validate({**CHOICE, "params": {"C": 1}}, "best")[0]
