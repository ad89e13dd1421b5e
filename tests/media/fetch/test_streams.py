"""Separate streams joined, playlists of segments, captions and metadata."""

from pathlib import Path

import pytest

from triptych.media import fetch_info, fetch_join

from .conftest import answer, make_clip, refuse, serve

MPD = b"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"
  profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="900000" width="160" height="120"
 codecs="mp4v.20.9">
 <BaseURL>v.mp4</BaseURL><SegmentBase/></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="s" bandwidth="64000" audioSamplingRate="16000"
 codecs="mp4a.40.2">
 <BaseURL>a.mp4</BaseURL><SegmentBase/></Representation></AdaptationSet>
</Period></MPD>"""


def streams_of(path):
    """Frames and samples that a file decodes to."""
    import av

    with av.open(str(path)) as media:
        kinds = sorted(stream.type for stream in media.streams)
        frames = sum(1 for _ in media.decode(video=0)) if "video" in kinds else 0
        media.seek(0)
        samples = sum(frame.samples for frame in media.decode(audio=0)) if "audio" in kinds else 0
        return kinds, frames, samples


def test_separate_streams_of_a_dash_manifest_are_joined(site, get, paths, halves):
    site.pages["/x/m.mpd"] = serve(MPD, "application/dash+xml")
    site.pages["/x/v.mp4"], site.pages["/x/a.mp4"] = serve(halves[0]), serve(halves[1], "audio/mp4")
    done = get(f"{site.url}/x/m.mpd")
    assert done.outcome.ok, done.outcome
    assert done.data["joined_by"] == "pyav"
    kinds, frames, samples = streams_of(paths.media("v"))
    assert (kinds, frames) == (["audio", "video"], 50)
    assert abs(samples - 32000) <= 2048
    assert Path(paths.media("v")).read_bytes()[4:8] == b"ftyp"


def test_the_sum_of_both_streams_is_capped(site, get, halves):
    site.pages["/x/m.mpd"] = serve(MPD, "application/dash+xml")
    site.pages["/x/v.mp4"], site.pages["/x/a.mp4"] = serve(halves[0]), serve(halves[1], "audio/mp4")
    both = len(halves[0]) + len(halves[1])
    assert get(f"{site.url}/x/m.mpd", max_bytes=both - 1).outcome.reason == "too_large"
    assert get(f"{site.url}/x/m.mpd", max_bytes=both).outcome.ok


def test_a_broken_stream_cannot_be_joined(site, get, paths, halves):
    site.pages["/x/m.mpd"] = serve(MPD, "application/dash+xml")
    site.pages["/x/v.mp4"], site.pages["/x/a.mp4"] = serve(halves[0][:20_000]), serve(halves[1], "audio/mp4")
    ended = get(f"{site.url}/x/m.mpd").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "not_joined", False)
    assert not Path(paths.media("v")).exists()


def test_the_ffmpeg_extra_joins_too(tmp_path, halves):
    video, audio, out = tmp_path / "v", tmp_path / "a", tmp_path / "out"
    video.write_bytes(halves[0])
    audio.write_bytes(halves[1])
    assert fetch_join.join_with_ffmpeg(video, audio, out) is None
    assert streams_of(out)[:2] == (["audio", "video"], 50)
    assert out.read_bytes()[:4] == b"\x1aE\xdf\xa3"
    audio.write_bytes(b"ffconcat version 1.0\nfile /etc/passwd\n")
    assert fetch_join.join_with_ffmpeg(video, audio, out) is not None


def test_codecs_that_mp4_does_not_hold_go_into_matroska(tmp_path, halves):
    from fractions import Fraction

    import av
    import numpy as np

    video, audio, out = tmp_path / "v.mp4", tmp_path / "a.ogg", tmp_path / "out"
    video.write_bytes(halves[0])
    with av.open(str(audio), "w", format="flac") as made:
        stream = made.add_stream("flac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    assert fetch_join.join(video, audio, out) == "pyav"
    assert out.read_bytes()[:4] == b"\x1aE\xdf\xa3"
    assert streams_of(out) == (["audio", "video"], 50, 16000)


def segments(site, folder):
    """Serve a clip of two seconds as an HLS playlist of two segments."""
    parts = []
    for number in range(2):
        part = folder / f"{number}.ts"
        parts.append(make_clip(part, audio=False, seconds=1, container="mpegts", codec="mpeg2video", start=number))
        site.pages[f"/h/{number}.ts"] = serve(parts[-1], "video/mp2t")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXT-X-PLAYLIST-TYPE:VOD"]
    lines += ["#EXTINF:1,", "0.ts", "#EXTINF:1,", "1.ts", "#EXT-X-ENDLIST", ""]
    site.pages["/h/a.m3u8"] = serve("\n".join(lines).encode(), "application/vnd.apple.mpegurl")
    return parts


def test_a_playlist_of_segments_is_fetched_whole(site, get, paths, tmp_path):
    parts = segments(site, tmp_path)
    done = get(f"{site.url}/h/a.m3u8")
    assert done.outcome.ok, done.outcome
    assert Path(paths.media("v")).read_bytes() == b"".join(parts)
    assert streams_of(paths.media("v"))[1] == 50


def test_a_missing_segment_is_never_a_silent_gap(site, get, paths, tmp_path):
    segments(site, tmp_path)
    site.pages["/h/1.ts"] = refuse(404)
    ended = get(f"{site.url}/h/a.m3u8", retries=1).outcome
    assert ended.status == "failed"
    assert ended.reason == "http_404"
    assert not Path(paths.media("v")).exists()


def test_a_segment_is_tried_again(site, get, tmp_path):
    from .conftest import in_turn

    parts = segments(site, tmp_path)
    site.pages["/h/1.ts"] = in_turn(refuse(500), serve(parts[1], "video/mp2t"))
    assert get(f"{site.url}/h/a.m3u8").outcome.ok


def test_captions_and_metadata_are_kept(site, get, paths, clip):
    """A page with a JSON-LD description and a player with captions, as the generic extractor reads them."""
    page = f"""<html><head><title>A film</title></head><body>
    <video><source src="{site.url}/f.mp4" type="video/mp4">
    <track kind="subtitles" srclang="en" src="{site.url}/en.vtt">
    <track kind="subtitles" srclang="de" src="{site.url}/de.vtt"></video></body></html>"""
    site.pages["/page"] = lambda handler: answer(handler, 200, page.encode())
    site.pages["/f.mp4"] = serve(clip)
    site.pages["/en.vtt"] = serve(b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n", "text/vtt")
    site.pages["/de.vtt"] = serve(b"<html>no</html>", "text/html")
    done = get(f"{site.url}/page", captions=["en", "de", "fr"])
    assert done.outcome.ok, done.outcome
    assert done.data["captions"] == [{"language": "en", "automatic": False}]
    assert list(done.outcome.warnings) == ["captions_failed"]
    kept = Path(paths.manifest("fetch", "v")).parent / done.artefacts["captions"]["path"]
    assert kept.name == "v.en.vtt" and "hello" in kept.read_text()
    assert done.data["title"].startswith("A film")
    assert kept.resolve().parent == Path(paths.media("v")).resolve().parent
    again = get(f"{site.url}/page", captions=[])
    assert "captions" not in again.artefacts and not kept.exists()


def test_which_captions_are_chosen():
    def tracks(*kinds):
        return [{"ext": kind, "url": f"http://x/{kind}"} for kind in kinds]

    info = {
        "subtitles": {"de": tracks("json3", "srt"), "en-GB": tracks("vtt"), "live_chat": tracks("json")},
        "automatic_captions": {"en": tracks("vtt"), "fr": tracks("json3", "vtt"), "../x": tracks("vtt")},
    }
    chosen = fetch_info.choose_captions(info, ["en", "de", "fr", "it", "..", "en"])
    assert [(one["language"], one["automatic"], one["track"]["ext"]) for one in chosen] == [
        ("en-GB", False, "vtt"),  # written captions before automatic ones
        ("de", False, "srt"),
        ("fr", True, "vtt"),
    ]


def test_metadata_is_flat_known_and_bounded():
    info = {
        "title": "x" * 9000,
        "tags": ["a", 1, "b\x00c"] + ["t"] * 500,
        "categories": None,
        "duration": 2.5,
        "uploader": {"name": "nested"},
        "http_headers": {"Cookie": "secret"},
        "language": "en",
        "channel_id": True,
    }
    kept = fetch_info.metadata(info)
    assert sorted(kept) == ["duration", "language", "tags", "title"]
    assert (len(kept["title"]), len(kept["tags"]), kept["tags"][:2]) == (5000, 100, ["a", "b c"])


@pytest.mark.parametrize(
    "info, status, reason, transient",
    [
        ({"url": "http://x", "duration": 99999}, "refused", "too_long", False),
        ({"url": "http://x", "filesize": 5 * 10**9}, "refused", "too_large", False),
        ({"url": "http://x", "is_live": True}, "failed", "live", True),
        ({"live_status": "is_upcoming"}, "failed", "upcoming", True),
        ({"url": "http://x", "has_drm": True}, "failed", "drm", False),
        ({"requested_formats": [{"url": "http://x"}] * 3}, "failed", "no_format", False),
    ],
)
def test_what_is_refused_before_the_download(info, status, reason, transient):
    from triptych.core.status import Refused

    from .conftest import parameters

    with pytest.raises(Refused) as ended:
        fetch_info.check(info, parameters())
    assert ended.value.outcome.status == status
    assert (ended.value.outcome.reason, ended.value.outcome.transient) == (reason, transient)
