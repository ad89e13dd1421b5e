"""Real odd files: containers, codecs and damage that nobody would have thought of."""

import pytest

pytestmark = pytest.mark.shared

#: File -> (probe, audio, keyframes): status and reason.
EXPECTED = {
    "AudioVideoInterleave.avi": ("ok", "absent: no_audio", "failed: undecodable"),
    "Mpeg4.mp4": ("failed: no_streams", "failed: no_streams", "failed: no_streams"),
    "av1_video.mkv": ("ok", "absent: no_audio", "ok"),
    "bbaf2n.mpg": ("ok", "ok", "ok"),
    "brbk7n.mpg": ("ok", "ok", "ok"),
    "corrupted.mp4": ("ok", "absent: no_audio", "ok"),
    "flipping_a_pancake.mkv": ("ok", "ok", "ok"),
    "h265_10bits.mp4": ("ok", "absent: no_audio", "ok"),
    "mp4-with-audio.mp4": ("ok", "ok", "absent: no_video"),
    "nasa_13013.mp4": ("ok", "ok", "ok"),
    "video_180.mov": ("ok", "absent: no_audio", "ok"),
    "video_90.mov": ("ok", "absent: no_audio", "ok"),
}


def test_every_file_has_its_row(shared):
    assert {path.name for path in (shared / "data" / "odd").iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_outcome(bench, shared, name):
    manifests = bench.all(shared / "data" / "odd" / name)
    told = tuple(": ".join(filter(None, (one.outcome.status, one.outcome.reason))) for one in manifests)
    assert told == EXPECTED[name]


def test_facts(bench, shared):
    odd = shared / "data" / "odd"
    probe, audio, keyframes = bench.all(odd / "nasa_13013.mp4")
    assert (probe.data["video"]["width"], probe.data["video"]["index"]) == (480, 3), "the larger of two streams"
    assert audio.data["seconds"] == pytest.approx(13.06, abs=0.1) and keyframes.data["count"] == 32
    for name, rotation, size in (("video_90.mov", 270, (288, 512)), ("video_180.mov", 180, (512, 288))):
        probe, _, keyframes = bench.all(odd / name)
        assert probe.data["video"]["rotation"] == rotation
        assert (keyframes.data["width"], keyframes.data["height"]) == size
    assert "corrupt_packets" in bench.all(odd / "corrupted.mp4")[2].outcome.warnings
    assert "silent" in bench.all(odd / "mp4-with-audio.mp4")[1].outcome.warnings
