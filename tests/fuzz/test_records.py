"""Small JSON files of a run: manifests, notes of downloads, requests, locks, memories, history."""

import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz import watch
from fuzz.damage import damaged, json_files, json_lines, values, words
from fuzz.target import target, told, tried
from hypothesis import strategies as st

from triptych.commands import begin, status_days, status_lines, status_running
from triptych.commands import status as command
from triptych.core import digests, ended, live, retry
from triptych.core.config import Study
from triptych.core.corpus import read_corpus
from triptych.core.files import DamagedFile, read_json
from triptych.core.models_lock import WeightsError, entry_for, read_lock
from triptych.core.paths import Paths
from triptych.core.refused import read_refused
from triptych.core.status import STATES, Manifest, Outcome, Refused
from triptych.media import fetch, unit
from triptych.media.fetch_attempts import RunStop, record, record_refetch, token
from triptych.report.history import append_history, read_history

OK = {
    "video": "a",
    "stage": "audio",
    "status": "ok",
    "reason": None,
    "message": None,
    "warnings": {"truncated": "it ends early"},
    "transient": False,
    "key": "ab" * 32,
    "artefacts": {"flac": {"path": "a.flac", "sha256": "cd" * 32, "bytes": 4}},
    "data": {
        "digest": "ef" * 32,
        "url": "https://host.example/a",
        "made_with": {"version": "1", "params": {}},
        "audio": {},
    },
}
FAILED = {**OK, "status": "failed", "reason": "http_404", "message": "not there", "warnings": {}, "artefacts": {}}
NOTE = {
    "token": 2,
    "failed_at": 1.7e9,
    "transient": True,
    "reason": "timeout",
    "refetched": [{"sha256": "ab", "changed": False}],
}
REQUEST = {"requested_at": 1.7e9, "media": {"probe/a": 2, "audio/shards/0": 1}}
LOCK = {
    "models": {"org/name": {"revision": "0" * 40, "files": {"model.safetensors": {"sha256": "ab" * 32, "bytes": 3}}}}
}
REFUSED = {"refused": {"a": {"duplicate_of": "b", "by": "content"}}, "tied": {"film one": "film two"}}
RUN = {"run": "ab" * 32, "config": "cd" * 32, "metrics": {"topic": {"sight": {"n": 8, "macro_f1": [0.5, 0.2, 0.8]}}}}
PROCESS = {
    "host": "n1",
    "pid": 12,
    "since": "2026-01-01 00:00:00",
    "slurm_job": "7",
    "restart": 1,
    "born": "5",
    "ran_in": "/there",
    "what": "embed_shard shard=0",
    "writes": ["results/s/embeddings/e/0.h5"],
}
STOPPED = {"what": "embed_shard shard=0", "writes": ["a"], "why": "a reason", "log": "a.log", "when": 1.7e9}
PARAMS = {"retry_after_hours": 12.0}


def paths_in(folder):
    return Paths("s", str(folder / "results"), str(folder / "media"), str(folder / "splits"))


@pytest.mark.timeout(60)
def test_an_example_that_waits_counts_as_hanging(folder, monkeypatch):
    os.mkfifo(folder / "pipe")
    monkeypatch.setattr(watch, "LONGEST_WAIT", 0.1)
    with pytest.raises(watch.Hang, match=r"more than 0\.1 s"), watch.watched(folder):
        (folder / "pipe").read_bytes()
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert left > 1, "pytest's own limit goes on"


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@target(share=3, content=json_files(OK, FAILED))
def test_a_damaged_manifest_is_named(folder, content):
    path = put(folder / "manifest.json", content)
    found = tried(DamagedFile, (path,), Manifest.read, path)
    if found:
        assert found.outcome.status in STATES
        assert isinstance(found.video, str)
        assert all(isinstance(one["path"], str) and one["bytes"] >= 0 for one in found.artefacts.values())
        # What was read can be written and comes back.
        found.write(folder / "again.json")
        again = Manifest.read(folder / "again.json")
        assert json.dumps(vars(again), sort_keys=True, default=vars) == json.dumps(
            vars(found), sort_keys=True, default=vars
        )


@target(share=2, content=json_files(OK, FAILED))
def test_stages_after_a_damaged_manifest_end_with_an_outcome(folder, content):
    paths = paths_in(folder)
    for stage in ("fetch", "probe", "audio"):
        put(folder / "results" / "s" / stage / "a.json", content)
    for call in (
        lambda: unit.artefact(paths, "audio", "a", "flac"),
        lambda: unit.run_stage("audio", [{"slug": "a"}], paths, {}, {"memory_mb": 300, "wall_seconds": 5}),
    ):
        try:
            call()
        except Refused as refused:
            assert refused.outcome.reason
        except DamagedFile as error:
            told(error, "a.json")
    fetch.drop_source(paths, "a")


@target(
    status=st.sampled_from(STATES),
    text=st.text(st.characters(codec="utf-8"), max_size=30),
    data=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), st.integers() | st.booleans(), max_size=3),
)
def test_manifests_come_back(folder, status, text, data):
    outcome = Outcome(status, None if status == "ok" else "why", text or None, {"code": text}, status == "failed")
    made = Manifest("a", "probe", outcome, "k", {"x": {"path": "a.x", "sha256": "00", "bytes": 1}}, data)
    made.write(folder / "made.json")
    assert Manifest.read(folder / "made.json") == made


@target(share=2, content=json_files(NOTE), run=json_files({"answers_429": 1}), request=json_files(REQUEST))
def test_damaged_notes_of_downloads_cost_no_run(folder, content, run, request):
    paths = paths_in(folder)
    note = put(folder / "results" / "s" / "attempts" / "a.json", content)
    assert token(paths, "a", PARAMS) >= 0
    assert token(paths, "a", PARAMS, True) >= 0
    put(retry.request_file(paths), request)
    assert retry.requested_at(paths) >= 0
    assert isinstance(retry.due(paths, "a"), bool)
    assert all(count >= 0 for count in retry.counts(paths).values())
    record(paths, "a", 3, Outcome("failed", "timeout", "x", transient=True))
    assert json.loads(note.read_text())["token"] == 3
    put(note, content)
    record_refetch(paths, "a", "ab", True)
    stop = RunStop(paths, "run", 2)
    put(stop.path, run)
    with suppress(Refused):
        stop.check()
    stop.count_429("host.example")
    stop.bot_check("host.example")
    assert stop.stopped


@target(content=json_files(OK, FAILED), note=json_files(NOTE), lines=json_lines({"video": "a", "status": "ok"}))
def test_status_tells_of_damaged_files(folder, content, note, lines):
    results = folder / "results" / "s"
    put(folder / "videos.csv", b"id,source\na,https://host.example/a\nb,x.mp4\n")
    for place, data in (
        ("fetch/a.json", content),
        ("probe/b.json", content),
        ("attempts/a.json", note),
        ("transcripts/captions/0.jsonl", lines),
        ("benchmarks/probe/a.tsv", lines),
        ("attempts/.retry.json", note),
    ):
        put(results / place, data)
    study = Study.model_validate(
        {
            "study": "s",
            "corpus": str(folder / "videos.csv"),
            "results": str(folder / "results"),
            "shards": 1,
            "media_dir": str(folder / "media"),
            "splits_dir": str(folder / "splits"),
            "transcripts": {"captions": {"use": "captions"}},
        }
    )
    corpus = read_corpus(study.corpus)
    work = status_running.look(Paths.of(study))
    stages = command.collect(study, corpus, work)
    shown = [*status_lines.lines(study, corpus, work, stages), *status_days.lines(status_days.days(stages, 0.0, 3))]
    text = "\n".join(shown)
    assert "Traceback" not in text
    for stage in stages:
        json.dumps(stage.as_dict(0.0))
        assert stage.pending >= 0


@target(run=json_files(PROCESS), job=json_files(PROCESS, STOPPED), stopped=json_files(STOPPED, PROCESS))
def test_records_of_processes_steer_nothing(folder, run, job, stopped):
    paths = paths_in(folder)
    put(Path(paths.live, "run.json"), run)
    put(Path(paths.live, "jobs", f"{'0a' * 8}.n1.12.34.json"), job)
    put(Path(paths.live, "failed", f"{'0a' * 8}.json"), stopped)
    killed = live.recorded(paths.live)
    lines = [*(one.line for one in killed), *begin.notes(paths), *begin.notes(paths, unlocks=True)]
    assert all(line.isprintable() for line in lines)
    command_line = r"kill (\d+|PID)( \(on ([\w.-]+|its host)\))?|scancel [\w.+-]+"
    assert all(re.fullmatch(command_line, one.ending, re.ASCII) for one in killed)
    told = [*ended.recorded(paths.live), *status_running.look(paths).stopped]
    json.dumps(told, allow_nan=False).encode("utf-8")
    assert live.active_run(paths.live) is None
    live.begin_run(paths.root, paths.live).end()
    assert live.jobs(paths.live, sweep=True) == []
    ended.forget(paths.live)
    assert not list(Path(paths.live).glob("*/*.json"))


@target(content=json_files(LOCK))
def test_a_damaged_lock_of_models_is_told(folder, content):
    path = put(folder / "models.lock", content)
    models = tried(WeightsError, (path,), read_lock, path)
    if models:
        entry_for("org/name", None, models)
        entry_for("org/name", "0" * 40, models)
        for one in models.values():
            assert all(not name.startswith("/") and ".." not in name.split("/") for name in one["files"])


@target(content=json_files({"/a|1|2|3|4": "ab" * 32}))
def test_a_damaged_memory_of_digests_is_forgotten(folder, content):
    path = put(folder / "digests.json", content)
    assert all(isinstance(one, str) for pair in digests._read(path).items() for one in pair)


@target(content=json_files(REFUSED))
def test_a_damaged_list_of_refused_videos_is_named(folder, content):
    path = put(folder / "refused.json", content)
    found = tried(DamagedFile, (path,), read_refused, path)
    if found:
        assert all(isinstance(one["duplicate_of"], str) for one in found[0].values())
        assert all(isinstance(group, str) for group in found[1].values())


@target(content=json_lines(RUN))
def test_a_damaged_history_is_kept_and_continued(folder, content):
    path = put(folder / "history.jsonl", content)
    before = tried(DamagedFile, (path,), read_history, path)
    if before is None:
        return
    metrics = {
        "topic": {
            "sight": {"primary": "macro_f1", "n": 2, "all": {"macro_f1": dict.fromkeys(("value", "low", "high"), 0.5)}}
        }
    }
    assert append_history(path, "digest", metrics)
    assert len(read_history(path)) == len(before) + 1
    assert path.read_bytes().startswith(content)


@target(content=st.one_of(damaged(json.dumps(OK).encode()), st.binary(max_size=50)))
def test_json_is_read_or_damaged(folder, content):
    path = put(folder / "any.json", content)
    tried(DamagedFile, (path,), read_json, path)


@target(data=st.dictionaries(words, values, max_size=4))
def test_outcomes_of_anything_are_outcomes_or_refused(folder, data):
    tried((ValueError, KeyError, TypeError), (), Outcome.from_dict, data)
