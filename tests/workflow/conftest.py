"""A small study that has run once, and copies of it to change."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from harness import Workflow, demo_rows


def opened(folder: Path, like: Workflow) -> Workflow:
    """The study in a folder as it lies there: its files are not written anew, which would make them newer."""
    found = Workflow.__new__(Workflow)
    found.folder, found.study, found.rows = folder, dict(like.study), [dict(row) for row in like.rows]
    return found


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """A study of five clips of two classes, run to its end; do not change it, take `workflow`.

    Of processes that run tests side by side one runs it for all.
    """
    rows = demo_rows()
    second = next(row for row in demo_rows(clips=2) if row["id"] not in {known["id"] for known in rows})
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small"
    place.mkdir(exist_ok=True)
    like = Workflow(tmp_path_factory.mktemp("like"), [*rows, second])
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            Workflow(place / "run", like.rows).run()
            (place / "done").touch()
    return opened(place / "run", like)


@pytest.fixture
def workflow(finished, tmp_path) -> Workflow:
    """A copy of the finished study, with Snakemake's records and all times."""
    shutil.copytree(finished.folder, tmp_path / "run", symlinks=True)
    return opened(tmp_path / "run", finished)
