"""All detectors through the real Snakefile; a .pt that nobody listed stops before any job, and never runs."""

import json
import re
import subprocess
import sys

import pytest
from harness import Workflow, demo_rows
from tiny import objects

from triptych.core import torchvision
from triptych.core.store import read_index, read_store
from triptych.encoders.detect import SEEN
from triptych.encoders.pooling import read_feature

USES = {"rt": "rt-detr", "small": "yolos", "old": "detr", "fast": "yolo"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four detectors over four clips, run to the report."""
    folder = tmp_path_factory.mktemp("objects")
    torchvision.mend()
    models = {
        "rt": objects.build_rt_detr(folder / "rt"),
        "small": objects.build_yolos(folder / "small"),
        "old": objects.build_detr(folder / "old"),
        "fast": objects.build_yolo(folder / "tiny.pt"),
    }
    params = {name: {"confidence": 0.2} for name in models}
    params["fast"] |= {"size": 128, "max_detections": 20}
    params["rt"] |= {"sentence": "minilm"}
    workflow = Workflow(
        folder / "run",
        demo_rows(),
        shards=1,
        encoders={name: {"use": USES[name], "model": str(models[name]), "params": params[name]} for name in models},
        features={name: {"from": f"{name}.classes", "pool": "mean+max"} for name in models}
        | {"said": {"from": "rt.sentence", "pool": "mean"}},
        models={"objects": {"inputs": ["rt"], "head": "logistic"}},
    )
    objects.trust(models["fast"], workflow.folder / "models.lock")
    workflow.run()
    return workflow


def test_every_detector_gives_classes_boxes_and_features(study):
    for name in USES:
        entries, damaged = read_store(study.path("embeddings", name, "0.h5"))
        assert len(entries) == 4 and not damaged
        for entry in entries.values():
            assert entry.outcome.ok and entry.arrays["classes"].shape[1] == 5
            assert entry.arrays["boxes"].shape[1] == 7 and entry.provenance["notes"][SEEN]
        _, values, mask = read_feature(study.path("features", f"{name}.h5"))
        assert values.shape == (4, 10) and mask.all() and values.any(axis=1).all()
    _, values, mask = read_feature(study.path("features", "said.h5"))
    assert values.shape == (4, 384) and mask.all()


def test_the_report_shows_objects_and_frames_with_boxes(study):
    text = study.path("report", "index.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script[^>]*id="data">(.*?)</script>', text, re.DOTALL).group(1))
    for video in data["videos"]:
        assert [note[:2] for note in video["notes"]] == [[name, SEEN] for name in USES]
        assert video["boxes"].startswith("data:image/jpeg;base64,") and len(video["boxes"]) < 140_000
        assert {line[0] for note in video["notes"] for line in note[2]} <= set(objects.NAMES)
    assert "<b>bus</b>" not in text


def test_a_second_run_computes_nothing(study):
    before = [read_index(study.path("embeddings", name, "0.h5")) for name in USES]
    assert study.plan() == []
    assert "Nothing to be done" in study.run().stderr
    assert [read_index(study.path("embeddings", name, "0.h5")) for name in USES] == before


def test_an_unlisted_pt_stops_before_any_job_and_never_runs(tmp_path):
    canary = tmp_path / "canary"
    path = objects.booby_trapped(tmp_path / "evil.pt", canary)
    workflow = Workflow(
        tmp_path / "run",
        demo_rows(),
        encoders={"fast": {"use": "yolo", "model": str(path)}},
        features={"seen": {"from": "fast.classes", "pool": "mean+max"}},
        models={"objects": {"inputs": ["seen"], "head": "logistic"}},
    )
    ran = workflow.run(check=False)
    checked = subprocess.run(
        [sys.executable, "-m", "triptych.cli", "check", "--configfile", str(workflow.folder / "study.yaml")],
        cwd=workflow.folder,
        capture_output=True,
        text=True,
    )
    for told in (ran, checked):
        assert told.returncode == 1
        words = " ".join((told.stdout + told.stderr).split())
        assert re.search(r"sha256 is [0-9a-f]{64}", words) and f"triptych models --trust {path}" in words
    assert not canary.exists() and not workflow.path().exists()
