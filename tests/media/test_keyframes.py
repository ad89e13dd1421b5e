"""Keyframes: every shot, true times, upright, whatever state the file is in."""

import io
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from media import clips
from PIL import Image

from triptych.media import candidates, cluster, keyframes


def run(bench, path, **params):
    bench.run("probe", path)
    return bench.run("keyframes", path, **params)


def read(bench, path):
    return keyframes.read(bench.artefact("keyframes", path, "h5"))


def means(frames):
    return [tuple(frame.reshape(-1, 3).mean(axis=0)) for frame in frames]


@pytest.mark.parametrize("mode", ["auto", "exact", "keyframe-packets"])
@pytest.mark.parametrize("count", [1, 5, 32])
def test_one_frame_from_every_constant_shot(bench, tmp_path, mode, count):
    path = clips.shots(tmp_path / "shots.mp4", count)
    found = run(bench, path, mode=mode)
    assert found.outcome.ok and found.data["count"] == count
    frames = read(bench, path)
    assert [int(time / 0.4 + 1e-6) for time in frames.times] == list(range(count))
    for mean, colour in zip(means(frames.frames), clips.colours(count), strict=True):
        assert np.abs(np.subtract(mean, colour)).max() < 8


def test_more_shots_than_frames_gives_the_count(bench, tmp_path):
    path = clips.shots(tmp_path / "shots.mp4", 40)
    found = run(bench, path)
    assert found.data["count"] == 32 and len(set(found.data["times"])) == 32
    assert found.data["times"] == sorted(found.data["times"])


def test_auto_takes_keyframe_packets_when_there_are_enough(bench, tmp_path):
    path = clips.write(tmp_path / "many.mp4", clips.moving(140), gop=2)
    assert run(bench, path).data["mode"] == "keyframe-packets"
    few = clips.write(tmp_path / "few.mp4", clips.moving(140), gop=70)
    assert run(bench, few).data["mode"] == "exact"


def test_weights_are_shares_and_indices_are_candidates(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(80))
    found = run(bench, path, count=8)
    frames = read(bench, path)
    assert frames.weights.sum() == pytest.approx(1.0) and (frames.weights > 0).all()
    assert frames.mask.all() and len(frames.frames) == 8 == found.data["count"]
    assert frames.thumbs.shape[1:] == (36, 64) and len(frames.thumbs) == len(frames.thumb_times)
    assert found.data["candidates"] == len(frames.thumbs)


def test_same_result_again_and_with_other_threads(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(120))
    first = run(bench, path).artefacts
    shutil.rmtree(tmp_path / "results")
    assert run(bench, path).artefacts == first
    program = """
import json, sys
from media.conftest import Bench
from pathlib import Path
bench = Bench(Path(sys.argv[1]))
bench.run("probe", Path(sys.argv[2]))
print(json.dumps(bench.run("keyframes", Path(sys.argv[2])).artefacts))
"""
    threads = "4" if os.environ.get("OMP_NUM_THREADS") == "1" else "1"
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    command = [sys.executable, "-c", program, str(tmp_path / "other"), str(path)]
    got = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(got.stdout) == first


def test_variable_frame_rate_keeps_true_times(bench, tmp_path):
    """Frames crowd at the start: index times frame rate would be far off."""
    times = [0.02 * number for number in range(30)] + [1.0 + 0.5 * number for number in range(10)]
    pictures = [clips.flat(colour) for colour in clips.colours(40)]
    path = clips.write(tmp_path / "vfr.mkv", pictures, times=times)
    found = run(bench, path, mode="exact", count=20)
    frames = read(bench, path)
    assert found.data["candidates"] == 40
    for time, mean in zip(frames.times, means(frames.frames), strict=True):
        shown = int(np.argmin(np.abs(np.asarray(times) - time)))
        assert abs(times[shown] - time) < 0.002
        assert np.abs(np.subtract(mean, clips.colours(40)[shown])).max() < 12


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mode", ["exact", "keyframe-packets"])
def test_rotation_is_applied_once(bench, tmp_path, rotation, mode):
    path = clips.write(tmp_path / "turned.mp4", [clips.upright()] * 4, rotation=rotation)
    run(bench, path, mode=mode)
    frame = read(bench, path).frames[0]
    wanted = np.rot90(clips.upright(), rotation // 90)
    assert frame.shape[0] / frame.shape[1] == pytest.approx(wanted.shape[0] / wanted.shape[1], rel=0.02)
    height, width = frame.shape[:2]
    red = [frame[y, x, 0] - frame[y, x, 1].astype(int) > 60 for y in (10, height - 10) for x in (10, width - 10)]
    high, wide = wanted.shape[:2]
    assert red == [wanted[y, x, 0] > 200 for y in (2, high - 2) for x in (2, wide - 2)]


def test_pixels_that_are_not_square(bench, tmp_path):
    path = clips.write(tmp_path / "wide.mp4", clips.moving(4), aspect=Fraction(4, 3))
    found = run(bench, path)
    assert (found.data["width"], found.data["height"]) == (576, 288)


def test_one_frame_and_pictures(bench, tmp_path):
    path = clips.write(tmp_path / "one.mp4", [clips.upright()])
    assert run(bench, path).data["times"] == [0.0]
    Image.fromarray(clips.upright()).save(tmp_path / "p.png")
    Image.fromarray(clips.upright()).save(tmp_path / "p.jpg", quality=95)
    for name in ("p.png", "p.jpg"):
        found = run(bench, tmp_path / name)
        assert found.outcome.ok and found.data["times"] == [0.0] and not found.outcome.warnings
        assert read(bench, tmp_path / name).frames[0].shape == (288, 432, 3)


def test_turned_photograph(bench, tmp_path):
    """A camera turns a picture by a tag (orientation 6: show it a quarter clockwise)."""
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(clips.upright()).save(tmp_path / "p.jpg", quality=95, exif=tags)
    run(bench, tmp_path / "p.jpg")
    frame = read(bench, tmp_path / "p.jpg").frames[0]
    assert frame.shape == (432, 288, 3)
    assert frame[10, 278, 0] > 180 and frame[10, 10, 0] < 150


def test_identical_frames_are_one(bench, tmp_path):
    assert run(bench, clips.write(tmp_path / "still.mp4", [clips.upright()] * 50)).data["count"] == 1


def test_black_frames_are_left_out_unless_all_are(bench, tmp_path):
    black = clips.flat((0, 0, 0))
    pictures = [black] * 20 + [clips.flat((200, 80, 80))] * 20 + [black] * 20
    found = run(bench, clips.write(tmp_path / "some.mp4", pictures))
    assert found.data["count"] == 1 and 0.8 <= found.data["times"][0] < 1.6 and "black" in found.outcome.warnings
    found = run(bench, clips.write(tmp_path / "all.mp4", [black] * 20))
    assert found.outcome.ok and found.data["count"] == 1 and "all frames" in found.outcome.warnings["black"]


@pytest.mark.parametrize(("name", "options"), [("cut.mp4", {"movflags": "faststart"}), ("cut.mkv", {})])
@pytest.mark.parametrize("mode", ["auto", "keyframe-packets"])
def test_truncated_file_is_used_as_far_as_it_goes(bench, tmp_path, name, options, mode):
    path = clips.write(tmp_path / name, clips.moving(100), clips.tone(4.0), options=options, gop=10)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    found = run(bench, path, mode=mode)
    assert found.outcome.ok and "truncated" in found.outcome.warnings
    assert 1.0 < found.data["decoded_until"] < 3.6 and found.data["declared"] == pytest.approx(4.0, abs=0.15)
    assert max(found.data["times"]) < found.data["decoded_until"]
    enough = run(bench, path, mode=mode, min_fraction=0.9)
    assert (enough.outcome.status, enough.outcome.reason) == ("failed", "truncated")


def test_whole_file_is_not_called_truncated(bench, tmp_path):
    """The sound goes on after the picture: the container's duration is no measure of the video."""
    for name in ("long.mkv", "long.mp4", "long.avi", "long.ts"):
        path = clips.write(tmp_path / name, clips.moving(20), clips.tone(3.0))
        for stage in ("probe", "audio", "keyframes"):
            found = bench.run(stage, path)
            assert found.outcome.ok and not found.outcome.warnings, (name, stage, found.outcome)


def test_flipped_bytes_are_passed_over_and_counted(bench, tmp_path):
    path = clips.write(tmp_path / "flips.mp4", clips.moving(100), gop=10)
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(3)
    start = data.index(b"mdat") + 2000
    for at in generator.integers(start, data.index(b"moov"), 120):
        data[at] ^= int(generator.integers(1, 256))
    path.write_bytes(data)
    found = run(bench, path)
    assert found.outcome.ok and "corrupt_packets" in found.outcome.warnings
    assert found.data["count"] == 32 and max(found.data["times"]) > 3.0


def test_no_picture_is_absent_and_no_frame_is_failed(bench, tmp_path):
    sound = clips.write(tmp_path / "a.wav", sound=clips.tone(0.5), sound_codec="pcm_s16le")
    found = run(bench, sound)
    assert (found.outcome.status, found.outcome.reason) == ("absent", "no_video")
    path = clips.write(tmp_path / "dead.mp4", clips.moving(10))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    found = run(bench, path)
    assert (found.outcome.status, found.outcome.reason) == ("failed", "undecodable")


def test_more_frames_than_the_header_said_are_refused(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(60))
    bench.run("probe", path)
    found = bench.run("keyframes", path, limits={"max_frames": 50})
    assert (found.outcome.status, found.outcome.reason) == ("refused", "too_many_frames")
    found = bench.run("keyframes", path, limits={"max_seconds": 1})
    assert (found.outcome.status, found.outcome.reason) == ("refused", "too_long")


def test_hung_and_crashed_decoders_are_outcomes(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(60))
    bench.run("probe", path)
    assert bench.run("keyframes", path, limits={"wall_seconds": 0.01}).outcome.reason == "timeout"
    assert bench.run("keyframes", path).outcome.ok, "it is tried again, not taken over"


def test_many_frames_are_thinned_evenly(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(300), gop=1)
    for mode, wanted in (("keyframe-packets", 16), ("exact", 24)):
        found = run(bench, path, mode=mode, count=8, fps=2)
        assert (found.data["candidates"], found.data["keyframe_packets"]) == (wanted, 300)
        gaps = np.diff(read(bench, path).thumb_times)
        assert gaps.max() - gaps.min() < 0.081
    assert run(bench, path, mode="exact", fps=100, max_candidates=100).data["candidates"] == 100


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "mjpeg"])
@pytest.mark.parametrize("name", ["c.mkv", "c.avi", "c.ts"])
def test_codecs_and_containers(bench, tmp_path, codec, name):
    if name == "c.ts" and codec in ("mjpeg", "libvpx-vp9"):
        name = "c.mov" if codec == "mjpeg" else "c.webm"
    pictures = [clips.flat(colour) for colour in clips.colours(4) for _ in range(5)]
    path = clips.write(tmp_path / name, pictures, codec=codec, gop=5)
    for mode in ("exact", "keyframe-packets"):
        found = run(bench, path, mode=mode)
        assert found.outcome.ok and found.data["count"] == 4, found.outcome
        assert [int(time * 5 + 0.01) for time in found.data["times"]] == [0, 1, 2, 3]


def test_contact_sheet(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(80))
    run(bench, path)
    with Image.open(bench.artefact("keyframes", path, "jpg")) as sheet:
        assert sheet.format == "JPEG" and 800 < sheet.width <= 1600 and sheet.height < 800


def test_padding_repeats_in_time_order_with_a_mask():
    frames = [np.full((2, 2, 3), value, np.uint8) for value in (1, 2, 3)]
    shares, thumbs = np.ones(3) / 3, np.zeros((1, 36, 64))
    some = keyframes.Keyframes(frames, np.arange(3.0), shares, np.ones(3, bool), thumbs, np.zeros(1))
    wide = keyframes.padded(some, 8)
    assert [frame[0, 0, 0] for frame in wide.frames] == [1, 1, 1, 2, 2, 2, 3, 3]
    assert wide.mask.tolist() == [True, False, False, True, False, False, True, False]
    assert keyframes.padded(some, 3).mask.all()
    assert [frame[0, 0, 0] for frame in keyframes.padded(some, 2).frames] == [1, 3]


def test_stored_jpegs_are_the_frames(bench, tmp_path):
    path = clips.write(tmp_path / "m.mp4", clips.moving(20))
    run(bench, path)
    jpegs, times = keyframes.read_jpegs(bench.artefact("keyframes", path, "h5"))
    frames = read(bench, path)
    assert (times == frames.times).all()
    assert (np.asarray(Image.open(io.BytesIO(jpegs[0]))) == frames.frames[0]).all()


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_finds_clusters_that_are_there(seed):
    generator = np.random.default_rng(0)
    members = generator.integers(0, 12, 300)
    points = generator.normal(size=(300, 20)) + 6 * generator.normal(size=(12, 20))[members]
    labels, centres = cluster.kmeans(points, 12, seed=seed)
    assert len(set(zip(labels.tolist(), members.tolist(), strict=True))) == 12 == len(centres)
    assert np.stack([points[labels == number].mean(axis=0) for number in range(12)]) == pytest.approx(centres)


def test_kmeans_of_few_different_points():
    points = np.repeat(np.eye(3), 10, axis=0)
    labels, centres = cluster.kmeans(points, 8, seed=0)
    assert len(centres) == 3 == len(np.unique(labels))


def test_even_positions_cover_crowded_and_sparse_times():
    crowded = np.concatenate([np.arange(100) * 0.001, [50.0, 100.0]])
    picked = candidates.pick_even(crowded, 64, least=8)
    assert picked[-1] == 101 and len(picked) >= 8 and (np.diff(picked) > 0).all()
    assert candidates.pick_even(np.arange(5.0), 64, least=8).tolist() == [0, 1, 2, 3, 4]
    assert len(candidates.pick_even(np.arange(100_000) / 25, 64, least=8)) == 64


@pytest.mark.fault(15)
def test_rotation_agrees_with_ffmpeg(bench, tmp_path):
    """The other decoder of the field turns pictures by itself."""
    import imageio_ffmpeg

    path = clips.write(tmp_path / "turned.mp4", [clips.upright()] * 4, rotation=90)
    run(bench, path)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-frames:v", "1", tmp_path / "one.png"]
    subprocess.run(command, check=True)
    ours = read(bench, path).frames[0]
    theirs = np.asarray(
        Image.open(tmp_path / "one.png").convert("RGB").resize(ours.shape[1::-1], Image.Resampling.BICUBIC)
    )
    assert np.abs(theirs.astype(int) - ours).mean() < 6


def test_decoders_keep_quiet(bench, tmp_path, capfd):
    path = clips.write(tmp_path / "m.mp4", clips.moving(20))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 2500
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    assert "corrupt_packets" in run(bench, path).outcome.warnings
    assert capfd.readouterr().err == ""
