"""`triptych status` after a run with a job that stopped, and after the run that mended it."""

import json
import os
import subprocess
import sys


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
