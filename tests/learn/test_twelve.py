"""Twelve errors that make results too good, each committed through the package's own way in and refused there.

Where an error cannot be told from its form, a canary stands in: labels that nothing tells must be predicted no better
than by chance, and a control shows that the canary would sing.
"""

import json
import shutil

import numpy as np
import pytest
from learn.world import World, accuracy, planted, rewrite, table

from triptych.commands.check import CheckError, load
from triptych.evaluate import compare
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.modality import models_of
from triptych.evaluate.predictions import PredictionsError
from triptych.learn import predict, select, splits, tasks
from triptych.learn.members import MembersError
from triptych.learn.pairs import Pair, write_pairs
from triptych.learn.select import SelectError
from triptych.learn.splits import SplitError, read_splits
from triptych.learn.table import LeakError

TASK = {"label": "topic", "group": "film", "folds": 3}
SIZES = {name: [2] * 6 for name in "abc"}
EVALUATE = {"bootstrap": 100, "permutations": 100, "seed": 0}
TABLE = "id,source,topic,film,channel,title\n" + "".join(
    f"v{n},v{n}.mp4,{'ab'[n % 2]},f{n // 2 % 4}{'ab'[n % 2]},c{n % 2},x\n" for n in range(16)
)
STUDY = {
    "study": "s",
    "corpus": "videos.csv",
    "transcripts": {"captions": {"use": "captions"}},
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
    "models": {"sight": {"inputs": ["seen"]}, "words": {"text": ["transcript"]}},
}


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """What `triptych check`, and every run before any job, says of a study file with these changes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos.csv").write_text(TABLE)

    def told(**changes) -> str:
        with pytest.raises(CheckError) as caught:
            load({**STUDY, **changes})
        return "\n".join(caught.value.faults)

    load(STUDY)
    return told


def small(folder, unlabelled: int = 0, **changes) -> World:
    """Three classes that a feature tells, two videos a film."""
    folder.mkdir(exist_ok=True)
    rows = table(SIZES, unlabelled)
    one = World(folder, rows, {**TASK, **changes}).prepare()
    one.feature("seen", planted(rows, 6, 1.0, 1))
    return one


def chance(rate: float, rows: int) -> float:
    """Three standard errors above."""
    return rate + 3 * np.sqrt(rate * (1 - rate) / rows)


def test_1_resampling_before_the_split(tmp_path):
    """Rare classes copied in the table itself: copies are near-duplicates, and lie in one fold or are left out."""
    random = np.random.default_rng(3)
    labels = random.choice(list("abc"), 150, p=[0.6, 0.3, 0.1])
    rows, values, pairs = [], [], []
    for number, label in enumerate(labels):
        looks = random.normal(size=8)
        for copy in range({"a": 1, "b": 2, "c": 6}[label]):
            slug = f"v{number:03d}-{copy}"
            rows.append({"slug": slug, "line": len(rows) + 2, "fields": {"topic": str(label)}})
            values.append(looks)
            pairs += [Pair(f"v{number:03d}-0", slug, "content", 1.0)] if copy else []
    scores = {}
    for name, known in (("copied", []), ("found", pairs)):
        folder = tmp_path / name
        folder.mkdir()
        one = World(folder, rows, {**TASK, "group": "none"})
        tasks.make_labels("topic", one.task, rows, one.labels)
        write_pairs(folder / "pairs.csv", known)
        splits.update_splits(one.labels, one.splits, one.task, folder / "pairs.csv", folder / "refused.json")
        one.feature("seen", np.array(values))
        model = {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 1}, "balance": "under+over"}
        scores[name] = accuracy(one.run("m", model, refused=folder / "refused.json"))
    assert scores["copied"] > 0.7, "the canary has a voice"
    share = max(np.unique([row["fields"]["topic"] for row in rows], return_counts=True)[1]) / len(rows)
    assert scores["found"] < chance(share, len(labels)), "copies are one draw each, so that their number is no evidence"


def test_2_one_channel_or_duplicate_on_both_sides(tmp_path, faults):
    assert "tasks.topic.group" in faults(tasks={"topic": {"label": "topic", "folds": 2}})
    one = small(tmp_path / "w")
    data = tasks.read_labels(one.labels)
    with pytest.raises(LeakError, match="groups on both sides of a split"):
        predict.refuse_leaks(data, np.array([0, 2]), np.array([1, 3]))
    torn = one.splits.read_text().replace("v0000,a-0,0,0", "v0000,a-0,0,1").replace("v0000,a-0,0,2", "v0000,a-0,0,1")
    one.splits.write_text(torn if torn != one.splits.read_text() else torn.replace("v0000,a-0,0,1", "v0000,a-0,0,2"))
    with pytest.raises(SplitError, match="1 group lies in two folds"):
        splits.update_splits(one.labels, one.splits, one.task)
    rows = table(SIZES)
    for number, row in enumerate(rows):
        row["fields"]["fold"] = str(number % 2)
    with pytest.raises(tasks.TaskError, match="lie in several predefined folds"):
        tasks.make_labels("topic", {**TASK, "folds": "predefined"}, rows, tmp_path / "labels.parquet")


def test_3_stacking_on_rows_that_the_members_had_seen(tmp_path):
    one = small(tmp_path)
    stack = {"fusion": "late", "members": ["m", "prior"], "head": "logistic"}
    one.run("m", {"inputs": ["seen"], "head": "logistic"})
    one.run("prior", {"head": "prior"}, inner=2)
    with pytest.raises(MembersError, match="has no inner rows that fit"):
        one.run("stack", stack)
    one.run("m", {"inputs": ["seen"], "head": "logistic"}, inner=2)

    def in_sample(rows):
        """Rows of a model that was fitted on everything, handed in as inner rows of fold 0."""
        seen = [{**row, "role": "inner", "outer": 0} for row in rows if row["role"] == "test" and row["outer"] == 0]
        return rows + seen

    rewrite(tmp_path / "m.parquet", in_sample)
    with pytest.raises(LeakError, match="inner rows of fold 0 hold its test videos or groups"):
        one.run("stack", stack)


@pytest.mark.parametrize("model", [{"inputs": ["seen"], "head": "svc"}, {"text": ["title"], "head": "logistic"}])
def test_4_scaling_or_vocabulary_fitted_on_all_videos(tmp_path, model):
    """What a test video looks like, or says, changes no prediction but its own in the fold that it is tested in."""
    one = small(tmp_path)
    one.texts = {slug: f"word{number % 3} {slug[-1]}" for number, slug in enumerate(one.slugs())}
    before = one.run("m", model)
    values = planted(one.rows, 6, 1.0, 1)
    values[0] = 1e4
    one.feature("seen", values)
    one.texts["v0000"] = "word9 unheard of " * 50
    after = one.run("m", model)
    fold = next(outer for role, _, outer, video in before if role == "test" and video == "v0000")
    changed = {key[2:] for key in before if before[key] != after[key]}
    assert {video for outer, video in changed if outer == fold} <= {"v0000"}
    assert changed, "in the other folds it is a training video"


def test_5_choices_made_on_test_rows(tmp_path):
    """A label of the test fold changes nothing that its fold was predicted with: grids, seeds, choices among models."""
    one = small(tmp_path)
    models = {
        "steep": {"inputs": ["seen"], "head": "logistic", "params": {"C": [0.001, 1.0, 100.0]}},
        "near": {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 3}},
    }
    choice = {"select": ["steep", "near"]}
    files = {"labels": one.labels, "splits": one.splits, "out": tmp_path / "best.json"}
    files["members"] = {name: tmp_path / f"{name}.parquet" for name in models}

    def everything() -> dict:
        found = {name: one.run(name, model, inner=2) for name, model in models.items()}
        select.select_model("best", choice, one.task, **files)
        members = {"members": files["members"], "selection": files["out"]}
        return {**found, "best": one.run("best", choice, **members)}

    before = everything()
    fold = next(outer for role, _, outer, video in before["best"] if role == "test" and video == "v0000")
    one.rows[0]["fields"]["topic"] = "c"
    tasks.make_labels("topic", one.task, one.rows, one.labels)
    after = everything()
    for name in before:
        for key, rows in before[name].items():
            if key[0] == "test" and key[2] == fold:
                told = {one: row["probability"] for one, row in rows.items()}
                assert told == {one: row["probability"] for one, row in after[name][key].items()}, (name, key)
    # The choice is sealed before any candidate is scored: to change it afterwards is noticed.
    told = json.loads(files["out"].read_text())
    other = {"steep": "near", "near": "steep"}
    told["folds"][0]["chosen"] = other[told["folds"][0]["chosen"]]
    files["out"].write_text(json.dumps(told))
    with pytest.raises(SelectError, match="was changed after it was written"):
        one.run("best", choice, members=files["members"], selection=files["out"])


def test_6_no_trivial_baseline(faults):
    from triptych.core.config import Study

    study = Study.model_validate(STUDY).model_dump(by_alias=True, mode="json")
    assert list(models_of(study, "topic")) == ["majority", "prior", "sight", "words"]
    told = faults(models={**STUDY["models"], "majority": {"inputs": ["seen"]}})
    assert "models.majority: this name belongs to the baseline" in told


def test_7_one_accuracy_without_interval(tmp_path, faults):
    assert "evaluate.bootstrap" in faults(evaluate={"bootstrap": 0})
    one = small(tmp_path)
    model = {"inputs": ["seen"], "head": "logistic"}
    one.run("m", model)
    told = evaluate_model(
        *(tmp_path / "m.parquet", one.labels, tmp_path / "m.json"),
        **{"task": "topic", "model": "m", "spec": {**model, "params": {}}, "evaluate": EVALUATE},
    )
    told = told or json.loads((tmp_path / "m.json").read_text())
    assert told["n"] == 36 and told["groups"] == 18 and len(told["per_fold"]) == 3
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        one_metric = told["all"][name]
        assert one_metric["low"] <= one_metric["value"] <= one_metric["high"] and one_metric["low"] < one_metric["high"]


def test_8_rows_of_different_videos_labels_or_folds(tmp_path):
    study = {"features": {}, "encoders": {}, "transcripts": {}, "models": {}, "tasks": {"topic": TASK}}
    worlds = {
        "one": small(tmp_path / "one"),
        "fewer": small(tmp_path / "fewer"),
        "seed": small(tmp_path / "seed", seed=9),
    }
    other = worlds["fewer"]
    write_pairs(other.folder / "pairs.csv", [])
    told = {"refused": {"v0000": {"duplicate_of": "v0009", "by": "x", "score": 1}}}
    (other.folder / "refused.json").write_text(json.dumps(told))
    for name, one in worlds.items():
        refused = one.folder / "refused.json" if name == "fewer" else None
        one.run("m", {"head": "prior"}, refused=refused)
    shutil.copy2(worlds["one"].folder / "m.parquet", tmp_path / "relabelled.parquet")

    def relabel(rows):
        return [{**row, "truth": row["class"] == "b"} if row["video"] == "v0000" else row for row in rows]

    rewrite(tmp_path / "relabelled.parquet", relabel)
    first = worlds["one"].folder / "m.parquet"
    for second, told in (
        (worlds["fewer"].folder / "m.parquet", r"scored on different videos: 1 are in one of them only \(v0000\)"),
        (tmp_path / "relabelled.parquet", "scored on different labels"),
        (worlds["seed"].folder / "m.parquet", "tested in different folds"),
    ):
        with pytest.raises(PredictionsError, match=told):
            compare.comparison(
                {},
                {"first": first, "second": second},
                worlds["one"].labels,
                tmp_path / "c.csv",
                study=study,
                evaluate=EVALUATE,
            )


def test_9_labels_made_from_what_a_model_reads(faults):
    relabel = {"zero": {"use": "nli", "model": "m", "labels": ["a", "b"], "text": ["transcript"]}}
    told = faults(relabel=relabel, tasks={"topic": {"label": {"relabel": "zero"}, "group": "film", "folds": 2}})
    assert "models.words: reads transcript, which the labels were made from" in told and "learn the labeller" in told
    assert "models.sight" not in told


def test_10_what_tells_the_label_without_a_look(faults):
    told = faults(models={"words": {"text": ["title", "channel"]}})
    assert "models.words.text: 'channel' is not among `text_fields`" in told and "can tell the label" in told
    told = faults(text_fields=["title", "topic"], models={"words": {"text": ["topic"]}})
    assert "reads 'topic', the label of task 'topic', which tells the answer" in told
    told = faults(text_fields=["title", "film"], models={"words": {"text": ["film"]}})
    assert "reads 'film', the group of task 'topic', which tells the answer" in told
    masking = {"words": {"use": "minilm", "text": ["title"], "params": {"mask": ["topic"]}}}
    features, models = {"said": {"from": "words.embedding"}}, {"words": {"inputs": ["said"]}}
    assert "what is missing from a text tells the answer" in faults(encoders=masking, features=features, models=models)


def test_11_missing_inputs_read_as_zeros_or_dropped(tmp_path):
    one = small(tmp_path)
    mask = np.arange(36) % 4 > 0
    plain = planted(one.rows, 6, 1.0, 1)
    model = {"inputs": ["seen"], "head": "logistic"}
    told = []
    for hidden in (0.0, 1e6):
        one.feature("seen", np.where(mask[:, None], plain, hidden), mask)
        told.append(one.run("m", model))
    assert told[0] == told[1], "what stands in a masked row is never read"
    assert len(told[0]) == 36, "no video is dropped"
    for (_, _, _, video), rows in told[0].items():
        covered = bool(mask[int(video[1:])])
        assert all(row["covered"] is covered for row in rows.values())
        if not covered:
            assert max(row["probability"] for row in rows.values()) < 0.5, "it gets the training prior"


def test_12_a_video_more_reshuffles_the_folds(tmp_path):
    one = small(tmp_path, repeats=2)
    before = set(one.splits.read_text().splitlines())
    for number, row in enumerate(table({"a": [1] * 3, "c": [2] * 2})):
        one.rows.append({**row, "slug": f"new{number}", "line": 100 + number})
        if number > 1:
            row["fields"]["film"] = f"fresh-{row['fields']['film']}"
    tasks.make_labels("topic", one.task, one.rows, one.labels)
    splits.update_splits(one.labels, one.splits, one.task)
    assert before < set(one.splits.read_text().splitlines())
    folds = {(row.video, row.repeat): row.fold for row in read_splits(one.splits)}
    assert folds["new0", 1] == folds["v0000", 1], "a new video of a known group joins its fold"
    one.rows[0]["fields"]["film"] = "elsewhere"
    tasks.make_labels("topic", one.task, one.rows, one.labels)
    with pytest.raises(SplitError, match=r"the group of 1 of .* videos is another one now"):
        splits.update_splits(one.labels, one.splits, one.task)
