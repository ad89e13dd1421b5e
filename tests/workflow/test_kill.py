"""Random kills of jobs and of Snakemake: the next runs end with the same bytes as an undisturbed one."""

import contextlib
import os
import random
import signal
import subprocess
import time

import psutil
import pytest
from harness import EXTRA, Workflow, demo_rows

KILLS = int(os.environ.get("TRIPTYCH_KILLS", "5"))
RESULTS = ("embeddings/*/*.h5", "features/*.h5", "predictions/*/*.parquet", "metrics/*/*.json", "transcripts/*/*.jsonl")


def jobs_of(process: subprocess.Popen) -> list[psutil.Process]:
    """Running scripts of rules below a Snakemake, whichever of its threads started them."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(".snakemake/scripts" in word for word in child.cmdline()):
                    found.append(child)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed") / "run", demo_rows(films=3))
    assert len(workflow.rows) == 6
    workflow.run()
    return workflow.snapshot(*RESULTS)


@pytest.mark.parametrize("victim", ["job", "snakemake"])
def test_kills_lose_nothing(victim, undisturbed, tmp_path):
    chance = random.Random(f"{victim} {KILLS}")
    workflow = Workflow(tmp_path / "run", demo_rows(films=3))
    killed = rounds = 0
    while killed < KILLS:
        rounds += 1
        assert rounds < 6 * KILLS + 20, f"only {killed} kills in {rounds} rounds"
        process = subprocess.Popen(
            # Without the profile's keep-going a killed job ends the run: the next one has work left for further kills.
            workflow.command("--rerun-incomplete", "--workflow-profile", "none"),
            cwd=workflow.folder,
            env={**os.environ, **EXTRA},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # The first job starts some seconds after Snakemake; kills are wanted while jobs run.
        while process.poll() is None and not jobs_of(process):
            time.sleep(0.1)
        time.sleep(chance.uniform(0.0, 4.0))
        if process.poll() is not None:
            # All done before the kill: begin again, so that every kill hits a run at work.
            if process.returncode == 0:
                workflow = Workflow(tmp_path / f"run{rounds}", demo_rows(films=3))
            continue
        if victim == "snakemake":
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            # Jobs that live on are orphans: the next run starts beside them at once.
            workflow.run("--unlock")
            continue
        # Between two jobs there may be none: the next one is the victim.
        while process.poll() is None and not (jobs := jobs_of(process)):
            time.sleep(0.05)
        if process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(jobs).kill()
                killed += 1
        process.wait()
    workflow.run("--rerun-incomplete", "--keep-going")
    after = workflow.snapshot(*RESULTS)
    assert sorted(after) == sorted(undisturbed)
    assert [name for name in after if after[name] != undisturbed[name]] == []
    assert not list(workflow.path("embeddings").rglob("*.parts"))
