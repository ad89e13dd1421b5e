"""Decoders that crash in a whole run: their videos are told, stay so, and come again when that is asked for."""

import csv
import os
import subprocess
import sys

import pytest
from harness import Workflow, demo_rows
from support import CHECKOUT

#: The child that decodes in a job for keyframes ends by a real signal, once for each file in a folder.
CRASHING = """
import os, signal
fork = os.fork
def crashing():
    child = fork()
    if child == 0 and b"pick_keyframes" in open("/proc/self/cmdline", "rb").read():
        for name in sorted(os.listdir({place!r})):
            try:
                os.unlink(os.path.join({place!r}, name))
            except FileNotFoundError:  # another job took it
                continue
            os.kill(os.getpid(), signal.SIGSEGV)
    return child
os.fork = crashing
"""


def ended(workflow) -> dict[str, tuple[str, str]]:
    """Status and reason of each video's keyframes."""
    with workflow.path("status.tsv").open(encoding="utf-8", newline="") as handle:
        lines = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {line["video"]: (line["status"], line["reason"]) for line in lines if line["stage"] == "keyframes"}


@pytest.mark.fault(17)
def test_crashed_decoders_are_told_and_tried_again_on_request(tmp_path, monkeypatch):
    shots, code = tmp_path / "shots", tmp_path / "code"
    for folder in (shots, code):
        folder.mkdir()
    for name in ("first", "second"):
        (shots / name).touch()
    (code / "sitecustomize.py").write_text(CRASHING.format(place=str(shots)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(code), str(CHECKOUT)]))
    workflow = Workflow(
        tmp_path / "run",
        demo_rows(),
        encoders={"picture": {"use": "classic-image"}},
        features={"seen": {"from": "picture.frame"}},
        tasks={},
        models={},
        transcripts={},
        min_ok_fraction=0.0,
    )
    workflow.run()
    assert not list(shots.iterdir())
    crashed = {video for video, told in ended(workflow).items() if told == ("failed", "crashed")}
    assert len(crashed) == 2 and [told[0] for told in ended(workflow).values()].count("ok") == len(workflow.rows) - 2

    # By itself the next run leaves them as they are: a file that crashes the decoder would do so each time.
    assert workflow.plan() == []
    status = [sys.executable, "-m", "triptych.cli", "status", "--configfile", "study.yaml"]
    said = subprocess.run(status, cwd=workflow.folder, capture_output=True, text=True, check=True).stdout
    assert "ended by a limit or a crash: 2 videos, tried again on request (--retry-failed)" in said
    subprocess.run([*status, "--retry-failed"], cwd=workflow.folder, capture_output=True, check=True)
    due = [job for job in workflow.plan() if job.startswith("pick_keyframes")]
    assert due == [f"pick_keyframes unit={video}" for video in sorted(crashed)]
    workflow.run()
    assert set(ended(workflow).values()) == {("ok", "")}
    assert workflow.plan() == []
