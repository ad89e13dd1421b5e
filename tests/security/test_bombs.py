"""Small files that claim to be large: refused from their headers, in a child process with little memory."""

import struct
from pathlib import Path

import numpy as np
import pytest
from media import clips

from triptych.core.config import Audio, Limits
from triptych.core.status import Refused
from triptych.media import audio, probe, sandbox
from triptych.speech.captions import MAX_BYTES, transcript_of


def refused(path, **limits):
    """How the probe ended in a child that may use 256 MB."""
    told = {**Limits().model_dump(), **limits}
    with pytest.raises(Refused) as caught:
        sandbox.run(probe.examine, str(path), told, memory_mb=256, wall_seconds=20)
    return caught.value.outcome.reason


def boxes(data, name, start=0):
    """Where the content of all boxes of a name begins."""
    found, at = [], data.find(name, start)
    while at >= 0:
        found.append(at + 4)
        at = data.find(name, at + 1)
    return found


@pytest.fixture
def clip(tmp_path):
    return clips.write(tmp_path / "clip.mp4", clips.moving(8))


def test_an_mp4_that_claims_a_size_of_pictures_beyond_memory(clip):
    data = bytearray(clip.read_bytes())
    for at in boxes(data, b"avc1"):
        data[at + 24 : at + 28] = struct.pack(">HH", 60_000, 60_000)
    for at in boxes(data, b"tkhd"):
        data[at + 76 : at + 84] = struct.pack(">II", 60_000 << 16, 60_000 << 16)
    clip.write_bytes(data)
    # The stream itself says 96 x 64: whichever of both is believed, no large picture is made.
    try:
        found = sandbox.run(probe.examine, str(clip), Limits().model_dump(), memory_mb=256, wall_seconds=20)
    except Refused as ended:
        assert ended.outcome.reason in ("too_many_pixels", "unreadable")
    else:
        assert found.data["video"]["width"] * found.data["video"]["height"] <= Limits().max_pixels


@pytest.mark.parametrize("seconds", [10**6, 2**30])
def test_an_mp4_that_claims_to_last_for_years(clip, seconds):
    """Eight frames on a clock that ticks once a second, many ticks each."""
    data = bytearray(clip.read_bytes())
    for name in (b"mvhd", b"mdhd"):
        for at in boxes(data, name):
            data[at + 12 : at + 20] = struct.pack(">II", 1, seconds)
    for at in boxes(data, b"tkhd"):
        data[at + 20 : at + 24] = struct.pack(">I", seconds)
    for at in boxes(data, b"elst"):
        data[at + 8 : at + 12] = struct.pack(">I", seconds)
    for at in boxes(data, b"stts"):
        data[at + 12 : at + 16] = struct.pack(">I", seconds // 8)
    clip.write_bytes(data)
    assert refused(clip) == "too_long"


def test_an_mp4_that_claims_many_frames(clip):
    assert refused(clip, max_frames=7) == "too_many_frames"


@pytest.mark.fault(16)
@pytest.mark.parametrize(("rate", "ended"), [(1, "refused"), (999, "refused"), (1000, "ok")])
def test_kilobytes_of_sound_at_an_odd_rate_are_no_hours(tmp_path, rate, ended):
    """At 1 Hz, 21 kB became 120 MB within all limits."""
    path, targets = tmp_path / "slow.wav", {name: str(tmp_path / f"a.{name}") for name in ("mp3", "flac")}
    path.write_bytes(clips.riff(np.random.default_rng(0).bytes(21_000), rate=rate))
    arguments = (str(path), 0, 0.0, targets, Audio().model_dump(), Limits().model_dump())
    if ended == "ok":
        assert sandbox.run(audio.extract, *arguments, memory_mb=600, wall_seconds=60).data["seconds"] > 10
        return
    with pytest.raises(Refused) as told:
        sandbox.run(audio.extract, *arguments, memory_mb=600, wall_seconds=60)
    assert (told.value.outcome.status, told.value.outcome.reason) == ("refused", "odd_rate")
    assert not any(Path(target).exists() and Path(target).stat().st_size > 1000 for target in targets.values())


def test_a_gigabyte_of_captions_is_not_read(tmp_path):
    path = tmp_path / "a.vtt"
    with path.open("wb") as handle:
        handle.write(b"WEBVTT\n\n")
        handle.truncate(2**30)
    assert path.stat().st_size > MAX_BYTES
    assert transcript_of({"slug": "a", "captions": str(path)}, "captions").outcome.reason == "captions_too_large"


def test_a_device_is_no_caption_file():
    assert transcript_of({"slug": "a", "captions": "/dev/zero"}, "captions").outcome.reason == "missing_captions"
