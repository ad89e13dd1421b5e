"""Frames at even times: what is on the screen then, with true times, whatever the mode and state of the file."""

from fractions import Fraction

import numpy as np
import pytest
from media import clips

from triptych.media import keyframes
from triptych.media.even import shown_at
from triptych.media.uniform import stretches

MODES = ["exact", "keyframe-packets"]


def run(bench, path, **params):
    bench.run("probe", path)
    return bench.run("keyframes", path, **params)


def uniform(bench, path):
    return keyframes.read(bench.artefact("keyframes", path, "h5"), "uniform")


def numbered(count, width=96, height=64):
    """Pictures that tell their number by two colours, so that decoding errors of a neighbour show."""
    colours = clips.colours(64)
    pictures = []
    for number in range(count):
        picture = clips.flat(colours[number % 64], width, height)
        picture[:, width // 2 :] = colours[number // 64 * 7 + 3]
        pictures.append(picture)
    return pictures


def number_of(frame, pictures):
    """Which of the pictures a stored frame is."""
    width = frame.shape[1]
    halves = np.stack([frame[:, : width // 3], frame[:, -(width // 3) :]]).reshape(2, -1, 3).mean(axis=1)
    wanted = np.stack([[picture[0, 0], picture[0, -1]] for picture in pictures]).astype(float)
    return int(np.abs(wanted - halves).sum(axis=(1, 2)).argmin())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "mjpeg"])
def test_middles_of_even_spans(bench, tmp_path, mode, codec):
    pictures = numbered(100)
    path = clips.write(tmp_path / "m.mkv", pictures, gop=40, codec=codec)
    found = run(bench, path, mode=mode, count=4, uniform=10)
    frames = uniform(bench, path)
    shown = [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]
    assert found.outcome.ok and found.data["uniform"] == 10 and not found.outcome.warnings
    assert frames.times == pytest.approx(np.array(shown) / 25, abs=0.002)
    assert [number_of(frame, pictures) for frame in frames.frames] == shown
    assert frames.weights == pytest.approx(0.1)


@pytest.mark.parametrize("mode", MODES)
def test_variable_frame_rate_weighs_what_is_shown_long(bench, tmp_path, mode):
    """Thirty frames in 0.6 s, then one each half second: the crowd is on the screen for a tenth of the time."""
    times = [0.02 * number for number in range(30)] + [1.0 + 0.5 * number for number in range(10)]
    path = clips.write(tmp_path / "vfr.mkv", numbered(40), times=times, gop=16)
    run(bench, path, mode=mode, uniform=24)
    frames = uniform(bench, path)
    assert (np.diff(frames.times) > 0).all() and frames.weights.sum() == pytest.approx(1)
    for time, frame in zip(frames.times, frames.frames, strict=True):
        shown = int(np.argmin(np.abs(np.asarray(times) - time)))
        assert abs(times[shown] - time) < 0.002 and number_of(frame, numbered(40)) == shown
    assert frames.weights[frames.times < 0.6].sum() < 0.25
    assert set(np.arange(1.0, 5.6, 0.5)) <= set(frames.times.round(2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["c.avi", "c.ts", "c.mp4"])
def test_containers(bench, tmp_path, mode, name):
    path = clips.write(tmp_path / name, numbered(50), clips.tone(2.0), gop=20)
    assert run(bench, path, mode=mode, uniform=5).outcome.ok
    frames = uniform(bench, path)
    # An AVI with frames out of order does not tell when they are shown, to a frame or two.
    slack = 2 if name == "c.avi" else 0
    shown = np.array([number_of(frame, numbered(50)) for frame in frames.frames])
    assert np.abs(shown - [5, 15, 25, 35, 45]).max() <= slack
    assert np.diff(frames.times) == pytest.approx(0.4, abs=0.002 + 0.04 * slack)


def test_both_modes_store_the_same_frames(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(200), gop=30)
    found = {}
    for mode in MODES:
        run(bench, path, mode=mode, uniform=7)
        found[mode] = uniform(bench, path)
    one, two = found.values()
    assert (one.times == two.times).all()
    assert all((a == b).all() for a, b in zip(one.frames, two.frames, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_one_frame_stands_for_all_times(bench, tmp_path, mode):
    path = clips.write(tmp_path / "one.mp4", [clips.upright()])
    assert run(bench, path, mode=mode, uniform=32).data["uniform"] == 1
    frames = uniform(bench, path)
    assert frames.times.tolist() == [0.0] and frames.weights.tolist() == [1.0]
    assert frames.frames[0].shape == keyframes.read(bench.artefact("keyframes", path, "h5")).frames[0].shape


@pytest.mark.parametrize("mode", MODES)
def test_fewer_frames_than_times_are_all_there_once(bench, tmp_path, mode):
    path = clips.write(tmp_path / "few.mp4", numbered(9), gop=4)
    assert run(bench, path, mode=mode, uniform=32).data["uniform"] == 9
    assert uniform(bench, path).times == pytest.approx(np.arange(9) / 25, abs=0.002)


@pytest.mark.parametrize(("name", "options"), [("cut.mp4", {"movflags": "faststart"}), ("cut.mkv", {})])
@pytest.mark.parametrize("mode", MODES)
def test_cut_file_is_spread_over_what_is_there(bench, tmp_path, name, options, mode):
    path = clips.write(tmp_path / name, clips.moving(100), options=options, gop=10)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    found = run(bench, path, mode=mode, uniform=8)
    frames = uniform(bench, path)
    assert found.outcome.ok and "truncated" in found.outcome.warnings
    assert 7 <= len(frames.times) <= 8 and frames.weights.sum() == pytest.approx(1)
    assert frames.times[-1] > 0.8 * found.data["decoded_until"]


@pytest.mark.parametrize("mode", MODES)
def test_corrupt_packets_are_stood_for_by_the_next(bench, tmp_path, mode):
    path = clips.write(tmp_path / "flips.mp4", clips.moving(100), gop=10)
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(3)
    start = data.index(b"mdat") + 2000
    for at in generator.integers(start, data.index(b"moov"), 120):
        data[at] ^= int(generator.integers(1, 256))
    path.write_bytes(data)
    found = run(bench, path, mode=mode, uniform=16)
    frames = uniform(bench, path)
    assert found.outcome.ok and "corrupt_packets" in found.outcome.warnings
    assert frames.weights.sum() == pytest.approx(1) and (np.diff(frames.times) > 0).all()


def test_without_them_the_file_is_as_it_was(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(60), gop=5)
    found = run(bench, path)
    assert "uniform" not in found.data
    with_them = run(bench, path, uniform=4)
    assert {**with_them.data, "made_with": 0} == {**found.data, "made_with": 0, "uniform": 4}
    again = run(bench, path)
    assert again.artefacts == found.artefacts


def test_turned_and_stretched_like_the_keyframes(bench, tmp_path):
    path = clips.write(tmp_path / "t.mp4", [clips.upright()] * 8, rotation=90, aspect=Fraction(4, 3))
    run(bench, path, mode="exact", uniform=3)
    keys = keyframes.read(bench.artefact("keyframes", path, "h5")).frames[0]
    for frame in uniform(bench, path).frames:
        assert frame.shape == keys.shape and np.abs(frame.astype(int) - keys).mean() < 3


def test_frames_shown_at_even_times():
    assert shown_at(np.arange(8) * 40, 8)[0].tolist() == list(range(8))
    positions, counts = shown_at(np.arange(4) * 40, 2)
    assert positions.tolist() == [1, 3] and counts.tolist() == [1, 1]
    positions, counts = shown_at(np.array([0, 1, 2, 100]), 10)
    assert positions.tolist() == [2, 3] and counts.tolist() == [7, 3]
    assert [part.tolist() for part in shown_at(np.array([7]), 5)] == [[0], [5]]
    assert len(shown_at(np.zeros(0), 5)[0]) == 0


def test_only_what_leads_to_a_frame_is_decoded(tmp_path):
    """From the keyframe before it; a frame that leads a keyframe (open GOP) from the one before that."""
    from types import SimpleNamespace

    # decoded: I0 P3 B1 B2 | I6 B4 B5 P9 B7 B8 | I12 ... by time of showing
    ticks = np.array([0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11])
    seen = SimpleNamespace(ticks=ticks, keys=np.array([0, 4, 10]))
    assert stretches(seen, [2]) == ({3}, [[0, 3]])
    assert stretches(seen, [7]) == ({8}, [[4, 8]])
    assert stretches(seen, [4]) == ({5}, [[0, 5]])
    assert stretches(seen, [1, 12]) == ({2, 10}, [[0, 2], [10, 10]])
