"""Studies of other shapes through the real Snakefile: jobs per shard, odd rows, faults, all kinds of models."""

import csv
import json

import pandas as pd
import pytest
from harness import DEMO, Workflow, demo_rows


@pytest.mark.fault(41)
def test_another_folder_gives_the_same_bytes(finished, tmp_path):
    again = Workflow(tmp_path / "elsewhere", finished.rows)
    again.run()
    expected, found = finished.finals(), again.finals()
    assert len(expected) > 40 and sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.fault(41)
def test_media_per_shard_gives_the_same_results_as_per_video(finished, tmp_path):
    workflow = Workflow(tmp_path / "run", finished.rows, unit="shard")
    assert {job.split()[0] for job in workflow.plan()} >= {"probe_media", "pick_keyframes", "embed_shard"}
    workflow.run()
    patterns = ("embeddings/*/*.h5", "features/*", "predictions/*/*", "metrics/*/*", "keyframes/*.h5", "audio/*.flac")
    assert workflow.snapshot(*patterns) == finished.snapshot(*patterns)
    assert list(workflow.path("probe", "shards").glob("*.json"))


def test_rows_of_every_kind_keep_their_place(tmp_path):
    rows = demo_rows(films=3)
    sound = {**rows[0], "id": "sound only", "source": str(next((DEMO / "media").glob("*.mp4"))), "topic": ""}
    text = {**rows[1], "id": "text-alone", "source": ""}
    missing = {**rows[2], "id": "$(touch canary);`touch canary`", "source": "gone.mp4", "captions": ""}
    (tmp_path / "braces {video}.mp4").write_bytes((DEMO / "media" / "cut.mp4").read_bytes())
    braces = {**rows[3], "id": "{video}", "source": str(tmp_path / "braces {video}.mp4")}
    workflow = Workflow(
        tmp_path / "a folder's name",
        [*rows, sound, text, missing, braces],
        models={
            "sight": {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 1}},
            "sound": {"inputs": ["heard"], "head": "forest", "params": {"n_estimators": 20}},
            "words": {"text": ["transcript", "title"], "head": "linear_svc", "balance": "under+over"},
            "all": {"inputs": ["seen", "heard"], "text": ["transcript"], "fusion": "early", "head": "svc"},
            "stack": {"fusion": "late", "members": ["sight", "sound", "words"], "head": "logistic"},
        },
    )
    workflow.run()
    assert not list(tmp_path.rglob("canary"))
    status = list(csv.DictReader(workflow.path("status.tsv").open(encoding="utf-8"), delimiter="\t", quoting=3))
    for stage in {row["stage"] for row in status}:
        assert sum(row["stage"] == stage for row in status) == len(workflow.rows)
    reasons = {(row["id"], row["stage"]): (row["status"], row["reason"]) for row in status}
    assert reasons["{video}", "keyframes"][0] == "ok"
    assert reasons["text-alone", "probe"] == ("absent", "no_source")
    assert reasons[missing["id"], "probe"] == ("failed", "missing_source")
    predictions = pd.read_parquet(workflow.path("predictions", "topic", "stack.parquet"))
    new = predictions[predictions.role == "new"]
    assert len(new.video.unique()) == 1 and new.truth.isna().all()
    tested = predictions[predictions.role == "test"]
    assert len(tested.video.unique()) == len(workflow.rows) - 1
    single = pd.read_parquet(workflow.path("predictions", "topic", "sight.parquet"))
    uncovered = set(single[(single.role == "test") & ~single.covered].video)
    assert "text-alone" in uncovered and len(uncovered) == 2
    assert workflow.path("balance", "topic", "words.svg").is_file()
    metrics = json.loads(workflow.path("metrics", "topic", "sight.json").read_text())
    assert metrics["all"]["n"] == 9 and metrics["covered"]["n"] == 7


def test_several_labels_and_minilm(tmp_path):
    rows = demo_rows(films=3)
    for number, row in enumerate(rows):
        row["topic"] = f"{row['topic']};{'odd' if number % 2 else 'even'}"
    workflow = Workflow(
        tmp_path / "run",
        rows,
        encoders={"mini": {"use": "minilm", "text": ["transcript"]}},
        features={"said": {"from": "mini.embedding", "pool": "mean"}},
        tasks={"topics": {"label": "topic", "group": "film", "folds": 3, "multi_label": True}},
        models={"words": {"inputs": ["said"], "head": "logistic"}},
    )
    workflow.run()
    metrics = json.loads(workflow.path("metrics", "topics", "words.json").read_text())
    assert "micro_f1" in json.dumps(metrics)
    splits = (workflow.folder / "data/splits/small/topics.csv").read_text()
    assert splits.startswith("video,group,repeat,fold\n") and splits.count("\n") == 7


def test_every_fault_is_told_at_once_and_nothing_runs(tmp_path):
    rows = demo_rows()
    rows.append({**rows[0]})
    rows[-1]["title"] = "the same id again"
    workflow = Workflow(tmp_path / "run", rows, keyfames={"count": 4}, shards=0)
    workflow.study["models"]["sight"]["head"] = "svm"
    workflow.write()
    ran = workflow.run(check=False)
    told = ran.stdout + ran.stderr
    assert ran.returncode != 0
    for part in ("keyfames", "did you mean 'keyframes'", "shards", "models.sight.head", "line 6"):
        assert part in told, told
    assert "Traceback" not in told
    assert not workflow.path().exists()


def test_a_class_with_too_few_groups_stops_with_the_choices(tmp_path):
    workflow = Workflow(tmp_path / "run", demo_rows(films=2), tasks={})
    workflow.study["tasks"] = {"topic": {"label": "topic", "group": "film", "folds": 4}}
    workflow.write()
    ran = workflow.run(check=False)
    assert ran.returncode != 0
    assert "min_groups" in ran.stdout + ran.stderr


@pytest.mark.shared
def test_has_audio_alone_is_a_feature(tmp_path, shared):
    with (shared / "data/clips/videos.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_label = {label: [row for row in rows if row["label"] == label][:12] for label in {row["label"] for row in rows}}
    chosen = [row for own in by_label.values() for row in own]
    for row in chosen:
        row["source"] = str(shared / "data/clips" / row["source"])
    workflow = Workflow(
        tmp_path / "run",
        chosen,
        transcripts={},
        encoders={"sound": {"use": "classic-audio"}},
        features={"has_audio": {"from": "sound.clip", "pool": "present"}},
        tasks={"fight": {"label": "label", "group": "group", "folds": 2}},
        models={"has_audio": {"inputs": ["has_audio"], "head": "logistic"}},
        min_ok_fraction=0.0,
    )
    workflow.run()
    metrics = json.loads(workflow.path("metrics", "fight", "has_audio.json").read_text())
    assert metrics["all"]["n"] == metrics["covered"]["n"] == len(chosen)
