"""mp3 and flac from one decode: right sound at the right time, from whatever the file holds."""

import shutil
import wave

import av
import numpy as np
import pytest
from media import clips

from triptych.media import audio


def pitch(samples: np.ndarray, rate: int = audio.RATE) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def heard(bench, path) -> np.ndarray:
    return audio.read_flac(bench.artefact("audio", path, "flac"))


def mp3(bench, path):
    """Rate, channels and seconds of the mp3."""
    with av.open(str(bench.artefact("audio", path, "mp3"))) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(audio=0))
        return stream.rate, stream.channels, samples / stream.rate


def run(bench, path, **params):
    bench.run("probe", path)
    return bench.run("audio", path, **params)


def test_both_artefacts_hold_the_sound(bench, tmp_path):
    path = clips.write(tmp_path / "a.mp4", clips.moving(10), clips.tone(3.0, pitch=1000))
    found = run(bench, path)
    assert found.outcome.ok and not found.outcome.warnings
    samples = heard(bench, path)
    assert samples.dtype == np.float32 and len(samples) == found.data["samples"]
    assert found.data["seconds"] == pytest.approx(3.0, abs=0.05) and found.data["rate"] == 16_000
    assert pitch(samples) == pytest.approx(1000, abs=1)
    assert np.percentile(np.abs(samples), 99) == pytest.approx(0.5, abs=0.05)
    assert mp3(bench, path) == (44_100, 1, pytest.approx(3.0, abs=0.1))


@pytest.mark.parametrize(
    ("source", "asked", "given"), [(8000, 44_100, 8000), (48_000, 44_100, 44_100), (44_100, 16_000, 16_000)]
)
def test_mp3_rate_is_not_above_the_source(bench, tmp_path, source, asked, given):
    path = clips.write(tmp_path / "a.wav", sound=clips.tone(0.5, source), rate=source, sound_codec="pcm_s16le")
    assert run(bench, path, mp3_rate=asked).data["mp3_rate"] == given == mp3(bench, path)[0]
    assert pitch(heard(bench, path)) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_any_number_of_channels_becomes_one(bench, tmp_path, channels):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((channels, 2, 22_050, 0, "NONE", ""))
        tone = (clips.tone(0.5, 22_050) * 32767).astype(np.int16)
        out.writeframes(np.repeat(tone[:, None], channels, axis=1).tobytes())
    assert run(bench, path).outcome.ok
    assert pitch(heard(bench, path)) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ogg", "libopus"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.mkv", "aac"), ("a.m4a", "aac")],
)
def test_usual_codecs(bench, tmp_path, name, codec):
    rate = 48_000 if codec == "libopus" else clips.RATE
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((clips.tone(1.0, rate)[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = run(bench, path)
    assert found.data["seconds"] == pytest.approx(1.0, abs=0.1) and not found.outcome.warnings
    assert pitch(heard(bench, path)) == pytest.approx(440, abs=2)


def test_offset_of_the_sound_is_kept(bench, tmp_path):
    path = clips.write(tmp_path / "late.mkv", clips.moving(50), clips.tone(1.0), sound_from=0.5)
    found = run(bench, path)
    assert found.data["start"] == pytest.approx(0.5, abs=0.03)
    assert found.data["seconds"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 44_100, 48_000])
def test_mp3_is_as_long_as_the_flac_and_in_step_with_it(bench, tmp_path, rate):
    """The header tells the length and the encoder's delay, so that players show and play it right."""
    sound = np.random.default_rng(0).normal(size=2 * rate).astype(np.float32) * 0.1
    sound[: rate // 2] = 0
    path = clips.write(tmp_path / "step.wav", sound=sound, rate=rate, sound_codec="pcm_s16le")
    run(bench, path)
    with av.open(str(bench.artefact("audio", path, "mp3"))) as container:
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.05)
        loud = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
        played = container.streams.audio[0].rate
    assert len(loud) == pytest.approx(2 * played, abs=2)
    flac = heard(bench, path)
    for samples, rate_of in ((loud, played), (flac, audio.RATE)):
        step = rate_of // 50
        energy = [np.abs(samples[at : at + step]).mean() for at in range(0, len(samples), step)]
        assert np.argmax(np.array(energy) > 0.04) == 25, rate_of


def test_a_hole_in_the_sound_keeps_what_follows_in_time(bench, tmp_path):
    path = tmp_path / "hole.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start, tone in ((0, clips.tone(1.0, 16_000, 500)), (3 * 16_000, clips.tone(1.0, 16_000, 2000))):
            frame = av.AudioFrame.from_ndarray((tone[None] * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = run(bench, path)
    assert "2.00 s together" in found.outcome.warnings["gaps"]
    samples = heard(bench, path)
    assert len(samples) == pytest.approx(4 * 16_000, abs=200)
    assert np.abs(samples[16_100 : 3 * 16_000 - 100]).max() == 0
    assert pitch(samples[:16_000]) == pytest.approx(500, abs=2)
    assert pitch(samples[3 * 16_000 + 100 :]) == pytest.approx(2000, abs=2)


def test_no_sound_track_is_absent(bench, tmp_path):
    found = run(bench, clips.write(tmp_path / "mute.mp4", clips.moving(10)))
    assert (found.outcome.status, found.outcome.reason, found.artefacts) == ("absent", "no_audio", {})


@pytest.mark.fault(6)
@pytest.mark.parametrize(
    "content",
    [
        clips.riff(),
        clips.riff(claimed=32_000),
        clips.riff(bytes(200_000), channels=9),
        clips.riff(bytes(200_000), channels=64),
        clips.riff(bytes(200_000), channels=65_535),
    ],
    ids=["empty", "claims", "nine_channels", "64_channels", "65535_channels"],
)
def test_a_sound_track_of_which_nothing_can_be_used_is_undecodable(bench, tmp_path, content):
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    found = run(bench, path)
    assert (found.outcome.status, found.outcome.reason, found.artefacts) == ("failed", "undecodable", {})
    assert found.outcome.message.startswith(("no sound could be decoded", "sound of "))


def test_silent_sound_is_ok_and_says_so(bench, tmp_path):
    found = run(bench, clips.write(tmp_path / "silent.mp4", clips.moving(10), 0 * clips.tone(1.0)))
    assert found.outcome.ok and "silent" in found.outcome.warnings and found.data["peak"] == 0


@pytest.mark.fault(8)
def test_truncated_file_is_used_as_far_as_it_goes(bench, tmp_path):
    path = clips.write(
        tmp_path / "cut.mp4", clips.moving(100), clips.tone(4.0), options={"movflags": "faststart"}, gop=10
    )
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    found = run(bench, path)
    assert found.outcome.ok and found.outcome.warnings["truncated"].startswith("the file ends after ")
    assert 1.0 < found.data["seconds"] < 3.6 and found.data["declared"] == pytest.approx(4.0, abs=0.1)


@pytest.mark.fault(9)
def test_corrupt_packets_are_passed_over_and_counted(bench, tmp_path):
    path = clips.write(
        tmp_path / "flips.mkv", sound=clips.tone(4.0) * np.linspace(0, 1, 4 * clips.RATE, dtype=np.float32)
    )
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(1)
    for at in generator.integers(len(data) // 4, len(data), 60):
        data[at] ^= int(generator.integers(1, 256))
    path.write_bytes(data)
    found = run(bench, path)
    assert found.outcome.ok and "corrupt_packets" in found.outcome.warnings
    assert found.data["seconds"] > 3.0


def test_more_sound_than_the_header_said_is_refused(bench, tmp_path):
    path = clips.write(tmp_path / "long.wav", sound=clips.tone(3.0), sound_codec="pcm_s16le")
    bench.run("probe", path)
    found = bench.run("audio", path, limits={"max_seconds": 1.0})
    assert (found.outcome.status, found.outcome.reason) == ("refused", "too_long")
    left = {one.name for one in (tmp_path / "results/study/audio").iterdir()}
    assert left == {"long_wav.json", ".locks"}


def test_same_input_same_bytes(bench, tmp_path):
    path = clips.write(tmp_path / "a.mp4", clips.moving(5), clips.tone(1.0))
    first = run(bench, path).artefacts
    shutil.rmtree(tmp_path / "results")
    assert run(bench, path).artefacts == first
