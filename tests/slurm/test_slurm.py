"""The workflow on a real SLURM, through the profile: the bytes of a local run, cards, faults, interruptions."""

import os
import subprocess
import sys
import time
from collections import defaultdict

import pytest
import yaml
from cluster import wait_until
from harness import Workflow, demo_rows
from runs import Run
from support import CHECKOUT
from trial import notes

from triptych.core import ended, live, unsaid

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def quiet(cluster):
    """No job of one test is left to the next."""
    yield
    Run.abandon()
    left = cluster.jobs()
    if left:
        cluster.run("scancel", *(job["id"] for job in left))
        wait_until(lambda: not cluster.jobs(), 30, "the end of what a test left")


def at_once(started: list[dict], ended: list[dict]) -> dict[tuple[str, str], int]:
    """The most titles that were under way together on each card of each node."""
    events = defaultdict(list)
    for one in started:
        events[one["node"], one["card"]].append((one["at"], 1))
    for one in ended:
        events[one["node"], one["card"]].append((one["at"], -1))
    most = {}
    for card, listed in events.items():
        running = [sum(step for _, step in sorted(listed)[: n + 1]) for n in range(len(listed))]
        most[card] = max(running)
    return most


def two(jobs: list[live.Holder]) -> list[live.Holder]:
    """Two jobs in the order of their starts, once there are two."""
    return sorted(jobs, key=lambda job: job.record["restart"]) if len(jobs) == 2 else []


#: Ends each Python that would run the script of a rule.
NO_START = """
import os, sys
if any(".snakemake/scripts/" in word for word in sys.orig_argv):
    print("held back", flush=True)
    os._exit(3)
"""


def ended_jobs(study: Workflow) -> list[dict]:
    """What is recorded of jobs that stopped."""
    return ended.recorded(str(study.path(".live")))


def unfinished(study: Workflow) -> list[str]:
    """What a job left half done."""
    names = ("*.parts", ".*.tmp.*")
    return [str(path) for name in names for path in study.path().rglob(name)]


def test_the_doctor_tries_the_site(cluster, tmp_path):
    settings = {**os.environ, **cluster.environment, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "triptych.cli", "doctor", "--slurm", "--wait", "300"]
    ran = subprocess.run(command, env=settings, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # The binary sacct is there and answers nothing; Snakemake would ask it for ever.
    assert "squeue, which remembers ended jobs for 600 s (sacct: Slurm accounting storage is disabled)" in ran.stdout
    told, lines = ran.stdout.split("Lines for profiles/slurm/config.yaml (replace these keys):\n")
    for what in ("trial job: ran on n", "step inside a job: runs", "graphics cards: --gpus=1 in cards gives"):
        assert what in told
    profile = yaml.safe_load(lines.split("\n\n")[0])
    assert profile["slurm-status-command"] == "squeue"
    expected = {"slurm_partition": "main", "gpu_partition": "cards"}
    assert profile["default-resources"].items() >= expected.items()
    assert not list(tmp_path.iterdir())


def test_a_whole_study_gives_the_bytes_of_a_local_run(cluster, tmp_path, capsys):
    changes = {
        "unit": "shard",
        "shards": 1,
        "encoders": {"picture": {"use": "classic-image"}},
        "features": {"seen": {"from": "picture.frame", "pool": "mean+std"}},
        "models": {
            "sight": {"inputs": ["seen"], "head": "logistic"},
            "words": {"text": ["transcript"], "head": "logistic"},
        },
    }
    here, there = (Workflow(tmp_path / name, demo_rows(), **changes) for name in ("here", "there"))
    begun = time.monotonic()
    here.run()
    local = time.monotonic() - begun
    begun = time.monotonic()
    run = Run(cluster, there)
    run.end()
    remote = time.monotonic() - begun
    expected, found = here.finals(), there.finals()
    assert sorted(found) == sorted(expected) and len(expected) > 30
    assert [name for name in found if found[name] != expected[name]] == []
    # What takes a second is done where Snakemake runs: the splits were no job of the cluster.
    assert "rule_make_splits" not in run.text() and "rule_evaluate_model" in run.text()
    assert not unfinished(there) and not cluster.jobs()
    assert there.plan() == []
    with capsys.disabled():
        print(f"\n4 videos, {run.submitted()} jobs of SLURM: {remote:.0f} s; the same here: {local:.0f} s")


def test_jobs_on_cards_have_one_each(cluster, trials):
    study = trials("rest a", "rest b", "rest c", gpus=4)
    run = Run(cluster, study, "--until", "embed_shard")
    run.end()
    started, ended = notes(run.folder), notes(run.folder, "end")
    assert len(started) == len(ended) == 3
    assert {one["device"] for one in started} == {"cuda:0"} and {one["card"] for one in started} == {"0"}
    assert at_once(started, ended) == {("n1", "0"): 1, ("n2", "0"): 1}


@pytest.mark.fault(39)
def test_what_ends_a_job_leads_to_another_attempt_or_a_clear_failure(cluster, trials):
    study = trials("wait for the signal", "swallow memory", "late the first time", "fail")
    run = Run(cluster, study, "--until", "embed_shard")
    (late,) = run.until(lambda: run.started("late"), "the start of the job that is late")
    # It asked for ten minutes; one shows the same sooner.
    cluster.run("scontrol", "update", f"JobId={late['job']}", "TimeLimit=1")
    (held,) = run.until(lambda: run.started("wait"), "the start of the job that waits")
    cluster.run("scancel", held["job"])
    run.until(lambda: len(run.started("wait")) == 2, "its second start")
    (run.folder / "go").touch()
    told = run.end(code=1)
    starts = {word: len(run.started(word)) for word in ("wait", "swallow", "late", "fail")}
    # The profile gives three attempts; each asks for twice the memory and time of the one before.
    assert starts == {"wait": 2, "swallow": 2, "late": 2, "fail": 3}
    asked = [cluster.job(one["job"]) for one in run.started("swallow")]
    assert [job["MinMemoryNode"] for job in asked] == ["700M", "1400M"]
    assert [cluster.job(one["job"])["JobState"] for one in run.started("late")] == ["TIMEOUT", "COMPLETED"]
    assert [cluster.job(one["job"])["TimeLimit"] for one in run.started("late")] == ["00:01:00", "00:20:00"]
    assert cluster.job(held["job"])["JobState"] == "CANCELLED"
    # What failed for good is named with its log, and left no file; the others are whole.
    assert "this title fails each time" in told and "logs/embed-words" in told
    done = [path.stem for path in study.path("embeddings", "words").glob("*.h5")]
    assert len(done) == 3 and not unfinished(study) and not cluster.jobs()


@pytest.mark.fault(39)
def test_jobs_that_end_before_they_begin_are_told(cluster, trials):
    study = trials("plain a", "plain b")
    nodes = ",".join(cluster.nodes)
    cluster.run("scontrol", "update", f"NodeName={nodes}", "State=DRAIN", "Reason=held")
    try:
        run = Run(cluster, study, "--until", "embed_shard", "--retries", "0")
        waiting = run.until(lambda: len(jobs := cluster.jobs()) == 2 and jobs, "both jobs in line")
        cluster.run("scancel", waiting[0]["id"])
        # On the nodes no Python comes to the other's script.
        (study.folder / "trial" / "sitecustomize.py").write_text(NO_START)
    finally:
        cluster.run("scontrol", "update", f"NodeName={nodes}", "State=RESUME")
    run.end(code=1)
    told = {one["log"].startswith(".snakemake/slurm_logs/rule_embed_shard/"): one for one in ended_jobs(study)}
    assert told[False]["why"] == unsaid.UNBEGUN and told[False]["log"].startswith(".snakemake/log/")
    assert (
        told[True]["why"].startswith(unsaid.UNBEGUN) and "held back" in (study.folder / told[True]["log"]).read_text()
    )


def test_ctrl_c_cancels_what_was_submitted_and_the_next_run_resumes(cluster, trials):
    study = trials("plain a", "wait b", "wait c", "wait d")
    run = Run(cluster, study, "--until", "embed_shard")
    run.until(lambda: len(run.started("wait")) == 3 and notes(run.folder, "end"), "the start of all jobs")
    # What Snakemake has not yet seen to be done would be removed with what is half done.
    run.until(lambda: "Finished jobid" in run.text(), "the shard that is done")
    (whole,) = study.path("embeddings", "words").glob("*.h5")
    before = (whole.read_bytes(), whole.stat().st_mtime_ns)
    jobs = {one["job"] for one in run.started("wait")}
    run.interrupt()
    run.end(code=1, seconds=60)
    wait_until(lambda: not cluster.jobs(), 20, "the end of the jobs")
    assert {cluster.job(job)["JobState"] for job in jobs} == {"CANCELLED"}
    assert list(study.path("embeddings", "words").glob("*.h5")) == [whole]
    (run.folder / "go").touch()
    again = Run(cluster, study, "--until", "embed_shard")
    again.end()
    assert again.submitted() == 3 and (whole.read_bytes(), whole.stat().st_mtime_ns) == before
    assert len(list(study.path("embeddings", "words").glob("*.h5"))) == 4 and not unfinished(study)


@pytest.mark.fault(39)
def test_a_preempted_job_and_one_whose_node_is_lost_run_again(cluster, trials):
    study = trials("wait a")
    site = ("--default-resources", "slurm_partition=spare", "mem_mb=600", "runtime=10")
    run = Run(cluster, study, "--until", "embed_shard", *site)
    (first,) = run.until(lambda: run.started("wait"), "the start")
    # Somebody whose partition goes first wants all processors: SLURM takes the job off and lets it wait again.
    urgent = ("sbatch", "--parsable", "-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 2")
    urgent = cluster.run(*urgent).stdout.strip()
    wait_until(lambda: cluster.job(urgent)["JobState"] == "COMPLETED", 60, "the end of the urgent job")
    cluster.hurry()
    lost = run.until(lambda: run.started("wait")[1:], "the second start")[0]
    cluster.lose_node(lost["node"])
    run.until(lambda: cluster.job(first["job"])["JobState"] == "PENDING", "notice of the loss")
    cluster.hurry()
    last = run.until(lambda: run.started("wait")[2:], "the start on the other node")[0]
    (run.folder / "go").touch()
    run.end()
    # One job of SLURM all along, as Snakemake sees it.
    assert first["job"] == lost["job"] == last["job"] and last["node"] != lost["node"] and run.submitted() == 1
    assert len(list(study.path("embeddings", "words").glob("*.h5"))) == 1 and not unfinished(study)
    cluster.start_node(lost["node"])
    wait_until(lambda: cluster.states().count("idle") == 2, 60, "the node's return")


@pytest.mark.fault(39)
def test_a_job_that_outlives_its_nodes_daemon_is_not_done_twice(cluster, trials):
    study = trials("wait a")
    # When the node is given up, the srun around the first ends as if all were well. The Snakemake above it waits for
    # the file (`latency-wait`, a minute in the profile), then takes the job for failed and removes what is there.
    # An end in just that second would be an end for nothing: the file is then made once more.
    run = Run(cluster, study, "--until", "embed_shard", "--latency-wait", "60")
    (first,) = run.until(lambda: run.started("wait"), "the start")
    left = cluster.steps(first["node"])
    cluster.kill_daemon(first["node"])
    run.until(lambda: cluster.job(first["job"])["JobState"] == "PENDING", "notice of the loss")
    cluster.hurry()
    other = next(node for node in cluster.nodes if node != first["node"])
    run.until(lambda: len(cluster.steps(other)) == 2, "the start on the other node")
    assert all(step.is_running() for step in left) and len(left) == 2
    # Both are known by their job of SLURM, the second by its restart; the second says for whom it waits.
    older, newer = run.until(lambda: two(live.jobs(str(study.path(".live")))), "the record of the second")
    assert older.record["slurm_job"] == newer.record["slurm_job"] == first["job"]
    assert (older.record["restart"], newer.record["restart"]) == (0, 1)
    (log,) = study.path("logs", "embed-words").glob("*.log")
    run.until(lambda: "waiting for it" in log.read_text(), "the second's word")
    assert f"is being written by another process ({older})" in log.read_text()
    (run.folder / "go").touch()
    run.end()
    # The second waited for the first's place and took over what it had done.
    assert len(run.started("wait")) == len(notes(run.folder, "end")) == 1
    assert len(list(study.path("embeddings", "words").glob("*.h5"))) == 1 and not unfinished(study)
    cluster.start_node(first["node"])
    wait_until(lambda: cluster.states().count("idle") == 2, 60, "the node's return")
    wait_until(lambda: not any(step.is_running() for step in left), 30, "the end of what was left")
