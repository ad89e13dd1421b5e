"""Media files of any kind, through the child process that decodes them."""

import pytest
from fuzz.damage import damaged, edited, words
from fuzz.target import ENDED, target
from hypothesis import strategies as st
from media import clips

from triptych.core.config import Audio, Keyframes, Limits
from triptych.core.status import Refused
from triptych.media import audio, fetch_info, keyframes, probe, sandbox
from triptych.media.candidates import Source
from triptych.media.fetch_client import foreign
from triptych.media.sniff import sniff

INFO = {
    "id": "x",
    "extractor": "generic",
    "title": "T",
    "description": "D",
    "duration": 12.5,
    "categories": ["c"],
    "tags": ["t"],
    "url": "https://host.example/a.mp4",
    "filesize": 3,
    "live_status": "not_live",
    "requested_formats": [
        {"url": "https://host.example/v", "filesize": 2, "vcodec": "none"},
        {"url": "https://host.example/a"},
    ],
    "subtitles": {"en": [{"ext": "vtt", "url": "https://host.example/en.vtt"}], "en-GB": [{"ext": "srt", "data": "x"}]},
    "automatic_captions": {"en-orig": [{"ext": "vtt", "url": "https://host.example/o.vtt"}]},
    "entries": [],
}
PARAMS = {"max_seconds": 100.0, "max_bytes": 1000}
LIMITS = {**Limits().model_dump(), "max_pixels": 200_000, "max_frames": 2000, "max_seconds": 100.0}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Bytes of small real files of several kinds."""
    place = tmp_path_factory.mktemp("media")
    made = [
        clips.write(place / "a.mp4", clips.moving(6), clips.tone(0.3)),
        clips.write(place / "b.mkv", clips.moving(6), clips.tone(0.3)),
        clips.write(place / "c.wav", sound=clips.tone(0.05), sound_codec="pcm_s16le"),
        clips.write(place / "d.avi", clips.moving(4), codec="mjpeg"),
    ]
    return [path.read_bytes()[:60_000] for path in made]


@target(share=0.4, data=st.data())
def test_a_damaged_video_is_facts_or_an_outcome(media, folder, data):
    path = folder / "x.media"
    path.write_bytes(data.draw(damaged(*media)))
    found = ended("test_a_damaged_video_is_facts_or_an_outcome", probe.examine, str(path), LIMITS)
    assert found is None or found.data["kind"] in ("video", "audio", "image")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Bytes of small real sound tracks, some beside pictures."""
    place, tone = tmp_path_factory.mktemp("sounds"), clips.tone(0.3)
    made = [
        clips.write(place / "a.mp4", clips.moving(2), tone, options={"movflags": "faststart"}),
        clips.write(place / "b.mkv", sound=tone, sound_codec="flac"),
        clips.write(place / "c.wav", sound=clips.tone(0.05), sound_codec="pcm_s16le"),
        clips.write(place / "d.mp3", sound=tone, sound_codec="libmp3lame"),
        clips.write(place / "e.ogg", sound=clips.tone(0.3, 48_000), sound_codec="libopus", rate=48_000),
    ]
    return [path.read_bytes() for path in made]


def ended(test, function, *arguments):
    """The answer of a limited child, or None when it is an outcome; any other end fails the test."""
    try:
        found = sandbox.run(function, *arguments, memory_mb=600, wall_seconds=20)
    except Refused as refused:
        assert refused.outcome.reason and refused.outcome.message
        ENDED[f"{test}: {refused.outcome.reason}"] += 1
        return None
    ENDED[f"{test}: ok"] += 1
    return found


def probed(test, path, content):
    """What the probe finds in a file of this content, or None."""
    path.write_bytes(content)
    found = ended(f"{test} (probe)", probe.examine, str(path), LIMITS)
    return found.data if found is not None else None


@target(share=0.8, data=st.data())
def test_the_sound_of_a_damaged_file_is_extracted_or_an_outcome(sounds, folder, data):
    test, path = "test_the_sound_of_a_damaged_file_is_extracted_or_an_outcome", folder / "x.media"
    found = probed(test, path, data.draw(damaged(*sounds)))
    if not found or not found["audio"]:
        return
    targets = {name: str(folder / f"x.{name}") for name in ("mp3", "flac")}
    index, start = found["audio"]["index"], found["start"]
    heard = ended(test, audio.extract, str(path), index, start, targets, Audio().model_dump(), LIMITS)
    if heard is not None:
        assert len(audio.read_flac(targets["flac"])) == heard.data["samples"] > 0


@target(share=0.6, data=st.data(), mode=st.sampled_from(["auto", "exact", "keyframe-packets"]))
def test_the_keyframes_of_a_damaged_video_are_chosen_or_an_outcome(media, folder, data, mode):
    test, path = "test_the_keyframes_of_a_damaged_video_are_chosen_or_an_outcome", folder / "x.media"
    found = probed(test, path, data.draw(damaged(*media)))
    if not found or not found["video"]:
        return
    params = {**Keyframes().model_dump(), "count": 3, "short_side": 32, "mode": mode, "uniform": 4}
    source = Source(str(path), found["video"]["index"], found["start"], params, LIMITS)
    seen = ended(test, keyframes.extract, source)
    if seen is not None:
        assert 1 <= seen.data["count"] <= 3


@target(
    share=2, content=st.binary(max_size=200) | damaged(b"<!DOCTYPE html><html>", b"#EXTM3U\n", b"\x1a\x45\xdf\xa3" * 4)
)
def test_any_file_is_told_by_its_first_bytes(folder, content):
    path = folder / "sniffed"
    path.write_bytes(content)
    kind, phrase = sniff(path)
    assert kind and phrase.isprintable()


@target(
    share=2, info=edited(INFO, most=4), languages=st.lists(st.sampled_from(["en", "de", "zh-Hant"]) | words, max_size=2)
)
def test_what_a_site_tells_is_checked(folder, info, languages):
    if not isinstance(info, dict):
        return
    try:
        with foreign():
            one = fetch_info.single(info, lambda entry: entry)
            streams = fetch_info.check(one, PARAMS)
            captions = fetch_info.choose_captions(one, languages)
    except Refused as refused:
        assert refused.outcome.reason
        return
    assert 1 <= len(streams) <= 2
    for caption in captions:
        # These two become parts of a file's name.
        assert caption["language"].replace("-", "").isalnum() and caption["track"]["ext"] in ("vtt", "srt")
    kept = fetch_info.metadata(one)
    assert all(len(value) <= fetch_info.MOST_TEXT for value in kept.values() if isinstance(value, str))
