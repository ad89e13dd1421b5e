"""Summaries, pictures held against words and imagined pictures, through the real Snakefile."""

import csv
import json
import re
import shutil

import pytest
import yaml
from harness import Workflow, demo_rows
from tiny import diffusion

from triptych.core.config import Study
from triptych.core.corpus import read_corpus
from triptych.core.paths import Paths
from triptych.core.plan import Plan
from triptych.report import match_section, status_table

HOSTILE = "<script>alert('sea')</script> a boat"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Three clips and a row of text alone; no more is asked for than they need."""
    models = tmp_path_factory.mktemp("models")
    clip, pipeline = diffusion.build_clip(models / "clip"), diffusion.build_pipeline(models / "pipeline")
    rows = demo_rows()[:3]
    rows[0]["description"] = HOSTILE
    dream = {"model": str(pipeline), "encoder": "plain", "array": "frame", "text": "description", "images": 2}
    dream |= {"steps": 1, "size": 16, "videos": 3, "permutations": 100}
    workflow = Workflow(
        tmp_path_factory.mktemp("match") / "run",
        [*rows, {"id": "alone", "topic": "harbour", "film": "none", "description": "words alone"}],
        unit="shard",
        shards=1,
        encoders={"clip": {"use": "clip", "model": str(clip)}, "plain": {"use": "classic-image"}},
        features={},
        tasks={"topic": {"label": "topic", "group": "film", "folds": 2, "min_groups": "allow"}},
        models={"gist": {"text": ["gist"], "head": "logistic"}},
        summaries={"gist": {"sentences": 1}},
        match={"fit": {"encoder": "clip", "text": ["description", "gist"], "group": "topic", "permutations": 100}},
        imagine={"dream": dream},
        min_ok_fraction=0.0,
    )
    workflow.run("matches", "results/small/status.tsv")
    return workflow


@pytest.fixture
def workflow(done, tmp_path):
    shutil.copytree(done.folder, tmp_path / "run", symlinks=True)
    copy = Workflow.__new__(Workflow)
    copy.folder, copy.study = tmp_path / "run", json.loads(json.dumps(done.study))
    copy.rows = [dict(row) for row in done.rows]
    return copy


def read(workflow, *parts):
    return json.loads(workflow.path("crossmodal", *parts).read_text())


def test_every_video_is_scored_or_has_a_reason(done):
    assert done.unasked() == set()
    fit = read(done, "match", "fit.json")
    assert {field: one["used"] for field, one in fit["fields"].items()} == {"description": 3, "gist": 3}
    assert all(one["without"] == {"no_source": 1} for one in fit["fields"].values())
    assert all(one["mean"]["groups"] == 3 and 0 < one["mean"]["p"] <= 1 for one in fit["fields"].values())
    rows = list(csv.DictReader(done.path("crossmodal", "match", "fit.csv").open()))
    assert len(rows) == 2 * len(done.rows) and all(row["mean_matched"] for row in rows if row["status"] == "ok")
    dream = read(done, "imagine", "dream.json")
    left_out = set(Plan(*study_of(done)).rows) - set(Plan(*study_of(done)).painted("dream", "0"))
    assert len(left_out) == 1 and dream["used"] == 3 - len(left_out - {"alone"})
    assert dream["pictures"] == 2 * dream["used"] and dream["cut"] >= 1


def study_of(workflow):
    study = Study.model_validate(yaml.safe_load((workflow.folder / "study.yaml").read_text()))
    return study, read_corpus(workflow.folder / "videos.csv")


def test_the_status_accounts_for_summaries_and_pictures(done):
    rows = status_table.read(done.path("status.tsv"))
    for stage in ("summaries:gist", "imagine:dream"):
        told = {row["video"]: row["status"] for row in rows if row["stage"] == stage}
        assert sorted(told) == sorted(row["id"] for row in done.rows)
    assert {row["status"] for row in rows if row["stage"] == "summaries:gist" and row["video"] == "alone"} == {"absent"}


def test_the_report_shows_them_and_runs_nothing_of_what_they_hold(done, monkeypatch):
    monkeypatch.chdir(done.folder)
    study = study_of(done)[0].model_dump(by_alias=True, mode="json")
    page = match_section.section(study, Paths("small"))
    assert "<script" not in page and "&lt;script&gt;alert(&#x27;sea&#x27;)&lt;/script&gt;" in page
    assert page.count("data:image/jpeg;base64,") >= 3 * 4 + 3 and page.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r"\son\w+=|style=|src=\"(?!data:image/)", page)
    assert "best at" in page and "imagined 1" in page and "nearest keyframe" in page and "1 no_source" in page
    study["report"]["embed_videos"] = 0
    assert "data:image/jpeg" not in match_section.section(study, Paths("small"))
    assert match_section.section({**study, "match": {}, "imagine": {}}, Paths("small")) == ""


def test_only_what_depends_on_a_change_runs_again(workflow):
    assert workflow.plan("matches") == []
    workflow.study["match"]["fit"]["permutations"] = 120
    workflow.study["imagine"]["dream"]["permutations"] = 120
    workflow.write()
    jobs = {job.split()[0] for job in workflow.plan("matches")}
    assert jobs - {"matches"} == {"match_videos", "score_pictures"}
    workflow.study["imagine"]["dream"]["steps"] = 2
    workflow.study["summaries"]["gist"]["sentences"] = 2
    workflow.rows[1]["description"] = "another"
    workflow.write()
    jobs = {job.split()[0] for job in workflow.plan("matches")}
    assert jobs - {"matches"} == {"summarise_texts", "match_videos", "paint_videos", "score_pictures"}


def test_faults_are_told_before_anything_runs(workflow):
    shutil.copytree(workflow.study["imagine"]["dream"]["model"], workflow.folder / "bare")
    (workflow.folder / "bare" / "model_index.json").unlink()
    workflow.study["imagine"]["dream"] |= {"model": "./bare", "array": "embeding"}
    workflow.study["match"]["fit"] |= {"encoder": "plain", "text": ["gits", "topic"]}
    workflow.study["summaries"] |= {"more": {"text": ["gist"]}, "film": {}, "answer": {"text": ["topic"]}}
    workflow.study["text_fields"] = ["title", "description", "topic"]
    workflow.study["models"]["gist"]["text"] = ["answer"]
    workflow.write()
    ran = workflow.run("matches", check=False)
    told = ran.stdout + ran.stderr
    assert ran.returncode != 0 and "Traceback" not in told
    for part in (
        "imagine.dream.model: ./bare: " + str(workflow.folder / "bare") + " holds no model_index.json",
        "imagine.dream.array: plain gives no array 'embeding'",
        "match.fit.encoder: plain (classic-image) embeds no text beside pictures",
        "match.fit.text: the table has no column 'gits'; did you mean 'gist'?",
        "summaries.more.text: 'gist' is itself a summary",
        "summaries.film: the table has a column of this name",
        "models.gist.text: reads 'topic', the label of task 'topic'",
    ):
        assert part in told, (part, told)
