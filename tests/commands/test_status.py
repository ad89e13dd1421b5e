"""Status from the files alone: counts add up to the rows, also when files are missing, damaged or half done."""

import contextlib
import datetime
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from triptych.commands import status, status_days, status_lines, status_running, status_tasks
from triptych.core import ended, live, records, retry
from triptych.core.config import Study
from triptych.core.corpus import read_corpus
from triptych.core.files import replace_json, replace_text
from triptych.core.paths import Paths
from triptych.core.status import OK, Manifest, Outcome
from triptych.core.store import Entry, write_store
from triptych.core.units import by_shard
from triptych.encoders.pooling import pool_feature
from triptych.speech.transcript import Segment, Transcript, write_transcripts

IDS = [f"v{number}" for number in range(6)]
BROKEN = Outcome("failed", "unreadable", "It is text.")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = ["https://h.org/x", *[f"{name}.mp4" for name in IDS[1:]]]
    table = "".join(f"{name},{source},a\n" for name, source in zip(IDS, sources, strict=True))
    Path("videos.csv").write_text("id,source,topic\n" + table)
    return Study.model_validate(
        {
            "study": "s",
            "corpus": "videos.csv",
            "shards": 2,
            "transcripts": {"captions": {"use": "captions"}},
            "encoders": {"picture": {"use": "classic-image"}},
            "features": {"seen": {"from": "picture.frame"}},
            "tasks": {"topic": {"label": "topic", "group": "none"}},
        }
    )


def collected(study):
    return {stage.name: stage for stage in status.collect(study, read_corpus("videos.csv"), work(study))}


def work(study):
    return status_running.look(Paths.of(study))


def lines_of(study, stages, most=20):
    return list(status_lines.lines(study, read_corpus("videos.csv"), work(study), list(stages), most))


def entry(video, outcome=OK):
    arrays = {"frame": np.ones((2, 3), np.float32)} if outcome.ok else {}
    return Entry(video, "k", outcome, arrays=arrays, times={"frame": np.zeros((2, 2))} if outcome.ok else {})


def shards(study):
    return by_shard(IDS, study.shards)


def test_nothing_is_there_yet(study):
    stages = collected(study)
    assert list(stages) == [
        *("fetch", "probe", "audio", "keyframes", "transcripts/captions", "transcripts/text"),
        *("embeddings/picture", "features/seen"),
    ]
    assert stages["fetch"].pending == 1 and stages["probe"].pending == 6
    assert all(stage.bytes == 0 and stage.rate(time.time()) is None for stage in stages.values())
    (task,) = status_tasks.collect(study, work(study))
    assert task.as_dict(time.time()) == {
        **{"task": "topic", "models": 2, "done": 0, "failed": 0, "pending": 2, "running": 0},
        **{"seconds_a_job": None, "a_minute": None, "ends": None},
    }
    assert "probe" in "\n".join(lines_of(study, stages.values()))


def test_media_stages(study):
    paths = Paths.of(study)
    for name, outcome in zip(IDS[:4], [OK, BROKEN, Outcome("ok", warnings={"truncated": "x"}), OK], strict=True):
        Manifest(name, "probe", outcome).write(paths.manifest("probe", name))
    replace_text(paths.manifest("probe", "v3"), "{")
    Manifest("gone", "probe", OK).write(paths.manifest("probe", "gone"))  # a video that left the table
    Manifest("v1", "audio", BROKEN).write(paths.manifest("audio", "v1"))
    Manifest("v2", "audio", Outcome("refused", "too_long", "Cut it.")).write(paths.manifest("audio", "v2"))
    replace_text(paths.benchmark("probe", "v0"), "s\th:m:s\n1.5\t0:00:01\n")
    replace_text(paths.benchmark("probe", "v1"), "s\th:m:s\n2.5\t0:00:02\n")
    replace_text(paths.benchmark("probe", "v2"), "")
    stages = collected(study)
    probe = stages["probe"]
    assert (probe.counts["ok"], probe.counts["failed"], probe.pending, probe.warned) == (2, 1, 3, 1)
    assert list(probe.damaged) == [paths.manifest("probe", "v3")] and probe.seconds == 2.0
    assert probe.bytes > 0 and probe.rate(time.time()) > 0
    assert status_lines.first_faults(stages.values()) == [
        ("probe", "v1", "failed", "unreadable", "It is text."),
        ("audio", "v2", "refused", "too_long", "Cut it."),
    ]
    told = "\n".join(lines_of(study, stages.values(), most=1))
    assert "2 videos failed or were refused" in told and "and 1 more (--all" in told and "damaged: " in told


def told_of(study, most=20):
    return "\n".join(lines_of(study, collected(study).values(), most))


def test_jobs_of_a_task_are_told_beside_its_models(study):
    paths = Paths.of(study)
    with contextlib.ExitStack() as jobs:
        for output in (paths.predictions("topic", "late"), paths.comparison("topic"), paths.feature("topic")):
            jobs.enter_context(live.working(paths.live, f"rule {output}", [output]))
        assert work(study).by_task(study.tasks) == {"topic": 2}
        told = told_of(study)
    assert "topic       2     0       0        2        2" in told


def test_models_of_a_task_have_a_rate_and_an_end(study):
    paths, now = Paths.of(study), time.time()
    models = {f"m{place}": {"inputs": ["seen"], "head": "logistic"} for place in range(6)}
    study = Study.model_validate(study.model_dump(by_alias=True, exclude_unset=True) | {"models": models})
    for place in range(3):
        replace_text(paths.metrics("topic", f"m{place}"), "{}")
        os.utime(paths.metrics("topic", f"m{place}"), (0, now - 120 + 60 * place))
    (task,) = status_tasks.collect(study, work(study))
    told = task.as_dict(now)
    assert (told["models"], told["done"], told["failed"], told["pending"]) == (8, 3, 0, 5)
    assert told["a_minute"] == pytest.approx(1.5) and told["ends"] == pytest.approx(now + 200)
    assert status_lines.date(now + 200)[:-1] in told_of(study)


def test_jobs_that_stopped_are_told_until_they_succeed(study):
    paths = Paths.of(study)
    what, writes = "train_model task=topic model=majority", [paths.predictions("topic", "majority")]
    replace_text(paths.metrics("topic", "majority"), "{}")  # of an earlier run
    ended.stopped(paths.live, what, writes, "no such \x1b[31mcolumn", "some.log")
    ended.stopped(paths.live, "embed_shard encoder=picture shard=0", [], "no weights", None)
    (task,) = status_tasks.collect(study, work(study))
    assert (task.models.counts["ok"], task.models.counts["failed"], task.models.pending) == (0, 1, 1)
    told = told_of(study)
    assert "2 jobs stopped since the last run began" in told and "shard=0: no weights" in told
    assert f"{what}: no such ?[31mcolumn (log: some.log)" in told.replace("\ufffd", "?")
    ended.succeeded(paths.live, what)
    assert [one["why"] for one in work(study).stopped] == ["no weights"]
    assert status_tasks.collect(study, work(study))[0].models.counts["ok"] == 1
    ended.forget(paths.live)
    assert work(study).stopped == [] and "stopped" not in told_of(study)


def test_a_job_that_has_begun_again_is_no_stopped_one(study):
    paths = Paths.of(study)
    what, writes = "train_model task=topic model=majority", [paths.predictions("topic", "majority")]
    ended.stopped(paths.live, what, writes, "no disk", None)
    with live.working(paths.live, what, writes):
        (task,) = status_tasks.collect(study, work(study))
        assert work(study).stopped == []
        assert (task.models.counts["failed"], task.models.running) == (0, 1)
    assert [one["what"] for one in work(study).stopped] == [what]


def test_a_folder_in_the_place_of_metrics_is_no_model(study):
    Path(Paths.of(study).metrics("topic", "majority")).mkdir(parents=True)
    assert status_tasks.collect(study, work(study))[0].models.counts["ok"] == 0


def test_what_sites_say_steers_no_terminal(study):
    said = Outcome("failed", "http_404", "Gone \x1b]0;title\x07\x1b[31mred\nsecond \u202e line")
    Manifest("v1", "fetch", said).write(Paths.of(study).manifest("fetch", "v1"))
    stages = list(collected(study).values())
    stages[0].found.append(("v1", "failed", "http_404", said.message))
    told = lines_of(study, stages)
    assert all(line.isprintable() for line in told) and any("second" in line and "Gone" in line for line in told)


def test_videos_that_ended_by_a_limit_are_told(study):
    crashed = Outcome("failed", "crashed", "Signal 11.")
    Manifest("v1", "keyframes", crashed).write(Paths.of(study).manifest("keyframes", "v1"))
    told = told_of(study)
    assert "ended by a limit or a crash: 1 video, tried again on request (--retry-failed)" in told


def test_a_stage_that_rests_has_no_rate(study):
    paths = Paths.of(study)
    for name in IDS:
        Manifest(name, "probe", OK).write(paths.manifest("probe", name))
        os.utime(paths.manifest("probe", name), (0, time.time() - 400))
    assert collected(study)["probe"].rate(time.time()) is None


def test_the_videos_of_a_shard_were_made_in_the_time_of_its_job():
    stage = status.Stage("transcripts/said", 400, seconds=3600.0, running=2)
    stage.written = [10_000.0] * 100
    assert stage.rate(10_060.0) == pytest.approx(60 * 100 / 3660)
    stage.written += [13_600.0] * 100
    stage.counts["ok"] = 200
    # Nothing was written for half an hour, and jobs are under way.
    assert stage.rate(15_400.0) == pytest.approx(60 * 200 / 9000)
    assert stage.ends(15_400.0) == pytest.approx(15_400 + 9000)
    stage.running = 0
    assert stage.rate(15_400.0) is None


def test_lines_of_transcripts_are_held_against_their_checksums(study):
    paths = Paths.of(study)
    path = Path(paths.transcripts("captions", "0"))
    write_transcripts(path, [Transcript("v0", "captions", OK, segments=(Segment(0, 1, "said"),))])
    path.write_text(path.read_text().replace("said", "sand"))
    stages = collected(study)
    assert stages["transcripts/captions"].damaged == {str(path): "its checksum differs"}
    told = lines_of(study, stages.values())
    assert f"damaged: {path}: its checksum differs" in told


def test_transcripts_and_embeddings(study):
    paths = Paths.of(study)
    (first, members), (second, others) = shards(study).items()
    texts = [Transcript(name, "captions", OK, segments=(Segment(0, 1, "a\u2028b"),)) for name in members]
    write_transcripts(paths.transcripts("captions", first), [*texts, Transcript("gone", "captions", OK)])
    write_store(paths.embeddings("picture", first), [entry(members[0], BROKEN), *map(entry, [*members[1:], "gone"])])
    part = Path(paths.embeddings("picture", second)).with_suffix(".parts") / "x.h5"
    write_store(part, [entry(others[0])])
    stages = collected(study)
    assert stages["transcripts/captions"].counts["ok"] == len(members)
    pictures = stages["embeddings/picture"]
    assert (pictures.counts["failed"], pictures.counts["ok"]) == (1, len(members))
    assert pictures.pending == len(others) - 1
    Path(paths.embeddings("picture", first)).write_bytes(b"x" * 1000)
    assert paths.embeddings("picture", first) in collected(study)["embeddings/picture"].damaged


def test_zero_shot_labels(study):
    from triptych.learn import relabel_files

    section = {"use": "nli", "model": "m", "labels": ["a", "b"]}
    study = Study.model_validate({**study.model_dump(by_alias=True), "relabel": {"zero": section}})
    assert collected(study)["relabel/zero"].pending == 6
    path = Path(Paths.of(study).relabelled("zero"))
    silent = Outcome("absent", "no_text", "Nothing is said.")
    rows = [
        {"video": name, "key": name, "labels": ("a",), "scores": [0.9, 0.1], "outcome": silent if name == "v1" else OK}
        for name in IDS
    ]
    relabel_files.write(path, rows, ["a", "b"], "transcript", {"labels": ["a", "b"], "counts": {}})
    stage = collected(study)["relabel/zero"]
    assert stage.counts == {"ok": 5, "absent": 1} and stage.pending == 0
    path.write_bytes(b"x" * 100)
    assert str(path) in collected(study)["relabel/zero"].damaged


def test_all_done_adds_up(study):
    paths = Paths.of(study)
    for shard, members in shards(study).items():
        write_store(
            paths.embeddings("picture", shard), [entry(name, BROKEN if name == "v1" else OK) for name in members]
        )
    files = [paths.embeddings("picture", shard) for shard in shards(study)]
    pool_feature("seen", "picture.frame", "mean", files, paths.feature("seen"))
    stages = collected(study)
    for name in ("embeddings/picture", "features/seen"):
        assert stages[name].pending == 0 and sum(stages[name].counts.values()) == 6
    assert stages["features/seen"].counts == {"ok": 5, "absent": 1}


def test_failed_downloads_and_when_they_are_due(study):
    paths, corpus, now = Paths.of(study), read_corpus("videos.csv"), time.time()
    assert status_lines.waiting(study, corpus) == {"due": 0, "later": 0, "permanent": 0, "hours": None}
    replace_json(paths.attempts("v0"), {"failed_at": now - 3600, "transient": True})
    later = status_lines.waiting(study, corpus)
    assert later["later"] == 1 and 10.9 < later["hours"] < 11.1
    replace_json(paths.attempts("v0"), {"failed_at": now - 50 * 3600, "transient": True})
    assert status_lines.waiting(study, corpus)["due"] == 1
    replace_json(paths.attempts("v0"), {"failed_at": now - 50 * 3600, "transient": False})
    assert status_lines.waiting(study, corpus)["permanent"] == 1
    retry.request(paths)
    assert status_lines.waiting(study, corpus)["due"] == 1


def test_disk_use_follows_no_links(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"x" * 1000)
    (tmp_path / "big").write_bytes(b"x" * 9000)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "big")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert status.disk_use(tmp_path / "a") == 1000 and status.disk_use(tmp_path / "none") == 0
    assert [status_lines.size(number) for number in (999, 1000, 2.5e9)] == ["999 B", "1.0 kB", "2.5 GB"]


def test_a_stage_as_json(study):
    stage = collected(study)["probe"]
    stage.add("v1", BROKEN.as_dict(), time.time())
    told = json.loads(json.dumps(stage.as_dict(time.time())))
    assert told["failed"] == 1 and told["not_ok"][0]["reason"] == "unreadable"
    assert told["ok"] + told["absent"] + told["failed"] + told["refused"] + told["pending"] == told["expected"]


def local(*given):
    """Seconds of a time of this place."""
    return datetime.datetime(*given).timestamp()


def test_days_from_the_times_of_files(study):
    paths = Paths.of(study)
    days = {"v0": (1, 10), "v1": (1, 12), "v2": (2, 10), "v3": (4, 9)}
    for name, (day, hour) in days.items():
        outcome = BROKEN if name == "v2" else OK
        Manifest(name, "probe", outcome).write(paths.manifest("probe", name))
        os.utime(paths.manifest("probe", name), (0, local(2026, 3, day, hour)))
    probe = [collected(study)["probe"]]
    found = status_days.days(probe, local(2026, 3, 5, 10), 10)
    told = [(one.day[-2:], one.done, one.failed, one.new, one.remaining) for one in found]
    assert told == [("01", 2, 0, 2, 4), ("02", 2, 1, 1, 3), ("04", 3, 1, 1, 2), ("05", 3, 1, 0, 2)]
    assert found[-1].rate == pytest.approx(1.0) and found[-1].ends == pytest.approx(local(2026, 3, 7, 10))
    assert [one.day for one in status_days.days(probe, local(2026, 3, 5, 10), 2)] == ["2026-03-04", "2026-03-05"]
    # Two weeks later nothing is recorded any more, so no end is told.
    last = status_days.days(probe, local(2026, 3, 20, 10), 1)[0]
    assert (last.day, last.rate, last.ends, last.done) == ("2026-03-20", 0, None, 3)
    text = list(status_days.lines(found))
    assert text[0].split() == ["day", "stage", "done", "failed", "new", "a", "day", "remaining", "ends"]
    assert text[-1].split() == ["2026-03-05", "probe", "3", "1", "0", "1.0", "2", "2026-03-07", "10:00"]


def test_a_clock_that_is_ahead_makes_no_rate_higher_and_no_day_of_the_future(study):
    now = local(2026, 3, 5, 10)
    ahead = status.Stage("probe", 100)
    # A video a minute, by a node whose clock is five minutes ahead.
    ahead.written = [now + 300 - 60 * place for place in range(21)]
    assert ahead.rate(now) == pytest.approx(60 * 10 / 540)
    rests = status.Stage("probe", 100, written=[now - 400, now - 380, now + 3600, 1e12])
    assert rests.rate(now) is None and rests.ends(now) is None
    # The year 2100, and one of which no calendar knows.
    strays = status.Stage("probe", 6, written=[now - 86400, local(2100, 1, 1), 1e12], fails=[1e12])
    found = status_days.days([strays], now, 10)
    told = [(one.day, one.done, one.failed, one.new) for one in found]
    assert told == [("2026-03-04", 1, 0, 1), ("2026-03-05", 2, 1, 2)]


def test_the_end_is_estimated_while_a_stage_goes_on(study):
    paths, now = Paths.of(study), time.time()
    for place, name in enumerate(IDS[:3]):
        Manifest(name, "probe", OK).write(paths.manifest("probe", name))
        os.utime(paths.manifest("probe", name), (0, now - 120 + 60 * place))
    probe = collected(study)["probe"]
    assert probe.rate(now) == pytest.approx(1.5) and probe.ends(now) == pytest.approx(now + 120)
    told = "\n".join(lines_of(study, [probe]))
    assert status_lines.date(now + 120)[:-1] in told


def test_jobs_under_way(study):
    paths = Paths.of(study)
    made = {
        "probe": (paths.manifest("probe", "v0"), paths.shard_manifest("probe", "1")),
        "transcripts/text": (paths.transcripts("text", "0"),),
        "embeddings/picture": (paths.embeddings("picture", "0"),),
        "features/seen": (paths.feature("seen"),),
        "relabel/zero": (paths.relabelled("zero"),),
        "imagine/dream": (paths.imagined("dream", "0"),),
        None: (paths.metrics("topic", "m"), "data/splits/s/topic.csv", f"{paths.root}/fetch/dropped/v0.json"),
    }
    with contextlib.ExitStack() as jobs:
        for output in itertools.chain.from_iterable(made.values()):
            jobs.enter_context(live.working(paths.live, f"rule {output}", [output, "other"]))
        assert work(study).by_stage() == {stage: len(outputs) for stage, outputs in made.items() if stage}
        running = {name: stage.running for name, stage in collected(study).items() if stage.running}
    assert running == {"probe": 2, "transcripts/text": 1, "embeddings/picture": 1, "features/seen": 1}
    assert work(study).by_stage() == {}


def test_a_run_is_told_though_all_its_jobs_wait_in_line(study):
    paths = Paths.of(study)
    assert lines_of(study, [])[1] == "no run is active" and work(study).run_as_dict() is None
    run = live.begin_run(paths.root, paths.live)
    try:
        assert lines_of(study, [])[1].startswith(f"run: host {socket.gethostname()}, pid {os.getpid()}, since 20")
        told = json.loads(json.dumps(work(study).run_as_dict()))
        assert (told["pid"], told["state"]) == (os.getpid(), "live")
    finally:
        run.end()
    assert lines_of(study, [])[1] == "no run is active"


def test_each_record_is_looked_at_once(study, monkeypatch):
    paths, looked = Paths.of(study), []
    open_plain = records.open_plain
    with live.working(paths.live, "rule", [paths.predictions("topic", "majority")]):
        monkeypatch.setattr(records, "open_plain", lambda path, **how: looked.append(path) or open_plain(path, **how))
        seen = work(study)
        told = list(status_lines.lines(study, read_corpus("videos.csv"), seen, list(collected(study).values())))
        looked.clear()
        status.collect(study, read_corpus("videos.csv"), seen)
        assert "running" in told[3] and status_tasks.collect(study, seen)[0].models.running == 1 and looked == []


def test_what_a_killed_job_left_is_not_under_way(study):
    paths = Paths.of(study)
    output = paths.manifest("probe", "v0")
    code = f"""
from triptych.core import ended, live
with live.working({paths.live!r}, "rule", [{output!r}]):
    print("here", flush=True)
    input()
"""
    job = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    job.stdout.readline()
    assert work(study).by_stage() == {"probe": 1}
    job.kill()
    job.wait()
    assert list((Path(paths.live) / "jobs").iterdir()) and work(study).by_stage() == {}
    (killed,) = work(study).stopped
    assert killed["why"].startswith(status_running.KILLED) and f"pid {job.pid}" in killed["why"]
    assert f"rule: {status_running.KILLED}" in told_of(study)
