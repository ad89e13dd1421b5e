"""Media files of any kind, through the child process that decodes them."""

import pytest
from fuzz.damage import damaged, edited, words
from fuzz.target import ENDED, target
from hypothesis import strategies as st
from media import clips

from triptych.core.config import Limits
from triptych.core.status import Refused
from triptych.media import fetch_info, probe, sandbox
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
    try:
        found = sandbox.run(probe.examine, str(path), LIMITS, memory_mb=600, wall_seconds=20)
    except Refused as refused:
        assert refused.outcome.reason and refused.outcome.message
        ENDED[f"test_a_damaged_video_is_facts_or_an_outcome: {refused.outcome.reason}"] += 1
    else:
        assert found.data["kind"] in ("video", "audio", "image")
        ENDED["test_a_damaged_video_is_facts_or_an_outcome: ok"] += 1


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
