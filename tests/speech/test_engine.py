"""A shard of videos: unchanged ones are taken over, a broken job keeps what it did, outcomes are told."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import CHECKOUT
from tiny import speech

from triptych.core.status import Outcome
from triptych.core.units import by_shard
from triptych.speech import base, engine
from triptych.speech.faster_whisper import FasterWhisper
from triptych.speech.transcript import Segment, Transcript, read_transcripts, write_transcripts

LOOSE = {"compression_ratio_threshold": 1000.0, "loop_repeats": 1000}
PARAMS = {"vad": False, "max_tokens": 12, "beam": 2, **LOOSE}


@pytest.fixture
def source(converted):
    return {"use": "faster-whisper", "model": str(converted), "params": PARAMS, "batch": 4}


def run(sounds, source, slugs=None, shard="0", shards=1, **changes):
    slugs = slugs or sounds.slugs
    return engine.transcribe_shard(source, slugs, sounds.paths, shard, name="speech", shards=shards, **changes)


def read(sounds, shard="0"):
    return read_transcripts(sounds.paths.transcripts("speech", shard))


def test_outcomes_times_and_take_over(sounds, source, tmp_path):
    counts = run(sounds, source)
    assert counts == {"computed": 3, "taken_over": 0, "absent": 2, "ok": 3}
    found = read(sounds)
    assert (found["mute"].outcome.reason, found["silent"].outcome.reason) == ("no_audio", "silent")
    assert "audio: there is no sound track" in found["mute"].outcome.message
    said = found["v1"]
    assert said.text and said.key and said.language in speech.TONGUES
    assert said.segments[0].start >= 1.5 and said.duration <= 1.5 + 4 + 1e-6
    assert set(said.segments[0].quality) == {"no_speech_prob", "avg_logprob", "compression_ratio"}
    before = (tmp_path / "results/s/transcripts/speech/0.jsonl").read_bytes()
    assert not (tmp_path / "results/s/transcripts/speech/0.parts").exists()

    # Nothing to do: the model is not even loaded.
    assert run(sounds, source | {"batch": 1, "threads": 2})["computed"] == 0
    assert (tmp_path / "results/s/transcripts/speech/0.jsonl").read_bytes() == before
    # One sound changed: that video alone. Its offset counts too.
    sounds.write("v0", speech.noise(2, 9))
    assert run(sounds, source)["computed"] == 1
    sounds.write("v2", speech.noise(5, 2), start=0.5)
    assert run(sounds, source)["computed"] == 1
    # Another search, another language: all that has sound.
    assert run(sounds, source | {"params": PARAMS | {"beam": 1}})["computed"] == 3
    assert run(sounds, source | {"language": "fr"})["computed"] == 3
    assert read(sounds)["v0"].language == "fr"


def test_a_job_that_ends_early_keeps_what_it_did(sounds, source, monkeypatch, tmp_path):
    heard = []
    hear = FasterWhisper.hear

    def stumble(self, samples, language, batch):
        heard.append(len(samples))
        if len(heard) == 3:
            raise RuntimeError("the machine went away")
        return hear(self, samples, language, batch)

    monkeypatch.setattr(FasterWhisper, "hear", stumble)
    with pytest.raises(RuntimeError, match="went away"):
        run(sounds, source)
    parts = tmp_path / "results/s/transcripts/speech/0.parts"
    assert len(list(parts.glob("*.jsonl"))) == 2
    counts = run(sounds, source)
    assert counts["computed"] == 1 and counts["taken_over"] == 2 and counts["ok"] == 3
    assert not parts.exists()


def test_only_videos_that_earlier_sources_left_without_text(sounds, source):
    lines = [Transcript("v0", "captions", segments=(Segment(0, 1, "said before"),))]
    lines += [Transcript(slug, "captions", Outcome("absent", "no_captions", "none")) for slug in ("v1", "v2", "mute")]
    write_transcripts(sounds.paths.transcripts("captions", "0"), lines)
    counts = run(sounds, source | {"when": "no_text"}, earlier=["captions"])
    assert counts["computed"] == 2
    found = read(sounds)
    assert found["v0"].outcome.reason == "not_needed" and found["v1"].outcome.ok
    assert found["mute"].outcome.reason == "no_audio"
    # The captions are gone: this one too, and no other.
    write_transcripts(sounds.paths.transcripts("captions", "0"), lines[1:])
    assert run(sounds, source | {"when": "no_text"}, earlier=["captions"])["computed"] == 1


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 1), (2, 5)])
def test_another_number_of_shards_computes_nothing(sounds, source, old, new):
    for shard, slugs in by_shard(sounds.slugs, old).items():
        run(sounds, source, slugs, shard, old)
    texts = {}
    for shard, slugs in by_shard(sounds.slugs, new).items():
        assert run(sounds, source, slugs, shard, new)["computed"] == 0
        texts |= {video: one.text for video, one in read(sounds, shard).items()}
        assert set(read(sounds, shard)) == set(slugs)
    assert sorted(texts) == sounds.slugs and texts["v0"]


def test_a_damaged_line_is_transcribed_again(sounds, source, tmp_path):
    run(sounds, source)
    path = tmp_path / "results/s/transcripts/speech/0.jsonl"
    before = path.read_text()
    lines = before.split("\n")
    place = next(number for number, line in enumerate(lines) if '"video": "v1"' in line)
    lines[place] = lines[place][: len(lines[place]) // 2]
    path.write_text("\n".join(lines))
    assert run(sounds, source)["computed"] == 1
    assert path.read_text() == before


def test_a_lost_flac_that_cannot_be_made_again_is_told(sounds, source, tmp_path):
    (tmp_path / "results/s/audio/v0.flac").unlink()
    counts = run(sounds, source)
    assert counts["ok"] == 2
    assert read(sounds)["v0"].outcome.status == "failed"


class Small:
    """A recogniser whose card holds two windows."""

    card = FasterWhisper.card
    tried: list = []  # noqa: RUF012

    def __init__(self, params):
        self.params = params

    def load(self, device, threads, precision):
        pass

    def hear(self, samples, language, batch):
        self.tried.append(batch)
        if batch > 2:
            raise RuntimeError("CUDA failed with error out of memory")
        return base.Spoken((Segment(0, 1, "few words"),), languages={"en": 30.0, "fr": 10.0})


@pytest.mark.fault(18)
def test_out_of_memory_halves_the_batch_for_good(sounds, source, monkeypatch):
    monkeypatch.setitem(base.RECOGNISERS, "faster-whisper", f"{__name__}:Small")
    monkeypatch.setattr(base, "find", lambda use: Small)
    Small.tried.clear()
    run(sounds, source | {"batch": 8})
    assert Small.tried == [8, 4, 2, 2, 2]
    assert read(sounds)["v0"].outcome.warnings["languages"] == "en 75 %, fr 25 %"
    assert read(sounds)["v0"].language == "en"


def test_silence_within_the_flac_is_not_given_to_the_model(sounds, source, monkeypatch):
    # A manifest of an older version tells no peak.
    path = Path(sounds.paths.manifest("audio", "silent"))
    told = json.loads(path.read_text())
    del told["data"]["peak"]
    path.write_text(json.dumps(told))
    monkeypatch.setattr(FasterWhisper, "hear", lambda *_: pytest.fail("silence was given to the model"))
    run(sounds, source, ["silent"])
    assert read(sounds)["silent"].outcome.reason == "silent"


def test_spares_go_when_their_shards_have_run(sounds, source, tmp_path):
    run(sounds, source)
    folder = tmp_path / "results/s/transcripts/speech"
    members = by_shard(sounds.slugs, 2)
    assert "0" in members and len(members) == 2
    run(sounds, source, members["0"], "0", 2)
    assert list((folder / "spare").glob("*.jsonl"))
    run(sounds, source, members["1"], "1", 2)
    assert not list((folder / "spare").glob("*.jsonl"))
    shutil.rmtree(folder)
    assert np.isclose(run(sounds, source, members["1"], "1", 2)["taken_over"], 0)


KILLED = """
import json, os, signal, sys
from triptych.core.paths import Paths
from triptych.speech import engine
from triptych.speech.faster_whisper import FasterWhisper
source, slugs, paths = json.loads(sys.argv[1])
hear, calls = FasterWhisper.hear, []
def last(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return hear(*arguments)
FasterWhisper.hear = last
engine.transcribe_shard(source, slugs, Paths(**paths), "0", name="speech")
"""


def test_a_killed_job_costs_the_video_in_flight(sounds, source, tmp_path):
    given = json.dumps([source, sounds.slugs, vars(sounds.paths)])
    ran = subprocess.run([sys.executable, "-c", KILLED, given], env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert ran.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "results/s/transcripts/speech/0.parts").glob("*.jsonl"))) == 2
    counts = run(sounds, source)
    assert counts["computed"] == 1 and counts["taken_over"] == 2 and counts["ok"] == 3
