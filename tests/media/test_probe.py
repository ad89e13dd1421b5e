"""What the probe says of good, odd and hostile files, before anything of them is decoded."""

import shutil
import struct
import zlib
from pathlib import Path

import av
import pytest
from media import clips

from triptych.media import probe
from triptych.media.sniff import sniff


@pytest.fixture
def clip(tmp_path):
    return clips.write(tmp_path / "clip.mp4", clips.moving(50), clips.tone(2.0))


def test_facts_of_a_usual_video(bench, clip):
    found = bench.run("probe", clip)
    assert found.outcome.ok and not found.outcome.warnings
    video, audio = found.data["video"], found.data["audio"]
    assert found.data["kind"] == "video" and found.data["bytes"] == clip.stat().st_size
    assert len(found.data["digest"]) == 64 and found.data["duration"] == pytest.approx(2.0, abs=0.1)
    assert (video["codec"], video["width"], video["height"]) == ("h264", 96, 64)
    assert (video["frames"], video["fps"], video["frame_rate"], video["rotation"]) == (50, 25.0, "constant", 0)
    assert (audio["codec"], audio["rate"], audio["channels"]) == ("aac", 44_100, 1)


def test_local_file_is_linked_not_copied_and_a_right_link_is_left_alone(bench, clip):
    bench.run("probe", clip)
    link = Path(bench.paths.media("clip_mp4"))
    assert link.is_symlink() and link.samefile(clip)
    before = link.lstat().st_mtime_ns
    bench.run("probe", clip)
    assert link.lstat().st_mtime_ns == before


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation(bench, tmp_path, rotation):
    path = clips.write(tmp_path / "turned.mp4", [clips.upright()] * 3, rotation=rotation)
    assert bench.run("probe", path).data["video"]["rotation"] == rotation


def test_variable_frame_rate_is_told_by_packet_times(bench, tmp_path):
    steps = [0.04, 0.12, 0.04, 0.2] * 10
    times = [sum(steps[:number]) for number in range(40)]
    path = clips.write(tmp_path / "vfr.mkv", clips.moving(40), times=times)
    assert bench.run("probe", path).data["video"]["frame_rate"] == "variable"
    steady = clips.write(tmp_path / "cfr.mkv", clips.moving(40), fps=24)
    assert bench.run("probe", steady).data["video"]["frame_rate"] == "constant"


def test_sound_file_and_picture_are_legitimate(bench, tmp_path):
    sound = clips.write(tmp_path / "a.wav", sound=clips.tone(0.5), sound_codec="pcm_s16le")
    found = bench.run("probe", sound)
    assert (found.data["kind"], found.data["video"]) == ("audio", None)
    for name in ("p.png", "p.jpg"):
        av.VideoFrame.from_ndarray(clips.upright(), format="rgb24").to_image().save(tmp_path / name)
        found = bench.run("probe", tmp_path / name)
        assert (found.outcome.ok, found.data["kind"], found.data["duration"]) == (True, "image", None)
        assert (found.data["video"]["width"], found.data["audio"]) == (96, None)


def cover_mp3(path):
    """An mp3 with a picture in its ID3 tag."""
    plain = clips.write(path.with_name("plain.mp3"), sound=clips.tone(1.0), sound_codec="libmp3lame")
    image = path.with_name("cover.png")
    av.VideoFrame.from_ndarray(clips.upright(), format="rgb24").to_image().save(image)
    body = b"\0image/png\0\3\0" + image.read_bytes()
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = len(frame)
    sized = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    path.write_bytes(b"ID3\3\0\0" + sized + frame + plain.read_bytes())
    with av.open(str(path)) as container:
        assert container.streams.video, "the fixture must hold cover art"
    return path


def test_cover_art_is_no_video(bench, tmp_path):
    path = cover_mp3(tmp_path / "song.mp3")
    found, audio, keyframes = bench.all(path)
    assert (found.data["kind"], found.data["video"]) == ("audio", None)
    assert audio.outcome.ok
    assert (keyframes.outcome.status, keyframes.outcome.reason) == ("absent", "no_video")


def test_the_largest_of_several_videos_is_chosen(bench, tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width in (64, 128, 96):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
            streams.append(stream)
        for number in range(5):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(clips.flat((200, 90, 90), stream.width, 64), format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert bench.run("probe", path).data["video"]["width"] == 128


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "empty (0 bytes)"),
        ("page.mp4", b"<!DOCTYPE html><html><h1>404 Not Found</h1></html>", "web page"),
        ("text.mp4", b"Hello, I am a text.\n" * 50, "is text"),
        ("zeros.mp4", bytes(5000), "zeros"),
        ("random.mp4", bytes((i * 7919 + i * i) % 251 for i in range(5000)), "no media file"),
        ("list.mp4", b"ffconcat version 1.0\nfile other.mp4\n", "list of other files"),
        ("play.mp4", b"#EXTM3U\n#EXTINF:1,\nother.mp4\n", "playlist"),
        ("book.mp4", b"%PDF-1.7\n", "PDF"),
    ],
)
def test_what_is_no_media_file_is_named(bench, tmp_path, name, content, says):
    clips.write(tmp_path / "other.mp4", clips.moving(5))
    path = tmp_path / name
    path.write_bytes(content)
    found = bench.run("probe", path)
    assert (found.outcome.status, found.outcome.reason) == ("failed", "unreadable")
    assert says in found.outcome.message


def test_lists_of_files_are_never_followed(bench, tmp_path):
    """libav itself opens this text as the video that it names."""
    clips.write(tmp_path / "secret.mp4", clips.moving(5))
    path = tmp_path / "concat.mp4"
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
    with av.open(str(path)) as container:
        assert container.format.name == "concat"
    assert bench.run("probe", path).outcome.reason == "unreadable"


def test_mp4_without_index_is_named(bench, clip):
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moov") - 4])
    found = bench.run("probe", clip)
    assert found.outcome.reason == "unreadable" and "index (moov) is missing" in found.outcome.message


def test_mp4_without_tracks(bench, tmp_path):
    path = tmp_path / "trackless.mp4"
    body = struct.pack(">I4s", 108, b"mvhd") + bytes(12) + struct.pack(">II", 1000, 0) + bytes(80)
    path.write_bytes(
        struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 8 + len(body), b"moov") + body
    )
    assert bench.run("probe", path).outcome.reason == "no_streams"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_pixels": 96 * 64 - 1}, "too_many_pixels"),
        ({"max_frames": 49}, "too_many_frames"),
        ({"max_seconds": 1.5}, "too_long"),
        ({"max_bytes": 1000}, "too_large"),
    ],
)
def test_limits_refuse_from_the_header(bench, clip, limits, reason):
    found = bench.run("probe", clip, limits=limits)
    assert (found.outcome.status, found.outcome.reason) == ("refused", reason)
    assert next(iter(limits)) in found.outcome.message
    assert bench.run("audio", clip).outcome.reason == reason


def test_pixel_bomb_is_refused_before_it_is_decoded(bench, tmp_path):
    """A PNG whose header claims 16,000 x 16,000 pixels; a child with little memory is enough to refuse it."""
    path = tmp_path / "bomb.png"
    av.VideoFrame.from_ndarray(clips.upright(), format="rgb24").to_image().save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 16_000, 16_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    found = bench.run("probe", path, limits={"memory_mb": 256})
    assert (found.outcome.status, found.outcome.reason) == ("refused", "too_many_pixels")


def test_three_frames_over_nine_days_are_refused(bench, tmp_path):
    path = clips.write(tmp_path / "long.mkv", clips.moving(3), times=[0.0, 400_000.0, 800_000.0])
    assert bench.run("probe", path).outcome.reason == "too_long"


def test_no_file_is_data_too(bench, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    for name, says in (("nowhere.mp4", "is not there"), ("folder.mp4", "no regular file")):
        for stage in ("probe", "audio", "keyframes"):
            outcome = bench.run(stage, tmp_path / name).outcome
            assert (outcome.status, outcome.reason) == ("failed", "missing_source")
            assert says in outcome.message


def test_names_that_libav_would_read_as_protocols(bench, tmp_path):
    good = clips.write(tmp_path / "good.mp4", clips.moving(5))
    for name in ("a:b.mp4", "concat:good.mp4", "-abc.mp4", "img_%02d.mp4", "tab\tand\nnewline.mp4", "ü'\".mp4"):
        shutil.copy(good, tmp_path / name)
        answer = probe.examine(str(tmp_path / name), bench.limits)
        assert answer.data["video"]["frames"] == 5


def test_sniff_tells_kinds(tmp_path):
    path = tmp_path / "x"
    for content, kind in (
        (b"\xef\xbb\xbf<html>", "html"),
        ("é".encode() * 2048 + b"\xc3", "text"),
        (b"\x7fELF", "program"),
    ):
        path.write_bytes(content)
        assert sniff(path)[0] == kind
