"""Fine-tuned text through the real Snakefile: a checkpoint, a member of a stack, a kill."""

import contextlib
import json
import os
import subprocess
import time

import psutil
import pyarrow.parquet as pq
import pytest
from harness import EXTRA, Workflow, demo_rows
from tiny import text as tiny

TUNED = {"epochs": 2, "learning_rate": 1e-3, "batch": 4, "max_length": 32}
#: Nothing restarts a job that was killed.
ALONE = ("--rerun-incomplete", "--workflow-profile", "none")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.build_distilbert(tmp_path_factory.mktemp("base") / "distilbert", longest=48)


def study(folder, base) -> Workflow:
    """Eight clips of two classes and one without a label: words fine-tuned, words counted, and a stack of both."""
    rows = demo_rows(films=4)
    rows.append({**rows[0], "id": "unknown", "topic": "", "film": ""})
    tuned = {"text": ["transcript", "title"], "head": "finetune", "seeds": 1, "params": {"model": str(base), **TUNED}}
    return Workflow(
        folder,
        rows,
        shards=1,
        encoders={},
        features={},
        models={
            "tuned": tuned,
            "counted": {"text": ["transcript"], "head": "svc"},
            "stack": {"fusion": "late", "members": ["tuned", "counted"], "head": "logistic", "inner": 2},
        },
    )


def kill_after_a_fit(one: Workflow) -> int:
    """Run until a fit is kept, and kill its job; number of fits that are there then."""
    parts = one.path("predictions", "topic", "tuned.parquet.parts")
    command, quiet = one.command("predictions", *ALONE), subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=one.folder, env={**os.environ, **EXTRA}, stdout=quiet, stderr=quiet)
    while process.poll() is None and not list(parts.glob("*.h5")):
        time.sleep(0.005)
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(".snakemake/scripts" in word for word in child.cmdline()):
                    child.kill()
    assert process.wait() != 0
    return len(list(parts.glob("*.h5")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base):
    """Run to the end, the fine-tuning killed once on the way."""
    one = study(tmp_path_factory.mktemp("tuned") / "run", base)
    one.kept = kill_after_a_fit(one)
    one.run("predictions", *ALONE)
    return one


def test_a_killed_fine_tuning_goes_on_where_it_was(finished):
    log = finished.path("logs", "train-topic", "tuned.log").read_text()
    # Two folds with two inner ones each, and the fit on all labelled videos.
    assert 1 <= finished.kept < 7 and log.count("of 7: taken over") == finished.kept
    assert log.count("of 7: done in") == 7 - finished.kept and "epoch 1 of 2: loss" in log
    assert not finished.path("predictions", "topic", "tuned.parquet.parts").exists()


def test_the_stack_reads_its_inner_rows(finished):
    roles = {}
    for name in ("tuned", "stack"):
        told = pq.read_table(finished.path("predictions", "topic", f"{name}.parquet")).column("role").to_pylist()
        roles[name] = {role: told.count(role) for role in set(told)}
    assert roles == {"tuned": {"test": 16, "inner": 16, "new": 2}, "stack": {"test": 16, "new": 2}}


def test_the_checkpoint_is_an_output_that_loads(finished):
    assert finished.unasked() == set()
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = finished.path("checkpoints", "topic", "tuned")
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    assert sorted(network.config.id2label.values()) == sorted({row["topic"] for row in finished.rows if row["topic"]})
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 32
    assert json.loads((folder / "training.json").read_text())["groups"] == 8
    assert finished.plan("predictions") == []


def test_other_weights_run_again(finished, base):
    (base / "config.json").write_text((base / "config.json").read_text() + " ")
    rules = {job.split()[0] for job in finished.plan("predictions")}
    assert {"finetune_model", "fuse_models"} <= rules and "train_model" not in rules
