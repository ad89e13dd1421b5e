"""The engine: what it stores, what it takes over, what it computes again, and what a kill costs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from triptych.core.store import DamagedStore, read_index, read_store
from triptych.core.units import by_shard
from triptych.encoders import base, engine, pooling, registry
from triptych.encoders.faults import validate

AUDIO = {"use": "classic-audio", "batch": 2}
IMAGE = {"use": "classic-image", "batch": 2}


def embed(studio, encoder, shards=1, name="e"):
    """All shards of an encoder; counts summed, and the number of each shard."""
    total = {}
    for shard, slugs in by_shard(studio.slugs, shards).items():
        if encoder["use"] == "minilm":
            studio.write_transcripts(shard, slugs)
        counts = engine.embed_shard(encoder, studio.videos(slugs), studio.paths, shard, name=name, shards=shards)
        for what, number in counts.items():
            total[what] = total.get(what, 0) + number
    return total


def entries(studio, shards=1, name="e"):
    found = {}
    for shard in by_shard(studio.slugs, shards):
        whole, damaged = read_store(studio.paths.embeddings(name, shard))
        assert not damaged
        found |= whole
    return found


@pytest.mark.parametrize("encoder", [AUDIO, IMAGE])
def test_every_video_has_an_entry(studio, encoder):
    counts = embed(studio, encoder)
    assert counts == {"computed": 5, "taken_over": 0, "ok": 5, "absent": 2, "failed": 1}
    found = entries(studio)
    assert set(found) == set(studio.slugs)
    card = registry.create(encoder["use"]).card
    for entry in found.values():
        for name, values in entry.arrays.items():
            assert values.dtype == np.float32 and values.shape[1] == card.arrays[name] and len(values) <= 64
            assert (np.diff(entry.times[name][:, 0]) >= 0).all() and (entry.times[name] >= 0).all()
    assert found["broken"].outcome.status == "failed"
    assert found["clip4" if encoder is AUDIO else "clip5"].outcome.status == "absent"
    assert set(found["clip1"].arrays) == set(card.arrays)


@pytest.mark.parametrize("encoder", [AUDIO, IMAGE])
def test_again_nothing_is_computed_and_bytes_are_the_same(studio, encoder):
    embed(studio, encoder)
    path = Path(studio.paths.embeddings("e", "0"))
    before = path.read_bytes()
    assert embed(studio, encoder)["computed"] == 0
    assert path.read_bytes() == before
    path.unlink()
    assert embed(studio, encoder | {"batch": 32})["computed"] == 5
    assert path.read_bytes() == before, "bytes must not depend on the batches"
    assert not path.with_suffix(".parts").exists()


def test_another_number_of_shards_computes_nothing(studio):
    embed(studio, AUDIO, shards=3)
    before = entries(studio, 3)
    for shards in (5, 2, 12, 1, 3):
        counts = embed(studio, AUDIO, shards=shards)
        assert counts["computed"] == 0 and counts["taken_over"] == len(studio.slugs), shards
        after = entries(studio, shards)
        assert set(after) == set(before)
        for video, entry in after.items():
            assert entry.key == before[video].key
            assert all((entry.arrays[name] == before[video].arrays[name]).all() for name in entry.arrays)
    assert not list((Path(studio.paths.embeddings("e", "0")).parent / "spare").glob("*.h5"))


def test_parameters_and_input_change_the_key(studio):
    embed(studio, AUDIO)
    assert embed(studio, AUDIO | {"params": {"hop": 0.25}})["computed"] == 5
    assert embed(studio, AUDIO | {"params": {"hop": 0.25, "window": 1.0}})["computed"] == 0, (
        "a default given is no change"
    )


def test_a_damaged_entry_is_computed_alone(studio):
    embed(studio, AUDIO)
    path = Path(studio.paths.embeddings("e", "0"))
    before = path.read_bytes()
    rows = read_store(path, ["clip2"])[0]["clip2"].arrays["clip"].tobytes()
    changed = bytearray(before)
    changed[before.index(rows) + 3] ^= 1
    path.write_bytes(changed)
    counts = embed(studio, AUDIO)
    assert counts["computed"] == 1 and path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    assert embed(studio, AUDIO)["computed"] == 5 and path.read_bytes() == before


def test_what_pooling_finds_damaged_is_computed_alone(studio, tmp_path):
    embed(studio, AUDIO)
    path = Path(studio.paths.embeddings("e", "0"))
    before = path.read_bytes()
    rows = read_store(path, ["clip2"])[0]["clip2"].arrays["clip"].tobytes()
    one_entry = bytearray(before)
    one_entry[before.index(rows) + 3] ^= 1
    for changed, computed in ((bytes(one_entry), 1), (before[: len(before) // 2], 5)):
        path.write_bytes(changed)
        with pytest.raises(DamagedStore, match="set aside; run snakemake again"):
            pooling.pool_feature("heard", "e.clip", "mean", [path], tmp_path / "f.h5")
        assert not path.exists() and not (tmp_path / "f.h5").exists()
        assert embed(studio, AUDIO)["computed"] == computed
        assert path.read_bytes() == before and not path.with_suffix(".parts").exists()
    pooling.pool_feature("heard", "e.clip", "mean", [path], tmp_path / "f.h5")


def test_a_row_more_is_computed_alone_and_a_row_less_is_gone(studio):
    engine.embed_shard(AUDIO, studio.videos(["clip0", "clip1"]), studio.paths, "0", name="e", shards=1)
    counts = engine.embed_shard(
        AUDIO, studio.videos(["clip0", "clip1", "clip2"]), studio.paths, "0", name="e", shards=1
    )
    assert (counts["computed"], counts["taken_over"]) == (1, 2)
    counts = engine.embed_shard(AUDIO, studio.videos(["clip1"]), studio.paths, "0", name="e", shards=1)
    assert counts["computed"] == 0
    assert [line["video"] for line in read_index(studio.paths.embeddings("e", "0"))] == ["clip1"]


SLOW = '''
import time
from triptych.encoders.classic_audio import ClassicAudio
class Slow(ClassicAudio):
    """Says when a video is done, then waits."""
    def encode(self, batch):
        found = super().encode(batch)
        with open({log!r}, "a") as handle:
            handle.write("".join(one.video + "\\n" for one in batch))
        if {wait}: time.sleep(60)
        return found
'''


def test_a_kill_costs_the_batch_in_flight(studio, tmp_path):
    """Killed while the third video is in flight: the two before it are taken over, nothing half-written counts."""
    log = tmp_path / "log"

    def module(wait):
        # The wait is read from a file, so that the encoder's own source, part of the key, stays the same.
        (tmp_path / "wait").write_text(wait)
        code = SLOW.format(log=str(log), wait=f"open({str(tmp_path / 'wait')!r}).read() and batch[0].video == 'clip2'")
        (tmp_path / "slow_encoder.py").write_text(code)

    run = (
        "from triptych.encoders import engine; from triptych.core.paths import Paths; import json, sys; "
        "told = json.loads(sys.argv[1]); "
        "print(json.dumps(engine.embed_shard({'use': 'slow_encoder:Slow', 'batch': 1}, told['videos'], "
        "Paths(**told['paths']), '0', name='e', shards=1)))"
    )
    import dataclasses
    import json

    told = json.dumps({"videos": studio.videos(), "paths": dataclasses.asdict(studio.paths)})
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(engine.__file__).parents[2]}"}
    module("yes")
    job = subprocess.Popen([sys.executable, "-c", run, told], env=environment, stdout=subprocess.PIPE)
    until = time.monotonic() + 120
    while not (log.exists() and "clip2" in log.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    out = Path(studio.paths.embeddings("e", "0"))
    assert not out.exists() and len(list(out.with_suffix(".parts").glob("*.h5"))) == 2
    log.write_text("")
    module("")
    again = subprocess.run([sys.executable, "-c", run, told], env=environment, capture_output=True, check=True)
    assert json.loads(again.stdout)["computed"] == 3
    assert log.read_text().split() == ["clip2", "clip3", "clip5"]
    whole = out.read_bytes()
    out.unlink()
    subprocess.run([sys.executable, "-c", run, told], env=environment, check=True, capture_output=True)
    assert out.read_bytes() == whole


def test_a_users_class_by_import_path(studio, tmp_path, monkeypatch):
    code = '''
import numpy as np
from triptych.encoders.base import Encoded, ModelCard, Param
class Loudness:
    """Peak of the sound."""
    card = ModelCard(name="loudness", modality="audio", arrays={"peak": 1}, revision="none", licence="MIT",
                     source="here", parameters={"gain": Param(1.0, "factor", low=0)})
    def __init__(self, params): self.gain = params["gain"]
    def load(self, device): self.device = device
    def encode(self, batch):
        return [Encoded({"peak": np.array([[self.gain * np.abs(one.samples).max()]])},
                        {"peak": np.array([[0.0, len(one.samples) / one.rate]])}) for one in batch]
'''
    (tmp_path / "loud_encoder.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    encoder = {"use": "loud_encoder:Loudness", "params": {"gain": 2.0}}
    assert validate("loud", encoder) == []
    assert embed(studio, encoder)["ok"] == 5
    found = entries(studio)
    assert 0.4 < found["clip0"].arrays["peak"][0, 0] < 0.8
    assert found["clip0"].provenance["encoder"]["code"]


def test_numbers_that_are_none_and_wrong_counts(studio, tmp_path, monkeypatch):
    code = '''
import numpy as np
from triptych.encoders.base import Encoded, ModelCard
class Nan:
    card = ModelCard(name="nan", modality="audio", arrays={"a": 1}, revision="none", licence="MIT", source="here")
    def __init__(self, params): pass
    def load(self, device): pass
    def encode(self, batch):
        return [Encoded({"a": np.array([[np.nan]])}, {"a": np.zeros((1, 2))}) for one in batch]
class Few(Nan):
    def encode(self, batch): return []
class Small(Nan):
    """A device that takes one item at a time."""
    def encode(self, batch):
        if len(batch) > 1:
            raise OutOfMemoryError("out of memory")
        return [Encoded({"a": np.ones((1, 1))}, {"a": np.zeros((1, 2))})]
class OutOfMemoryError(RuntimeError): pass
'''
    (tmp_path / "odd_encoders.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    embed(studio, {"use": "odd_encoders:Nan"})
    assert entries(studio)["clip0"].outcome.reason == "not_finite"
    with pytest.raises(base.EncoderError, match="0 results for"):
        embed(studio, {"use": "odd_encoders:Few"})
    assert embed(studio, {"use": "odd_encoders:Small"})["ok"] == 5


def test_text_reads_transcripts_and_columns(studio):
    encoder = {"use": "minilm", "text": ["title", "transcript"], "params": {"tokens": 16}}
    counts = embed(studio, encoder)
    assert counts["ok"] == len(studio.slugs)
    found = entries(studio)
    assert len(found["clip0"].arrays["embedding"]) == 2 and len(found["clip3"].arrays["embedding"]) == 1
    assert embed(studio, encoder)["computed"] == 0
    # Without a title, a video without a transcript has no text; the others' keys are new, since the fields are.
    counts = embed(studio, encoder | {"text": ["transcript"]})
    assert counts["absent"] == 2 and counts["computed"] == len(studio.slugs) - 2
    assert entries(studio)["clip3"].outcome.reason == "no_captions"


def test_a_damaged_part_is_computed_again(studio):
    path = Path(studio.paths.embeddings("e", "0"))
    path.mkdir(parents=True)  # so that the job ends with an error when it writes its shard file
    with pytest.raises(OSError):
        embed(studio, AUDIO | {"batch": 1})
    path.rmdir()
    parts = sorted(path.with_suffix(".parts").glob("*.h5"))
    assert len(parts) == 5
    parts[0].write_bytes(parts[0].read_bytes()[:-100])
    assert embed(studio, AUDIO)["computed"] == 1
