"""Of several sources the first with text wins, and the line says which."""

from triptych.core.status import Outcome
from triptych.speech import resolve
from triptych.speech.transcript import Segment, Transcript, read_transcripts, write_transcripts


def text(video, source, words):
    return Transcript(video, source, segments=(Segment(0, 1, words),), language="en", duration=1.0)


def none(video, source, status="absent", reason="no_captions"):
    return Transcript(video, source, Outcome(status, reason, f"{source} had nothing"))


def test_first_with_text_wins(tmp_path):
    write_transcripts(tmp_path / "c.jsonl", [text("a", "captions", "x"), none("b", "captions"), none("c", "captions")])
    sources = [{"name": "captions", "path": tmp_path / "c.jsonl"}, {"name": "whisper", "path": tmp_path / "w.jsonl"}]
    needed = resolve.without_text(sources[:1], ["a", "b", "c"])
    assert needed == ["b", "c"]
    write_transcripts(
        tmp_path / "w.jsonl",
        [resolve.not_needed("a", "whisper"), text("b", "whisper", "y"), none("c", "whisper", "failed", "unreadable")],
    )
    counts = resolve.resolve_shard(sources, ["a", "b", "c"], tmp_path / "text.jsonl")
    assert counts == {"captions": 1, "whisper": 1, "failed": 1}
    found = read_transcripts(tmp_path / "text.jsonl")
    assert (found["a"].source, found["a"].text) == ("captions", "x")
    assert (found["b"].source, found["b"].text) == ("whisper", "y")
    assert found["c"].outcome.reason == "unreadable"
    assert "captions: captions had nothing; whisper: whisper had nothing" in found["c"].outcome.message


def test_no_source_and_empty_text():
    assert resolve.resolve("a", []).outcome.reason == "no_transcript_source"
    silent = Transcript("a", "whisper", segments=())
    assert resolve.resolve("a", [silent]).outcome.reason == "no_text"
