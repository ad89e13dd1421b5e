"""Search by words over the demo corpus with MiniLM, over planted embeddings, and what it says when it cannot."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import CHECKOUT

from triptych.commands.search import lines, span
from triptych.core.cells import printable
from triptych.core.config import Study
from triptych.core.corpus import read_corpus
from triptych.core.paths import Paths
from triptych.core.store import Entry, read_store, write_store
from triptych.core.units import by_shard
from triptych.crossmodal import search as crossmodal
from triptych.crossmodal.search import Clip, Result, SearchError, search
from triptych.encoders import engine, registry
from triptych.encoders.faults import validate
from triptych.speech.captions import transcribe_shard

DEMO = CHECKOUT / "data" / "demo"
#: A class of the demo corpus, as a user would ask for it.
PROMPTS = {
    "harbour": "boats and gulls in the harbour",
    "kitchen": "somebody cooks in a kitchen",
    "meadow": "a meadow with flowers and bees",
    "workshop": "working with wood and tools in a workshop",
}
MINI = {"mini": {"use": "minilm"}}


def made(encoders, shards=3, **changes):
    told = {"study": "s", "corpus": "videos.csv", "shards": shards, "encoders": encoders, **changes}
    return Study.model_validate({**told, "transcripts": {"captions": {"use": "captions"}}})


@pytest.fixture(scope="module")
def demo_said(tmp_path_factory):
    """The demo corpus with MiniLM over its captions: a study and its table."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("said")
    os.chdir(folder)
    try:
        study, corpus = made(MINI), read_corpus(DEMO / "videos.csv")
        paths = Paths.of(study)
        for shard, slugs in by_shard(corpus.by_slug, study.shards).items():
            rows = [(slug, corpus.captions_path(corpus.by_slug[slug])) for slug in slugs]
            captions = [{"slug": slug, "captions": str(path or ""), "manifest": ""} for slug, path in rows]
            transcribe_shard(captions, "text", {}, paths.transcripts("text", shard))
            videos = [{"slug": slug, "fields": {}} for slug in slugs]
            engine.embed_shard(study.encoders["mini"].model_dump(), videos, paths, shard, name="mini", shards=3)
        yield folder, study, corpus
    finally:
        os.chdir(before)


@pytest.fixture
def said(demo_said, monkeypatch):
    monkeypatch.chdir(demo_said[0])
    return demo_said


@pytest.mark.parametrize("topic", PROMPTS)
def test_the_class_is_found_by_its_words(said, topic):
    _, study, corpus = said
    found = search(study, list(corpus.by_slug), PROMPTS[topic], top=3)
    assert topic in [corpus.by_slug[one.video].fields["topic"] for one in found.results]
    assert len(found.results) == 3 and found.encoders == ["mini"] and not found.notes
    assert all(0 < clip.start < clip.end < 10 for one in found.results for clip in one.clips)


def test_the_sentence_itself_is_first(said):
    _, study, corpus = said
    first = search(study, list(corpus.by_slug), "Salt water dries on the ferry and the oar.", top=1).results[0]
    assert first.video == "amber-hours-2" and first.clips[0].rank == 1


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Two encoders of two numbers each that agree about the first video; the query is (1, 0) in both."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos.csv").write_text('id,title\na,"A \x1b[31mred\x1b[0m \u202etitle"\nb,B\nc,C\nd,D\n')
    section = {"use": "minilm", "text": ["title"]}
    study = made({"one": section, "two": section, "sound": {"use": "classic-audio"}}, shards=1)
    vectors = {
        "one": {"a": [[0, 1], [1, 0]], "b": [[1, 1]], "c": [[0, 1]]},
        "two": {"a": [[1, 0.1]], "b": [[0, 1]], "c": [[0, 1]], "d": [[1, 2]], "gone": [[1, 0]]},
    }
    for name, rows in vectors.items():
        write(study, name, rows)
    monkeypatch.setattr(crossmodal, "embed", lambda *_: np.array([2.0, 0.0]))
    return study


def write(study, name, rows):
    entries = [
        Entry(
            video,
            "k",
            arrays={"embedding": np.float32(values)},
            times={"embedding": np.float64([[3 * at, 3 * at + 3] for at in range(len(values))])},
        )
        for video, values in rows.items()
    ]
    write_store(Paths.of(study).embeddings(name, "0"), entries)


def test_rankings_are_joined_by_reciprocal_ranks(planted):
    found = search(planted, list("abcd"), "red")
    assert [one.video for one in found.results] == ["a", "b", "c", "d"]
    a, b, c, d = found.results
    assert a.score == pytest.approx(2 / 61) and b.score == pytest.approx(1 / 62 + 1 / 63.5)
    assert c.score == pytest.approx(1 / 63 + 1 / 63.5) and d.score == pytest.approx(1 / 62)
    one = next(clip for clip in a.clips if clip.encoder == "one")
    assert (one.start, one.end, one.cosine) == (3.0, 6.0, 1.0)
    assert [one.video for one in search(planted, list("abcd"), "red", encoder="two").results] == ["a", "d", "b", "c"]


def test_titles_cannot_steer_the_terminal(planted):
    rows = {name: dataclasses.replace(row) for name, row in titled(planted).items()}
    found = search(planted, list("abcd"), "red", top=1)
    told = "\n".join(lines(found, rows))
    assert "\x1b" not in told and "\u202e" not in told and "red" in told
    assert "  0:03-0:06  cosine 1.000, rank 1" in told
    assert json.loads(json.dumps(crossmodal.as_dict(found, "red", rows)))["results"][0]["title"] == rows["a"].title
    assert printable("a\nb\tc") == "a b c" and len(printable("x" * 500)) == 70


def titled(study):
    from triptych.core.corpus import Row

    title = "A \x1b[31mred\x1b[0m \u202etitle"
    return {name: Row(2, name, name, "", "", "", title if name == "a" else name, "", {}) for name in "abcd"}


def test_times_are_told_as_they_are():
    def clip(reads, start, end, array="embedding"):
        return Clip("e", reads, array, start, end, 1.0)

    assert span(clip("text", 3, 3725.9)) == "0:03-1:02:05" and span(clip("image", 0, 0)) == "0:00"
    assert span(clip("text", 0, 0)) == "-" and span(clip("text", 0, 0, "title")) == "title"


def test_a_damaged_shard_is_named_and_left_out(said, tmp_path):
    folder, study, corpus = said
    path = folder / Paths.of(study).embeddings("mini", "1")
    whole = path.read_bytes()
    held = set(read_store(path)[0])
    try:
        path.write_bytes(whole[: len(whole) // 2])
        found = search(study, list(corpus.by_slug), PROMPTS["harbour"], top=100)
        assert any("damaged" in note and "embeddings/mini/1.h5" in note for note in found.notes)
        assert found.results and not held & {one.video for one in found.results}
        path.unlink()
        found = search(study, list(corpus.by_slug), PROMPTS["harbour"])
        assert any("not made yet" in note and "mini/1.h5" in note for note in found.notes)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("encoders", "asked", "told"),
    [
        ({"sound": {"use": "classic-audio"}}, {}, r"no encoder of this study can embed words.*use: minilm.*use: clip"),
        (MINI, {}, "there are no embeddings yet; make them with: snakemake embeddings"),
        (MINI, {"encoder": "mino"}, "no encoder 'mino'; did you mean 'mini'"),
        ({**MINI, "sound": {"use": "classic-audio"}}, {"encoder": "sound"}, "sound .* cannot embed words.*: mini"),
        (MINI, {"query": "  "}, "name what is searched for"),
    ],
)
def test_what_cannot_be_searched_is_told(tmp_path, monkeypatch, encoders, asked, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SearchError, match=told):
        search(made(encoders), ["a", "b"], **{"query": "boats", **asked})


def test_weights_that_are_missing_are_told_as_by_check(planted):
    section = {"use": "clip", "model": "./nowhere"}
    study = made({"seen": section}, shards=1)
    write(study, "seen", {"a": [[1, 0]]})
    told = validate("seen", study.encoders["seen"].model_dump(), study.keyframes.short_side)
    with pytest.raises(SearchError) as error:
        search(study, ["a"], "boats")
    assert told and str(error.value) == "\n".join(told)


def test_vectors_of_another_model_are_no_traceback(planted):
    write(planted, "one", {"a": [[1, 0, 0]]})
    with pytest.raises(SearchError, match="vectors have 3 numbers, those of words 2"):
        search(planted, ["a"], "red", encoder="one")
    # The other encoder still answers.
    found = search(planted, ["a"], "red")
    assert found.encoders == ["two"] and any("3 numbers" in note for note in found.notes)


def test_equal_scores_are_in_the_order_of_slugs():
    clip = Clip("e", "text", "embedding", 0, 1, 0.5, 1.5)
    assert crossmodal.fused({"e": {"b": clip, "a": clip}}) == [
        Result("a", 1 / 61.5, [clip]),
        Result("b", 1 / 61.5, [clip]),
    ]


def test_the_command_ends_with_one_and_what_to_do(tmp_path):
    told = {"study": "s", "corpus": str(DEMO / "videos.csv"), "encoders": MINI}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**told, "transcripts": {"captions": {"use": "captions"}}}))
    command = [sys.executable, "-m", "triptych.cli", "search", "boats", "-c", "study.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and not ran.stdout
    assert ran.stderr == "triptych: encoders.mini: there are no embeddings yet; make them with: snakemake embeddings\n"


def test_frames_are_found_by_the_text_tower_of_the_same_clip(tmp_path, monkeypatch):
    """Of a checkpoint of random weights: a frame whose embedding is that of the query is first, with its time."""
    from tiny.image import build_clip

    from triptych.encoders.clip_text import ClipText

    monkeypatch.chdir(tmp_path)
    folder = build_clip(tmp_path / "clip")
    study = made({"seen": {"use": "clip", "model": str(folder)}}, shards=1)
    tower = ClipText(registry.weights_of(registry.made_from(study.encoders["seen"].model_dump())))
    tower.load("cpu")
    (wanted,) = tower.encode(["boats"])
    other = np.roll(wanted, 1)
    entries = [
        Entry(
            video,
            "k",
            arrays={"embedding": np.float32([other, near])},
            times={"embedding": np.float64([[1, 1], [4, 4]])},
        )
        for video, near in (("a", -wanted), ("b", wanted))
    ]
    write_store(Paths.of(study).embeddings("seen", "0"), entries)
    found = search(study, ["a", "b"], "boats")
    clip = found.results[0].clips[0]
    assert found.results[0].video == "b" and clip.cosine == pytest.approx(1.0, abs=1e-6)
    assert (clip.start, clip.end, clip.reads) == (4.0, 4.0, "image") and span(clip) == "0:04"
    cropped = made({"seen": {"use": "clip", "model": str(folder), "params": {"pool": "cls"}}})
    with pytest.raises(SearchError, match="no encoder of this study can embed words"):
        search(cropped, ["a"], "boats")
