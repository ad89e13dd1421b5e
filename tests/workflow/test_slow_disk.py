"""A file system like NFS at its worst: files get their names late, and there are no locks."""

import os

import pytest
from harness import Workflow
from support import CHECKOUT

#: Python reads this module by itself at its start, in jobs too.
SLOW = """
import errno, fcntl, os, random, time

replace = os.replace

def late(*arguments, **more):
    time.sleep(random.uniform(0.05, 0.4))
    replace(*arguments, **more)

def flock(handle, operation):
    with open({note!r}, "a") as note:
        note.write("asked\\n")
    raise OSError(errno.ENOLCK, "No locks available")

os.replace, fcntl.flock = late, flock
"""


@pytest.mark.long
@pytest.mark.fault(38, 41)
def test_late_names_and_no_locks_change_nothing(finished, tmp_path, monkeypatch):
    place, note = tmp_path / "slow", tmp_path / "asked.txt"
    place.mkdir()
    (place / "sitecustomize.py").write_text(SLOW.format(note=str(note)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place), str(CHECKOUT)]))
    workflow = Workflow(tmp_path / "another folder", [dict(row) for row in finished.rows])
    ran = workflow.run("--latency-wait", "20")
    assert note.read_text().count("asked") > 20
    assert workflow.finals() == finished.finals() and workflow.plan() == []
    logs = "".join(path.read_text() for path in workflow.path("logs").rglob("*.log"))
    assert "no locks in" in logs + ran.stderr and "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.fault(38)
def test_the_profile_of_clusters_waits_for_late_files(checkout):
    import yaml

    profile = yaml.safe_load((checkout / "profiles/slurm/config.yaml").read_text())
    assert profile["latency-wait"] >= 30
