"""Two runs of one study, a plan beside a run, and a job that outlives its Snakemake."""

import os
import signal
import sys
import time

import pytest
from held import Held

TARGET = ("--until", "embed_shard")


def tree(folder) -> dict[str, tuple[int, int]]:
    """Size and time of every file of the results."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def quiet(folder) -> dict[str, tuple[int, int]]:
    """`tree`, when nothing has changed for two seconds."""
    seen = tree(folder)
    time.sleep(2)
    return seen if tree(folder) == seen else {}


@pytest.fixture
def held(tmp_path):
    one = Held(tmp_path / "run", "wait a", "plain b")
    yield one
    one.go()


@pytest.mark.fault(2, 33, 34)
def test_a_run_is_not_disturbed_and_its_orphan_is_named_and_waited_for(held):
    first = held.start(*TARGET)
    (job,) = held.until(lambda: held.started("wait"), "the start of the job that waits")
    held.until(held.ended, "the end of the other job")
    # Snakemake writes the seconds of a job last.
    held.until(lambda: list(held.workflow.path("benchmarks").rglob("*.tsv")), "its file")
    results = held.workflow.path()
    before = held.until(lambda: quiet(results), "its end")

    # 34: a plan and a look at the state change nothing.
    dry = held.call(*held.workflow.command("--dry-run", *TARGET))
    assert dry.returncode == 0 and "embed_shard" in dry.stdout + dry.stderr, dry.stdout + dry.stderr
    for command in ("plan", "status"):
        told = held.call(sys.executable, "-m", "triptych.cli", command, "--configfile", "study.yaml")
        assert "Traceback" not in told.stderr and told.returncode == 0, told.stdout + told.stderr
    assert tree(results) == before and first.poll() is None

    # 33: a second run is told who is at work, and starts no job.
    second = held.call(*held.workflow.command(*TARGET))
    told = second.stdout + second.stderr
    assert second.returncode == 1 and f"pid {first.pid}" in told and "since" in told, told
    assert "Traceback" not in told and "cleanup-metadata" not in told, told
    assert len(held.started("wait")) == 1 and first.poll() is None

    # 2: Snakemake is killed, its job lives on; the next run names it and does not overtake it.
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    whole = next(iter(held.workflow.path("embeddings/words").glob("*.h5")))
    kept = (whole.read_bytes(), whole.stat().st_mtime_ns)
    third = held.start(*TARGET, log="third.txt")
    held.until(lambda: f"pid {job['pid']}" in held.said("third.txt") or third.poll() is not None, "the orphan's name")
    assert f"pid {job['pid']}" in held.said("third.txt") and "since" in held.said("third.txt"), held.said("third.txt")
    held.go()
    held.until(lambda: len(held.ended()) == 2, "the end of the orphan")
    if third.wait(120) != 0:  # it told what to do, and stopped
        assert "Traceback" not in held.said("third.txt"), held.said("third.txt")
        held.call(*held.workflow.command("--unlock"))
        held.call(*held.workflow.command(*TARGET))
    assert len(list(held.workflow.path("embeddings/words").glob("*.h5"))) == 2
    # What the orphan computed was taken over: no title was computed twice.
    assert len(held.started("wait")) == 1 and len(held.ended()) == 2
    assert (whole.read_bytes(), whole.stat().st_mtime_ns) == kept
