"""Every recogniser of speech through the real Snakefile, beside captions: order, take-over, what runs again."""

import json

import pytest
from harness import Workflow, demo_rows
from tiny import speech

from triptych.report import status_table
from triptych.speech.transcript import read_transcripts

LOOSE = {"compression_ratio_threshold": 1000.0, "loop_repeats": 1000, "silence_db": -120.0}


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    whisper = speech.build_whisper(folder / "hub")
    converted = speech.build_converted(folder / "converted", whisper)
    openai = speech.build_openai(folder / "tiny.pt")
    rows = demo_rows()
    rows[0]["captions"] = ""
    sources = {
        "captions": {"use": "captions"},
        "fast": {
            "use": "faster-whisper",
            "model": str(converted),
            "when": "no_text",
            "params": {"vad": False, "max_tokens": 12, **LOOSE},
        },
        "openai": {
            "use": "openai-whisper",
            "model": str(openai),
            "language": "en",
            "params": {"max_tokens": 6, "beam": 1, "fallback": False, **LOOSE},
        },
        "hub": {"use": "hf-asr", "model": str(whisper), "params": {"max_tokens": 8, **LOOSE}},
    }
    made = Workflow(
        folder / "run",
        rows,
        shards=1,
        transcripts=sources,
        encoders={},
        features={},
        models={"words": {"text": ["transcript"], "head": "logistic"}},
    )
    made.run()
    return made


def lines(workflow, source):
    return read_transcripts(workflow.path("transcripts", source, "0.jsonl"))


def test_sources_are_tried_in_order(workflow):
    assert workflow.unasked() == set()
    bare, *others = [row["id"] for row in workflow.rows]
    assert lines(workflow, "captions")[bare].outcome.reason == "no_captions"
    fast = lines(workflow, "fast")
    assert fast[bare].outcome.ok and fast[bare].text
    assert {fast[one].outcome.reason for one in others} == {"not_needed"}
    text = lines(workflow, "text")
    assert text[bare].source == "fast" and text[bare].segments == fast[bare].segments
    assert {text[one].source for one in others} == {"captions"}
    for source in ("openai", "hub"):
        found = lines(workflow, source)
        assert all(one.key and one.outcome.status in ("ok", "absent") for one in found.values())
        assert sum(one.outcome.ok for one in found.values()) >= len(others), source


def test_status_accounts_for_every_source(workflow):
    totals = status_table.totals(status_table.read(workflow.path("status.tsv")))
    rows = len(workflow.rows)
    for source in ("captions", "fast", "openai", "hub", "text"):
        assert sum(totals[f"transcripts:{source}"].values()) == rows
    assert totals["transcripts:fast"]["absent"] == rows - 1


def test_nothing_runs_again_and_another_search_runs_its_source_alone(workflow):
    assert workflow.plan() == []
    before = workflow.snapshot("transcripts/*/*.jsonl")
    # Batch size and threads change no text.
    workflow.study["transcripts"]["hub"]["batch"] = 1
    workflow.write()
    assert workflow.plan() == []
    workflow.study["transcripts"]["fast"]["params"]["beam"] = 2
    workflow.write()
    planned = workflow.plan("transcripts")
    assert [job for job in planned if job.startswith("transcribe_")] == ["transcribe_shard source=fast shard=0"]
    workflow.run("transcripts")
    after = workflow.snapshot("transcripts/*/*.jsonl")
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"transcripts/fast/0.jsonl", "transcripts/text/0.jsonl"} and "transcripts/fast/0.jsonl" in changed
    assert workflow.plan("transcripts") == []
    log = workflow.path("logs", "transcripts-fast", "0.log").read_text()
    assert "1 to transcribe" in log and "1 computed" in log


def test_captions_that_come_make_the_recogniser_needless(workflow):
    bare = workflow.rows[0]
    bare["captions"] = workflow.rows[1]["captions"]
    workflow.write()
    workflow.run("transcripts")
    assert lines(workflow, "fast")[bare["id"]].outcome.reason == "not_needed"
    assert lines(workflow, "text")[bare["id"]].source == "captions"
    told = json.loads(workflow.path("transcripts", "text", "0.jsonl").read_text().split("\n")[0])
    assert "key" not in told
