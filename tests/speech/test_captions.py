"""Captions become transcripts: mark-up, rolling lines, sounds, encodings, and files that are no captions."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.core.files import digest_bytes
from triptych.core.status import Manifest, Outcome
from triptych.speech import captions, cues, rolling
from triptych.speech.transcript import read_transcripts


def said(text):
    return [segment.text for segment in rolling.speech_of(cues.parse(text)).segments]


def srt(*shown):
    """A SubRip text of (times, words)."""
    return "".join(f"{number}\n{times}\n{words}\n\n" for number, (times, words) in enumerate(shown, start=1))


def one(tmp_path, data, name="a.vtt", **more):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return captions.transcript_of({"slug": "a", "captions": str(path)}, "captions", **more)


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.080 --> 00:00:02.389 align:start position:0%
 
hello<00:00:00.480><c> dear</c><00:00:00.900><c> friends</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello dear friends
 

00:00:02.399 --> 00:00:05.000 align:start position:0%
hello dear friends
today<00:00:02.800><c> we</c><00:00:03.000><c> bake</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
today we bake
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
today we bake
bread

00:00:07.000 --> 00:00:09.000 align:start position:0%
[Music]
"""


def test_rolling_captions_say_each_line_once():
    spoken = rolling.speech_of(cues.parse(YOUTUBE))
    assert [segment.text for segment in spoken.segments] == ["hello dear friends", "today we bake", "bread"]
    assert [segment.start for segment in spoken.segments] == [0.08, 2.399, 5.01]
    assert spoken.language == "en"
    assert [(sound.text, sound.start) for sound in spoken.sounds] == [("music", 7.0)]


def test_growing_captions_say_each_word_once():
    words = ["one", "two", "three", "four", "five"]
    cue = "00:00:0{0}.000 --> 00:00:0{1}.000\n{2}\n\n"
    text = "WEBVTT\n\n" + "".join(cue.format(at, at + 1, " ".join(words[: at + 2])) for at in range(4))
    assert said(text) == ["one two", "three", "four", "five"]


def test_an_ordinary_repetition_is_kept():
    text = srt(
        ("00:00:01,000 --> 00:00:02,000", "No."),
        ("00:00:02,000 --> 00:00:03,000", "No."),
        ("00:00:03,500 --> 00:00:04,000", "Yes"),
    )
    assert said(text) == ["No.", "No.", "Yes"]


def test_a_cue_twice_at_one_time_is_said_once():
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\nHi\n\n00:01.000 --> 00:03.000\nHi\n"
    assert said(text) == ["Hi"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("<v Mary Ann>Good <i>morning</i></v>", "Good morning"),
        ("<c.colorE5E5E5>red</c> <b>bold</b>", "red bold"),
        ("{\\an8}{\\pos(1,2)}top", "top"),
        ('<font color="#fff">white</font>', "white"),
        ("Tom &amp; Jerry &lt;3 &nbsp;&#39;ok&#39;", "Tom & Jerry <3 'ok'"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("1 <2 and 3> 2", "1 <2 and 3> 2"),
        (">> so it &gt;&gt; begins", "so it >> begins"),
        ("[ __ ] happens", "happens"),
        ("[Applause] thank you (really)", "thank you (really)"),
        ("♪ la la ♪", "la la"),
        ("zero\u200bwidth\ufeff bell\x07", "zero width bell"),
        ("cafe\u0301", "café"),
    ],
)
def test_mark_up(line, expected):
    assert said(f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{line}\n") == [expected]


def test_sounds_are_kept_aside(tmp_path):
    transcript = one(tmp_path, "WEBVTT\n\n00:01.000 --> 00:02.000\n(applause)\n\n00:02.000 --> 00:03.000\n[Music]\n")
    assert (transcript.outcome.status, transcript.outcome.reason) == ("absent", "empty_captions")
    assert [sound.text for sound in transcript.sounds] == ["applause", "music"]


def test_notes_styles_and_numbers_are_no_speech():
    text = (
        "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE a remark\nof two lines\n\nintro\n00:01.000 --> 00:02.000"
        " line:0\nHello\n\nNOTE end\n\n2\n00:02.000 --> 00:03.000\n42\n"
    )
    assert said(text) == ["Hello", "42"]


def test_srt_with_blank_lines_inside_a_cue_and_none_between():
    first = "1\r\n00:00:01,000 --> 00:00:02,000\r\nfirst\r\n\r\nstill first\r\n"
    text = first + "2\r\n00:00:02,000 --> 00:00:03,500\r\nsecond\r\n"
    spoken = rolling.speech_of(cues.parse(text))
    assert [(one.start, one.end, one.text) for one in spoken.segments] == [
        (1.0, 2.0, "first still first"),
        (2.0, 3.5, "second"),
    ]


def test_bad_times_cost_no_words(tmp_path):
    text = srt(
        ("00:00:01,000 --> 00:00:02,000", "a"),
        ("00:00:xx,000 --> 00:00:09,000", "b"),
        ("00:00:05,000 --> 00:00:04,000", "c"),
        ("9999:00:00,000 --> 9999:00:01,000", "d"),
    )
    transcript = one(tmp_path, text, "a.srt")
    assert transcript.text == "a b c d"
    assert "3 of 4" in transcript.outcome.warnings["bad_timestamps"]
    assert all(segment.end >= segment.start for segment in transcript.segments)


def test_cues_out_of_order_are_sorted(tmp_path):
    transcript = one(tmp_path, "WEBVTT\n\n00:05.000 --> 00:06.000\nb\n\n00:01.000 --> 00:02.000\na\n")
    assert transcript.text == "a b" and "unordered" in transcript.outcome.warnings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, newline):
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nÀ bientôt, “ami”\n".replace("\n", newline)
    transcript = one(tmp_path, text.encode(encoding))
    assert transcript.text == "À bientôt, “ami”"
    assert ("encoding" in transcript.outcome.warnings) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"just some prose\nwithout times", "00:00:01.000"),
        (b"\x00\x01\x02\x03" * 50, "binary"),
        (b'{"events": []}', "JSON"),
    ],
)
def test_what_is_no_captions_is_failed(tmp_path, data, told):
    outcome = one(tmp_path, data).outcome
    assert (outcome.status, outcome.reason) == ("failed", "unreadable_captions")
    assert told in outcome.message and "a.vtt" in outcome.message


def test_missing_none_folder_and_too_large(tmp_path):
    def reason(path):
        outcome = captions.transcript_of({"slug": "a", "captions": str(path)}, "captions").outcome
        return outcome.status, outcome.reason

    assert reason("") == ("absent", "no_captions")
    assert reason(tmp_path / "no.vtt") == ("failed", "missing_captions")
    assert reason(tmp_path) == ("failed", "missing_captions")
    large = tmp_path / "large.vtt"
    with large.open("wb") as handle:
        handle.truncate(captions.MAX_BYTES + 1)
    assert reason(large) == ("refused", "captions_too_large")


def test_language_of_header_name_and_setting(tmp_path):
    cue = "\n\n00:01.000 --> 00:02.000\nhi\n"
    assert one(tmp_path, f"WEBVTT\nLanguage: pt-BR{cue}", "a.en.vtt", language="fr").language == "pt-BR"
    assert one(tmp_path, f"WEBVTT{cue}", "a.en.vtt", language="fr").language == "en"
    assert one(tmp_path, f"WEBVTT{cue}", "a.old.vtt", language="fr").language == "fr"
    assert one(tmp_path, f"WEBVTT{cue}").language is None


def test_captions_of_a_download_are_checked(tmp_path):
    data = b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n"
    (tmp_path / "a.en.vtt").write_bytes(data)
    manifest = Manifest(
        "a",
        "fetch",
        Outcome("ok"),
        artefacts={"captions": {"path": "a.en.vtt", "sha256": digest_bytes(data), "bytes": 1}},
    )
    manifest.write(tmp_path / "a.json")
    video = {"slug": "a", "captions": "", "manifest": str(tmp_path / "a.json")}
    transcript = captions.transcript_of(video, "captions")
    assert transcript.text == "hi" and transcript.language == "en"
    (tmp_path / "a.en.vtt").write_bytes(data + b"x")
    assert captions.transcript_of(video, "captions").outcome.reason == "damaged_captions"
    Manifest("a", "fetch", Outcome("failed", "http_404", "gone")).write(tmp_path / "a.json")
    assert captions.transcript_of(video, "captions").outcome.reason == "http_404"


def test_a_shard_is_one_line_a_video_and_the_same_bytes_again(tmp_path):
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nline\u2028separator\n")
    videos = [{"slug": "b", "captions": ""}, {"slug": "a", "captions": str(tmp_path / "a.vtt")}]
    counts = captions.transcribe_shard(videos, "captions", {}, tmp_path / "out.jsonl")
    assert counts == {"absent": 1, "ok": 1}
    before = (tmp_path / "out.jsonl").read_bytes()
    captions.transcribe_shard(videos[::-1], "captions", {}, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == before
    read = read_transcripts(tmp_path / "out.jsonl")
    assert list(read) == ["a", "b"] and read["a"].text == "line separator"
    assert json.loads(before.splitlines()[1])["reason"] == "no_captions"
    with pytest.raises(ValueError, match="no parameter 'tempo'"):
        captions.transcribe_shard(videos, "captions", {"tempo": 1}, tmp_path / "out.jsonl")


def test_a_damaged_transcript_file_is_named(tmp_path):
    path = tmp_path / "0.jsonl"
    path.write_text('{"video": "a"}\n')
    with pytest.raises(ValueError, match=r"0\.jsonl, line 1"):
        read_transcripts(path)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_parsed_or_refused(text):
    for form in (
        text,
        f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}",
        f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n{text}",
    ):
        try:
            spoken = rolling.speech_of(cues.parse(form))
        except cues.NotCaptions:
            continue
        for segment in spoken.segments:
            assert segment.text == " ".join(segment.text.split()) and segment.end >= segment.start >= 0


@pytest.mark.parametrize(
    "body",
    [
        "<" * 200_000,
        "[" * 200_000,
        "{\\" * 100_000,
        "&" * 200_000,
        "a b " * 50_000,
        "\n".join(["x"] * 100_000),
        "-->" * 60_000,
        "00:00:01.000 --> 00:00:02.000\nx\n\n" * 20_000,
    ],
)
def test_hostile_files_end(body):
    """The suite's own time limit would stop what grows with the square of the file."""
    started = time.process_time()
    cues.parse(f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{body}\n")
    rolling.speech_of(cues.parse(f"1\n00:00:01,000 --> 00:00:02,000\n{body}\n"))
    print(f"{time.process_time() - started:.2f} s")


@pytest.mark.parametrize("text", ["WEBVTT", "WEBVTT\n\nNOTE nothing is said\n"])
def test_captions_without_a_cue_are_absent(tmp_path, text):
    path = tmp_path / "a.vtt"
    path.write_text(text)
    made = captions.transcript_of({"slug": "a", "captions": str(path)}, "captions")
    assert made.outcome.status == "absent" and not made.segments
