"""After an edit exactly what must rerun does: plans of the real Snakefile before and after."""

import copy
import os
import re
import shutil
from pathlib import Path

import harness
import pytest
from harness import DEMO, demo_rows

from triptych.core.units import shard_of

AGGREGATES = {"all", "pool_feature", "make_labels", "make_splits", "train_model", "fuse_models", "evaluate_model"}
AGGREGATES |= {"compare_models", "find_label_hints", "collect_status", "build_report", "find_duplicates"}


def rules(jobs):
    return {job.split()[0] for job in jobs}


def units(jobs, rule):
    return {job.split("=", 1)[1] for job in jobs if job.split()[0] == rule}


@pytest.fixture
def copied(checkout, tmp_path, monkeypatch):
    """A copy of the program, to be changed, that studies of this test run with."""
    copy = tmp_path / "checkout"
    for name in ("triptych", "rules", "scripts", "profiles", "envs"):
        shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(checkout / "Snakefile", copy)
    monkeypatch.setattr(harness, "CHECKOUT", copy)
    return copy


def kept(workflow, shard):
    """Files of single videos and of all shards but one: when each was written, and what it holds."""
    of_videos, of_shards = ("probe/", "audio/", "keyframes/"), ("embeddings/", "transcripts/")
    return {
        name: (workflow.path(name).stat().st_mtime_ns, content)
        for name, content in workflow.finals().items()
        if name.startswith(of_videos) or (name.startswith(of_shards) and Path(name).stem != shard)
    }


@pytest.mark.fault(36)
def test_nothing_reruns_without_a_change(workflow):
    assert workflow.plan() == []


@pytest.mark.fault(35)
def test_one_video_more_runs_its_own_jobs_its_shard_and_the_aggregates(workflow):
    known = {row["id"] for row in workflow.rows}
    new = next(row for row in demo_rows(clips=2) if row["id"] not in known)
    workflow.rows.append(new)
    workflow.write()
    shard = shard_of(new["id"], 2)
    before = kept(workflow, shard)
    jobs = workflow.plan()
    for rule in ("probe_media", "extract_audio", "pick_keyframes"):
        assert units(jobs, rule) == {new["id"]}
    assert {job for job in jobs if job.startswith("embed_shard")} == {
        f"embed_shard encoder=picture shard={shard}",
        f"embed_shard encoder=sound shard={shard}",
    }
    assert {job for job in jobs if job.startswith("transcribe_captions")} == {
        f"transcribe_captions source=captions shard={shard}"
    }
    own = {"probe_media", "extract_audio", "pick_keyframes"}
    assert rules(jobs) == AGGREGATES | own | {"embed_shard", "transcribe_captions", "resolve_transcripts"}
    workflow.run()
    after = kept(workflow, shard)
    assert before.items() <= after.items()
    assert {f"{folder}/{1 - int(shard)}" for folder in ("embeddings/picture", "embeddings/sound")} <= {
        name.removesuffix(".h5") for name in before
    }
    assert all(new["id"] in name for name in after.keys() - before.keys())
    log = workflow.path("logs/embed-picture", f"{shard}.log").read_text()
    old = sum(shard_of(row["id"], 2) == shard for row in workflow.rows) - 1
    assert f": 1 computed, {old} taken_over" in log


@pytest.mark.fault(36)
def test_one_video_less_runs_its_shard_and_the_aggregates(workflow):
    gone = workflow.rows.pop()
    workflow.write()
    jobs = workflow.plan()
    shard = shard_of(gone["id"], 2)
    of_shards = {job for job in jobs if job.split()[0] in ("embed_shard", "transcribe_captions", "resolve_transcripts")}
    assert of_shards == {
        f"embed_shard encoder=picture shard={shard}",
        f"embed_shard encoder=sound shard={shard}",
        f"transcribe_captions source=captions shard={shard}",
        f"resolve_transcripts shard={shard}",
    }
    assert rules(jobs) == AGGREGATES | {"embed_shard", "transcribe_captions", "resolve_transcripts"}


@pytest.mark.fault(36)
def test_one_label_changed_runs_no_media_and_no_encoder(workflow):
    assert workflow.rows[-1]["topic"] != workflow.rows[2]["topic"]
    workflow.rows[-1]["topic"] = workflow.rows[2]["topic"]
    workflow.write()
    assert rules(workflow.plan()) == AGGREGATES - {"pool_feature", "find_duplicates"}


@pytest.mark.fault(36)
def test_a_title_changed_rewrites_the_report_alone(workflow):
    workflow.rows[0]["title"] = "Another title"
    workflow.write()
    assert rules(workflow.plan()) == {"build_report", "all"}


@pytest.mark.fault(36)
def test_one_encoders_parameter_runs_that_encoder_and_what_stands_on_it(workflow):
    workflow.study = copy.deepcopy(workflow.study)
    workflow.study["keyframes"] = {"count": 4}
    workflow.study["encoders"]["sound"]["params"] = {"window": 2.0}
    workflow.write()
    jobs = workflow.plan()
    assert {job for job in jobs if job.startswith("embed_shard")} == {
        "embed_shard encoder=sound shard=0",
        "embed_shard encoder=sound shard=1",
    }
    assert units(jobs, "pool_feature") == {"heard"}
    assert {job for job in jobs if job.startswith("train_model")} == {"train_model task=topic model=sound"}
    assert not rules(jobs) & {"probe_media", "extract_audio", "pick_keyframes", "transcribe_captions", "make_labels"}


@pytest.mark.fault(36)
def test_another_number_of_keyframes_runs_them_and_what_is_seen(workflow):
    workflow.study = {**workflow.study, "keyframes": {"count": 5}}
    workflow.write()
    jobs = workflow.plan()
    assert units(jobs, "pick_keyframes") == {row["id"] for row in workflow.rows}
    assert {job for job in jobs if job.startswith("embed_shard")} == {
        "embed_shard encoder=picture shard=0",
        "embed_shard encoder=picture shard=1",
    }
    assert units(jobs, "pool_feature") == {"seen"}
    assert not rules(jobs) & {"probe_media", "extract_audio", "transcribe_captions", "make_labels"}


@pytest.mark.fault(36)
def test_another_number_of_shards_computes_nothing(workflow):
    workflow.study = {**workflow.study, "shards": 3}
    workflow.write()
    jobs = workflow.plan()
    assert not rules(jobs) & {"probe_media", "extract_audio", "pick_keyframes"}
    before = workflow.snapshot("features/*", "predictions/*/*", "metrics/*/*")
    workflow.run()
    logs = [workflow.path("logs", f"embed-{name}", f"{n}.log") for name in ("picture", "sound") for n in range(3)]
    assert any(log.is_file() for log in logs)
    assert all(": 0 computed" in log.read_text() for log in logs if log.is_file())
    assert workflow.snapshot("features/*", "predictions/*/*", "metrics/*/*") == before


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("stage", "runs", "rests"),
    [
        ("media/keyframes.py", {"pick_keyframes": 5, "embed_shard": 2, "pool_feature": 1}, {"probe_media"}),
        ("encoders/classic_audio.py", {"embed_shard": 2, "pool_feature": 1}, {"pick_keyframes", "extract_audio"}),
        ("learn/predict.py", {"train_model": 5, "fuse_models": 1}, {"embed_shard", "pool_feature", "make_splits"}),
    ],
    ids=["keyframes", "encoder", "models"],
)
def test_another_version_runs_its_stage_and_what_stands_on_it(
    workflow, stage, runs, rests, checkout, tmp_path, monkeypatch
):
    copied = tmp_path / "checkout"
    for name in ("triptych", "rules", "scripts", "profiles", "envs"):
        shutil.copytree(checkout / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(checkout / "Snakefile", copied)
    monkeypatch.setattr(harness, "CHECKOUT", copied)
    # Another place of the same program is no reason.
    assert workflow.plan() == []
    source = copied / "triptych" / stage
    told = source.read_text()
    source.write_text(re.sub(r'^VERSION = "', 'VERSION = "another ', told, count=1, flags=re.MULTILINE))
    assert source.read_text() != told
    jobs = workflow.plan()
    assert {rule: sum(job.split()[0] == rule for job in jobs) for rule in runs} == runs
    assert not rules(jobs) & rests


@pytest.mark.fault(36)
def test_batch_size_and_time_outs_rerun_nothing(workflow):
    workflow.study = copy.deepcopy(workflow.study)
    workflow.study["encoders"]["sound"]["batch"] = 3
    workflow.study["fetch"] = {"retries": 1, "timeout_seconds": 7}
    workflow.study["limits"] = {"memory_mb": 2500}
    workflow.write()
    assert workflow.plan() == []


@pytest.mark.fault(36)
def test_a_touched_script_and_a_touched_table_rerun_nothing(workflow, checkout):
    os.utime(workflow.folder / "videos.csv")
    for path in (checkout / "scripts").glob("*.py"):
        os.utime(path)
    assert workflow.plan() == []


@pytest.mark.fault(36)
def test_a_changed_local_file_runs_that_video(workflow):
    name = workflow.rows[0]["id"]
    other = DEMO / "media" / Path(workflow.rows[-1]["source"]).name
    mine = workflow.folder / "mine.mp4"
    mine.write_bytes(other.read_bytes())
    workflow.rows[0]["source"] = "mine.mp4"
    workflow.write()
    jobs = workflow.plan()
    assert units(jobs, "probe_media") == units(jobs, "extract_audio") == units(jobs, "pick_keyframes") == {name}


def test_a_part_can_be_asked_for_by_name(workflow):
    workflow.path("features", "seen.h5").unlink()
    assert rules(workflow.plan("features")) == {"features", "pool_feature"}
