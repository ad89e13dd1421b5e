"""A small study that has run once, and copies of it to change."""

import shutil

import pytest
from harness import Workflow, demo_rows


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """A study of five clips of two classes, run to its end; do not change it, take `workflow`."""
    rows = demo_rows()
    second = next(row for row in demo_rows(clips=2) if row["id"] not in {known["id"] for known in rows})
    workflow = Workflow(tmp_path_factory.mktemp("small") / "run", [*rows, second])
    workflow.run()
    return workflow


@pytest.fixture
def workflow(finished, tmp_path) -> Workflow:
    """A copy of the finished study, with Snakemake's records and all times."""
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder, symlinks=True)
    copy = Workflow.__new__(Workflow)
    copy.folder, copy.study = folder, {key: value for key, value in finished.study.items()}
    copy.rows = [dict(row) for row in finished.rows]
    return copy
