"""Folders that may not be written to, and names with spaces, quotes and worse."""

import os
import stat

import pytest
from harness import Workflow, demo_rows

#: Root may write anywhere: without capabilities it is a user like any other.
PLAIN = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
SMALL = {
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "transcripts": {},
    "models": {"sight": {"inputs": ["seen"], "head": "logistic"}},
}


def protect(folder, allowed: bool) -> None:
    """Set the rights of a folder and all folders below."""
    for path in [folder, *(one for one in folder.rglob("*") if one.is_dir() and not one.is_symlink())]:
        path.chmod(stat.S_IRWXU if allowed else stat.S_IRUSR | stat.S_IXUSR)


def told_in_a_line(ran, *words: str) -> None:
    """A run that ended with 1 and told all the words in one line, without a traceback."""
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1, said[-4000:]
    assert "Traceback" not in said, said[-6000:]
    assert any(all(word in line for word in words) for line in said.splitlines()), said[-4000:]


@pytest.mark.fault(37)
@pytest.mark.parametrize("place", ["results", "data/media", "data/splits", "."])
def test_a_folder_without_the_right_to_write_is_told_before_any_job(tmp_path, place):
    workflow = Workflow(tmp_path / "run", demo_rows(), **SMALL)
    folder = workflow.folder / place
    folder.mkdir(parents=True, exist_ok=True)
    if place != "results":
        (workflow.folder / "results").mkdir(exist_ok=True)
    protect(folder, allowed=False)
    try:
        ran = workflow.run(check=False, under=PLAIN)
    finally:
        protect(folder, allowed=True)
    told_in_a_line(ran, "Nothing was run", "" if place == "." else place, "right to write")
    assert not list(workflow.folder.rglob("*.h5"))


@pytest.mark.long
@pytest.mark.fault(37)
def test_rights_that_go_during_a_run_are_told_in_a_line_and_the_run_resumes(tmp_path):
    workflow = Workflow(tmp_path / "run", demo_rows(), **SMALL)
    workflow.run("media")
    workflow.path("embeddings", "picture").mkdir(parents=True)
    workflow.path("embeddings", "picture", "mine.txt").touch()  # Snakemake removes folders that are empty
    protect(workflow.path("embeddings"), allowed=False)
    try:
        ran = workflow.run("embeddings", check=False, under=PLAIN)
    finally:
        protect(workflow.path("embeddings"), allowed=True)
    told_in_a_line(ran, "Permission denied")
    workflow.run("embeddings")


@pytest.mark.long
@pytest.mark.fault(37)
@pytest.mark.parametrize("name", ['a folder\'s "name"', "$(touch canary) `x` ; é ü"])
def test_a_folder_with_spaces_and_quotes_works(tmp_path, name):
    workflow = Workflow(tmp_path / name, demo_rows(classes=2, films=2), **SMALL)
    workflow.run()
    assert workflow.path("report", "index.html").is_file() and workflow.plan() == []
    assert not list(tmp_path.rglob("canary"))
