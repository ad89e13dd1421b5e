"""Captions of any origin, and transcripts as JSON lines."""

import math

from fuzz.damage import damaged, json_lines, words
from fuzz.target import target, tried
from hypothesis import strategies as st

from triptych.core.files import DamagedFile
from triptych.learn.text import read_transcripts as read_words
from triptych.speech.captions import transcript_of
from triptych.speech.shelf import Shelf
from triptych.speech.transcript import Segment, Transcript, read_transcripts, write_transcripts

VTT = (
    b"WEBVTT - a title\nKind: captions\nLanguage: en\n\nSTYLE\n::cue {}\n\nNOTE x\n\n1\n00:00:01.000 --> 00:00:03.500"
    b" line:1\n<v Ann>Salt &amp; water<00:00:02.000><c> dries</c>\n\n00:03.500 --> 00:05.000\n[Music] on the ferry\n"
)
ROLLING = (
    b"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n \none<00:00:01.000><c> two</c>\n\n00:00:02.000 --> 00:00:02.010\n"
    b"one two\n \n\n00:00:02.010 --> 00:00:04.000\none two\nthree<00:00:03.000><c> four</c>\n"
)
SRT = "1\n00:00:01,000 --> 00:00:02,000\nÄ {\\an8}line\n\n2\n00:00:02,000 --> 00:00:04,000\n- two\n- lines\n".encode(
    "cp1252"
)
WIDE = "1\n00:00:01,000 --> 00:00:02,000\nwide\n".encode("utf-16")
LINE = {
    "video": "a",
    "source": "captions",
    "status": "ok",
    "reason": None,
    "message": None,
    "warnings": {},
    "transient": False,
    "language": "en",
    "segments": [
        {"start": 1.0, "end": 2.5, "text": "salt"},
        {"start": 2.5, "end": 3.0, "text": "water", "words": [[2.5, 3.0, "water", 0.9]]},
    ],
    "sounds": [{"start": 0.0, "end": 1.0, "text": "[Music]"}],
    "duration": 3.0,
    "key": "ab" * 32,
}
NONE = {"video": "b", "source": "captions", "status": "failed", "reason": "x", "message": "y", "segments": []}


@target(share=3, content=damaged(VTT, ROLLING, SRT, WIDE), name=st.sampled_from(["a.vtt", "a.en.srt", "a.pt-BR.vtt"]))
def test_damaged_captions_are_speech_or_an_outcome(folder, content, name):
    path = folder / name
    path.write_bytes(content)
    made = transcript_of({"slug": "a", "captions": str(path)}, "captions")
    assert made.outcome.ok or (made.outcome.reason and made.outcome.message)
    for segment in (*made.segments, *made.sounds):
        assert 0 <= segment.start <= segment.end < math.inf
        assert segment.text == " ".join(segment.text.split())
    write_transcripts(folder / "made.jsonl", [made])
    again = read_transcripts(folder / "made.jsonl")["a"]
    assert (again.text, again.outcome, again.language) == (made.text, made.outcome, made.language)


@target(text=words, cues=st.lists(st.tuples(st.integers(0, 9**6), st.integers(0, 9**6), words), max_size=5))
def test_any_cues_are_read(folder, text, cues):
    clock = "{0}:{1:02d}:{2:02d}.{3:03d}".format
    body = "".join(
        f"{clock(a // 3600000, a // 60000 % 60, a // 1000 % 60, a % 1000)} --> "
        f"{clock(b // 3600000, b // 60000 % 60, b // 1000 % 60, b % 1000)}\n{line}\n\n"
        for a, b, line in cues
    )
    path = folder / "cues.vtt"
    path.write_bytes(f"WEBVTT {text}\n\n{body}".encode("utf-8", "surrogatepass"))
    made = transcript_of({"slug": "a", "captions": str(path)}, "captions")
    assert made.outcome.ok or made.outcome.reason


@target(share=2, content=json_lines(LINE, NONE))
def test_damaged_transcripts_are_named_with_their_line(folder, content):
    path = folder / "0.jsonl"
    path.write_bytes(content)
    found = tried(DamagedFile, (path,), read_transcripts, path)
    for one in (found or {}).values():
        assert isinstance(one.text, str)
        assert isinstance(one.usable, bool)
    if found:
        write_transcripts(folder / "again.jsonl", found.values())
        assert {name: one.text for name, one in read_transcripts(folder / "again.jsonl").items()} == {
            name: one.text for name, one in found.items()
        }
    tried(DamagedFile, (path,), read_words, [path])


@target(content=json_lines(LINE, NONE), spare=json_lines(LINE))
def test_a_shelf_with_damage_gives_whole_transcripts_only(folder, content, spare):
    (folder / "shelf" / "spare").mkdir(parents=True, exist_ok=True)
    (folder / "shelf" / "0.jsonl").write_bytes(content)
    (folder / "shelf" / "spare" / "s.jsonl").write_bytes(spare)
    shelf = Shelf(folder / "shelf" / "0.jsonl", 1)
    found = shelf.find({"a": "ab" * 32})
    assert all(one.key == "ab" * 32 and isinstance(one.text, str) for one in found.values())
    shelf.replace(found.values())
    if found:
        assert set(read_transcripts(shelf.out)) == set(found)
    else:
        # Shards have videos: a file without a line is one that lost them.
        tried(DamagedFile, (shelf.out,), read_transcripts, shelf.out)


@target(
    texts=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e3), st.text(st.characters(codec="utf-8"))), max_size=4),
    language=st.none() | st.sampled_from(["en", "pt-BR"]),
)
def test_transcripts_come_back(folder, texts, language):
    segments = tuple(Segment(round(a, 3), round(round(a, 3) + round(b, 3), 3), text) for a, b, text in texts)
    made = Transcript("a", "x", language=language, segments=segments)
    write_transcripts(folder / "round.jsonl", [made])
    assert read_transcripts(folder / "round.jsonl") == {"a": made}
