"""What a text encoder reads: words of masked columns are taken out, and belong to the digest."""

from triptych.core.status import Outcome
from triptych.encoders import inputs, registry
from triptych.speech.transcript import Segment, Transcript


def read(fields, columns, masked=()):
    said = Transcript(
        "a", "captions", Outcome("ok"), None, (Segment(0, 1, "Welcome to Blue Sky, says Ann"), Segment(1, 2, "Sky"))
    )
    video = {"slug": "a", "fields": columns}
    return inputs._words(video, fields, {"transcript": {"a": said}}, masked)


def test_words_of_masked_columns_are_taken_out_of_every_field():
    columns = {"title": "BlueSky: the skyline by blue sky", "channel": "Blue Sky"}
    bare, masked = read(["title", "transcript"], columns), read(["title", "transcript"], columns, ["channel"])
    assert bare.words.fields[0][1] == [(0.0, 0.0, "BlueSky: the skyline by blue sky")]
    (_, title), (_, said) = masked.words.fields
    assert title[0][2].split() == [":", "the", "skyline", "by"]
    assert [text.split() for _, _, text in said] == [["Welcome", "to", ",", "says", "Ann"]]
    assert masked.digest != bare.digest


def test_nothing_to_mask_changes_nothing():
    columns = {"title": "a talk", "channel": ""}
    assert read(["title"], columns, ["channel"]) == read(["title"], columns)
    only = read(["title"], {"title": "Blue Sky", "channel": "blue-sky"}, ["channel"])
    assert only.outcome.reason == "no_text" and only.words is None


def test_whole_words_and_handles_are_masked_and_single_letters_are_not():
    hidden = inputs.words_of(["Blue Sky", "R. Doe"])
    told = inputs.without("@bluesky and #BlueSky by R. Doe of Doeville", hidden)
    assert told.split() == ["@", "and", "#", "by", "R.", "of", "Doeville"]
    assert inputs.words_of(["", "a"]) is None


def test_the_masked_columns_of_a_section():
    assert registry.masked_columns({"use": "minilm", "params": {"mask": ["channel"]}}) == ["channel"]
    assert registry.masked_columns({"use": "classic-audio"}) == []
