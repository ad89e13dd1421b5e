"""Zero-shot labels through the real Snakefile: a task on them, a rerun, one row more, a sheet that is filled in."""

import csv
import io
import json
import re
import shutil

import pandas as pd
import pytest
from harness import Workflow, demo_rows
from tiny import nli as tiny

from triptych.core import sealed

SIMILAR = {"use": "similarity", "encoder": "mini", "labels": {"column": "topic"}, "against": "topic"}


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    return tiny.build_nli(tmp_path_factory.mktemp("models") / "nli")


@pytest.fixture(scope="module")
def done(tmp_path_factory, bart):
    """Five clips of two classes, labelled by similarity and by inference, and models on the first of both."""
    rows = demo_rows()
    more = next(row for row in demo_rows(clips=2) if row["id"] not in {known["id"] for known in rows})
    inference = {"use": "nli", "model": str(bart), "text": ["transcript", "title"], "labels": ["harbour", "a kitchen"]}
    workflow = Workflow(
        tmp_path_factory.mktemp("zero") / "run",
        [*rows, more, {**rows[0], "id": "silent", "captions": ""}],
        encoders={"picture": {"use": "classic-image"}, "mini": {"use": "minilm"}},
        features={"seen": {"from": "picture.frame"}, "said": {"from": "mini.embedding"}},
        relabel={"by_words": SIMILAR, "by_inference": inference},
        tasks={"topic": {"label": {"relabel": "by_words"}, "group": "film", "folds": 2, "min_groups": "allow"}},
        models={
            "sight": {"inputs": ["seen"], "head": "logistic"},
            "words": {"inputs": ["said"], "head": "logistic", "allow_label_source": True},
        },
        min_ok_fraction=0.0,
    )
    workflow.run()
    return workflow


@pytest.fixture
def workflow(done, tmp_path):
    shutil.copytree(done.folder, tmp_path / "run", symlinks=True)
    copy = Workflow.__new__(Workflow)
    copy.folder, copy.study, copy.rows = tmp_path / "run", json.loads(json.dumps(done.study)), list(done.rows)
    return copy


def report_of(workflow):
    page = workflow.path("report", "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def computed(workflow, name):
    return re.search(r": (\d+) computed, (\d+) taken_over", workflow.path("logs", "relabel", f"{name}.log").read_text())


def test_labels_reach_the_task_and_every_row_is_accounted_for(done):
    assert done.unasked() == set()
    made = pd.read_parquet(done.path("relabel", "by_words.parquet")).set_index("video")
    labels = pd.read_parquet(done.path("tasks", "topic", "labels.parquet")).set_index("video")
    assert made.loc["silent", "status"] == "absent" and made.loc["silent", "reason"] == "no_captions"
    assert labels.loc["silent", "reason"] == "no_label"
    assert set(made.label_source) == {"transcript"}
    for video, row in made.drop("silent").iterrows():
        assert labels.loc[video, "labels"] == row.labels
        assert row[f"score:{row.labels}"] == row.score == max(row[[c for c in made if c.startswith("score:")]])
    other = pd.read_parquet(done.path("relabel", "by_inference.parquet")).set_index("video")
    assert set(other.label_source) == {"title+transcript"} and (other.status == "ok").all()
    status = list(csv.DictReader(done.path("status.tsv").open(encoding="utf-8"), delimiter="\t", quoting=3))
    assert sum(row["stage"] == "relabel:by_words" for row in status) == len(done.rows)


def test_the_comparison_and_the_report_tell_the_origin(done):
    rows = list(csv.DictReader(done.path("comparison", "topic.csv").open()))
    told = {row["model"]: row["label_source"] for row in rows}
    assert told["words"].startswith("same: reads transcript") and told["sight"] == told["majority"] == ""
    task = report_of(done)["tasks"][0]
    made = task["zero_shot"]
    assert task["label"] == "relabel: by_words" and made["use"] == "similarity" and made["label_source"] == "transcript"
    assert [one["model"] for one in made["related"]] == ["words"]
    facts = sealed.read_json(done.path("relabel", "by_words.agreement.json"))
    assert made["agreement"] == facts and facts["n"] == 5 and facts["against"] == "topic"
    assert made["sheet"].endswith("by_words.sheet.csv") and made["checked"] is None
    assert done.path("relabel", "by_words.agreement.svg").is_file() and made["picture"]


def test_nothing_runs_again_and_another_batch_is_no_reason(workflow):
    assert workflow.plan() == []
    workflow.study["relabel"]["by_inference"]["batch"] = 2
    workflow.write()
    assert workflow.plan() == []


def test_one_row_more_is_computed_alone(workflow):
    extra = next(row for row in demo_rows(films=3) if row["id"] not in {known["id"] for known in workflow.rows})
    workflow.rows.append(extra)
    workflow.write()
    workflow.run("relabels")
    assert computed(workflow, "by_inference").groups() == ("1", "6")
    assert computed(workflow, "by_words").groups() == ("1", "5")


def test_a_filled_sheet_is_read_and_settings_of_the_review_compute_no_labels(workflow):
    sheet = workflow.path("relabel", "by_words.sheet.csv")
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline="")))
    assert len(rows) == 5 and all(row["text"] for row in rows)
    for number, row in enumerate(rows):
        row["correct?"] = "no" if number == 0 else "yes"
    with (workflow.folder / "checked.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    workflow.study["relabel"]["by_words"] = {**SIMILAR, "checked": "checked.csv", "seed": 3}
    workflow.write()
    rules = {job.split()[0] for job in workflow.plan()}
    assert rules - {"all"} == {"draw_samples", "read_checked", "build_report"}
    workflow.run()
    checked = report_of(workflow)["tasks"][0]["zero_shot"]["checked"]
    assert (checked["n"], checked["right"], checked["open"]) == (5, 4, 0)


def test_faults_are_told_before_anything_runs(workflow):
    workflow.study["models"]["words"] = {"inputs": ["said"], "head": "logistic"}
    workflow.study["relabel"]["by_inference"]["model"] = "./nowhere"
    workflow.study["relabel"]["by_words"] = {
        **SIMILAR,
        "against": "tpoic",
        "checked": "results/small/relabel/by_words.sheet.csv",
    }
    workflow.write()
    ran = workflow.run(check=False)
    told = ran.stdout + ran.stderr
    assert ran.returncode != 0 and "Traceback" not in told
    for part in (
        "models.words: reads transcript, which the labels were made from (task topic, relabel by_words)",
        "relabel.by_inference.model: ./nowhere: there is no such folder",
        "relabel.by_words.against: the table has no column 'tpoic'; did you mean 'topic'?",
        "relabel.by_words.checked: this sheet is written anew by runs; fill in a copy of it",
    ):
        assert part in told, told
