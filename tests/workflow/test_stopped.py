"""A job that stops while its Snakemake goes on: told by `triptych status`, and never taken for done by the next run."""

import json
import os
import shutil
import subprocess
import sys

import pytest


def status(workflow, *options: str) -> str:
    command = [sys.executable, "-m", "triptych.cli", "status", "--configfile", "study.yaml", *options]
    return subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, check=True).stdout


def test_a_stopped_job_is_told_until_it_succeeds(workflow):
    (before,) = json.loads(status(workflow, "--json"))["tasks"]
    assert before["failed"] == before["pending"] == before["running"] == 0 and before["seconds_a_job"] > 0
    model = next(name for name, model in workflow.study["models"].items() if "inputs" in model)
    predictions = workflow.path("predictions/topic", f"{model}.parquet")
    predictions.unlink()
    labels = workflow.path("tasks/topic/labels.parquet")
    known = labels.stat()
    labels.write_bytes(labels.read_bytes()[:-9])
    os.utime(labels, ns=(known.st_atime_ns, known.st_mtime_ns))
    ran = workflow.run(str(predictions.relative_to(workflow.folder)), check=False)
    assert ran.returncode == 1

    told = json.loads(status(workflow, "--json"))
    stopped = {one["what"]: one for one in told["stopped"]}
    job = stopped[f"train_model task=topic model={model}"]
    assert "labels.parquet" in job["why"] and (workflow.folder / job["log"]).is_file()
    assert (told["tasks"][0]["failed"], told["tasks"][0]["done"]) == (1, before["done"] - 1)
    said = status(workflow)
    assert "since the last run began" in said and f"{job['what']}: damaged files were removed" in said

    workflow.run()
    after = json.loads(status(workflow, "--json"))
    assert after["stopped"] == [] and after["tasks"][0]["done"] == before["models"]


#: Ends the Python of two models' jobs before it comes to their script.
NO_START = """
import os, sys
if any(".snakemake/scripts/" in word and "train_model" in word for word in sys.orig_argv):
    os._exit(3)
"""


def test_a_job_that_ends_before_it_begins_is_told(workflow, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_START)
    names = [f"train_model task=topic model={name}" for name in ("sight", "sound")]
    workflow.path("predictions/topic/sight.parquet").unlink()
    workflow.path("predictions/topic/sound.parquet").unlink()
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "site"))
        # The score of each waits for its model, and is not tried.
        assert workflow.run("--keep-going", check=False).returncode == 1
    stopped = json.loads(status(workflow, "--json"))["stopped"]
    assert sorted(one["what"] for one in stopped) == names
    assert {one["why"] for one in stopped} == {"it ended before it began"}
    assert all((workflow.folder / one["log"]).is_file() for one in stopped)
    assert [one["writes"][0].endswith("parquet") for one in stopped] == [True, True]

    workflow.run()
    assert json.loads(status(workflow, "--json"))["stopped"] == []


def test_a_job_whose_files_are_not_found_is_told(workflow, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    # The job ends as if all were well, and its file is gone.
    gone = "import atexit, os\nfrom pathlib import Path\n" + NO_START.replace(
        "os._exit(3)", "end = os._exit; os._exit = lambda code: (Path('results/small/' + GONE).unlink(), end(code))"
    )
    name = "predictions/topic/sight.parquet"
    (tmp_path / "site" / "sitecustomize.py").write_text(f"GONE = {name!r}\n{gone}")
    workflow.path(name).unlink()
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "site"))
        ran = workflow.run("--latency-wait", "1", f"results/small/{name}", check=False)
    (job,) = json.loads(status(workflow, "--json"))["stopped"]
    assert ran.returncode == 1 and job["why"].startswith("it began and left no word")
    assert job["log"] == "results/small/logs/train-topic/sight.log"


def relabelled(workflow):
    for row in workflow.rows:
        row["topic"] = f"new {row['topic']}"


def pooled(workflow):
    workflow.study["features"] = {**workflow.study["features"], "heard": {"from": "sound.clip", "pool": "max"}}


def encoded(workflow):
    workflow.study["encoders"] = {
        **workflow.study["encoders"],
        "sound": {"use": "classic-audio", "params": {"hop": 1.0}},
    }


def folded(workflow):
    task = workflow.study["tasks"]["topic"]
    workflow.study["tasks"] = {"topic": {**task, "seed": 5}}


@pytest.mark.fault(36)
@pytest.mark.parametrize("edit", [relabelled, pooled, encoded, folded])
def test_what_a_stopped_job_should_have_made_is_made_by_the_next_run(workflow, edit):
    edit(workflow)
    workflow.write()
    wanted = workflow.plan()
    assert wanted
    # Where no record can be kept no job begins: the first one stops.
    records = workflow.path(".live", "jobs")
    shutil.rmtree(records)
    records.touch()
    assert workflow.run(check=False).returncode == 1
    records.unlink()
    assert set(workflow.plan()) >= set(wanted)


@pytest.mark.fault(3)
@pytest.mark.parametrize(
    "name", ["features/heard.h5", "tasks/topic/labels.parquet", "embeddings/sound/0.h5", "metrics/topic/sound.json"]
)
def test_a_file_that_alone_is_damaged_is_made_again(workflow, name):
    path = workflow.path(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    for _ in range(4):
        ran = workflow.run(check=False)
        assert "Traceback" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
        if ran.returncode == 0:
            break
    assert ran.returncode == 0 and path.read_bytes() == whole and workflow.plan() == []


def test_a_lost_file_that_no_job_reads_is_told_and_made_again_on_request(workflow):
    lost, kept = sorted(workflow.path("audio").glob("*.mp3"))[:2]
    whole, before = lost.read_bytes(), kept.stat()
    lost.unlink()
    # Snakemake goes by manifests.
    assert workflow.plan() == []
    told = status(workflow)
    name = str(lost.relative_to(workflow.folder))
    assert f"lost: {name}; made again on request (--retry-failed)" in told
    assert [stage["lost"] for stage in json.loads(status(workflow, "--json"))["stages"] if stage["lost"]] == [[name]]
    status(workflow, "--retry-failed")
    planned = workflow.plan()
    assert f"extract_audio unit={lost.stem}" in planned and f"extract_audio unit={kept.stem}" not in planned
    workflow.run()
    after = kept.stat()
    assert lost.read_bytes() == whole
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert "lost" not in status(workflow) and workflow.plan() == []


def test_every_file_that_jobs_make_is_asked_for(workflow):
    assert workflow.unasked() == set()
