"""What the report tells of a task whose labels are zero-shot."""

import json
import re
from pathlib import Path

import pytest
from report.results_folder import compare, make, rows_of

from triptych.core.config import Study
from triptych.core.status import OK, Outcome
from triptych.learn import lineage, relabel_files, review
from triptych.report import page, status_table

CLASSES = ["harbour", "kitchen", "meadow", "street"]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A finished study whose labels are then said to be zero-shot ones."""
    rows = rows_of()
    study, paths = make(tmp_path_factory.mktemp("zero"), rows)
    section = {"use": "nli", "model": "org/nli", "labels": CLASSES, "against": "topic", "checked": "filled.csv"}
    study["relabel"] = {"zero": {**section, "text": ["transcript"], "template": "About <b>{}</b>."}}
    study["tasks"]["topic"]["label"] = {"relabel": "zero"}
    for name in ("said", "late"):
        study["models"][name]["allow_label_source"] = True
    study = Study.model_validate(study).model_dump(by_alias=True, mode="json")
    table = []
    for number, row in enumerate(sorted(rows, key=lambda row: row["slug"])):
        label = row["topic"] if number % 5 else "street"
        made = {"video": row["slug"], "key": str(number), "labels": (label,), "outcome": OK}
        made["scores"] = [0.7 if one == label else 0.1 for one in CLASSES]
        if not row["topic"]:
            made |= {"labels": (), "scores": None, "outcome": Outcome("absent", "no_text", "silent")}
        table.append(made)
    facts = {"use": "nli", "model": "org/nli", "identity": "org/nli@0", "template": "About <b>{}</b>.", "counts": {}}
    facts |= {"labels": CLASSES, "multi_label": False, "label_source": "transcript"}
    relabel_files.write(Path(paths.relabelled("zero")), table, CLASSES, "transcript", facts)
    agreed = [paths.agreement("zero", suffix) for suffix in ("json", "csv", "svg")]
    review.compare_labels(paths.relabelled("zero"), rows, "topic", *agreed)
    filled = Path(paths.root) / "filled.csv"
    filled.write_text("video,label,correct?\nclip-001,harbour,yes\nclip-002,kitchen,no\n")
    review.read_checked(paths.relabelled("zero"), filled, paths.checked("zero"))
    compare(paths, study, "topic", lineage.notes("topic", study))
    status_table.write(paths.status, status_table.collect(paths, rows, study))
    text = page.build(study, paths, rows).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1]), text


def test_the_task_tells_how_its_labels_were_made_and_how_far_people_agree(told):
    task = told[0]["tasks"][0]
    made = task["zero_shot"]
    assert task["label"] == "relabel: zero"
    assert (made["use"], made["model"], made["template"]) == ("nli", "org/nli", "About <b>{}</b>.")
    assert made["agreement"]["n"] == 24 and 0 < made["agreement"]["kappa"] < 1
    assert (made["checked"]["n"], made["checked"]["right"]) == (2, 1)
    assert made["sheet"].endswith("relabel/zero.sheet.csv") and made["picture"].startswith("data:image/svg+xml")


def test_models_of_the_label_source_are_named_at_model_and_task(told):
    task = told[0]["tasks"][0]
    assert {one["model"]: one["kind"] for one in task["zero_shot"]["related"]} == {"said": "same", "late": "same"}
    rows = {row["model"]: row["label_source"] for row in task["rows"]}
    assert rows["said"].startswith("same: reads transcript") and rows["seen"] == rows["majority"] == ""


def test_a_template_stays_text(told):
    assert "About <b>" not in told[1] and "zeroShot(task)" in told[1]


def test_the_status_has_a_stage_for_the_labels(told):
    stages = {stage["stage"]: stage["counts"] for stage in told[0]["coverage"]}
    assert stages["relabel:zero"] == [24, 2, 0, 0]


def test_tasks_of_given_labels_tell_nothing_of_the_kind(tmp_path):
    study, paths = make(tmp_path, rows_of())
    data = page.collect(study, paths, rows_of(), tmp_path)
    assert data["tasks"][0]["zero_shot"] is None and "label_source" not in data["tasks"][0]["rows"][0]
    assert data["relabels"] == []


def test_labels_that_no_task_takes_are_told_by_themselves(tmp_path):
    rows = rows_of()
    study, paths = make(tmp_path, rows)
    study["relabel"] = {"spare": {"use": "nli", "model": "org/nli", "labels": CLASSES, "text": ["transcript"]}}
    study["relabel"]["spare"]["against"] = "topic"
    study = Study.model_validate(study).model_dump(by_alias=True, mode="json")
    table = [
        {"video": row["slug"], "key": "", "labels": (row["topic"],), "outcome": OK, "scores": [0.25] * 4}
        for row in rows
        if row["topic"]
    ]
    facts = {"use": "nli", "model": "org/nli", "identity": "org/nli@0", "template": "{}", "counts": {}}
    facts |= {"labels": CLASSES, "multi_label": False, "label_source": "transcript"}
    relabel_files.write(Path(paths.relabelled("spare")), table, CLASSES, "transcript", facts)
    review.compare_labels(
        paths.relabelled("spare"),
        rows,
        "topic",
        *[paths.agreement("spare", suffix) for suffix in ("json", "csv", "svg")],
    )
    data = page.collect(study, paths, rows, tmp_path)
    assert data["tasks"][0]["zero_shot"] is None
    (made,) = data["relabels"]
    assert made["name"] == "spare" and made["agreement"]["kappa"] == 1 and made["picture"].startswith("data:image/svg")
