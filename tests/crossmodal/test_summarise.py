"""Summaries of a shard: sentences and a tiny network, taken over by key, a text field like any other."""

import json
import re
import shutil

import pytest
from tiny import diffusion

from triptych.core.config import Study, Summary
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.crossmodal import seq2seq
from triptych.crossmodal.summarise import summarise_shard
from triptych.encoders import inputs
from triptych.evaluate import modality
from triptych.learn import lineage
from triptych.speech.transcript import Segment, Transcript, read_transcripts, write_transcripts

SAID = "Ships leave the harbour. The sea is calm tonight. Gulls follow the ships over the sea. My aunt sings."


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    return diffusion.build_summariser(tmp_path_factory.mktemp("models") / "bart")


@pytest.fixture
def world(tmp_path):
    """Two videos with a transcript and one without; each has a title."""
    study = {
        "study": "small",
        "corpus": "videos.csv",
        "shards": 1,
        "results": str(tmp_path),
        "transcripts": {"captions": {"use": "captions"}},
        "summaries": {"short": {"sentences": 2}, "both": {"text": ["title", "transcript"], "sentences": 1}},
    }
    paths = Paths("small", str(tmp_path))
    cut = SAID.index("follow")
    segments = (Segment(3.0, 9.0, SAID[:cut].strip()), Segment(9.0, 12.0, SAID[cut:]))
    lines = [Transcript(video, "captions", segments=segments) for video in ("a", "b")]
    write_transcripts(paths.transcripts("text", "0"), [*lines, Transcript("c", "", Outcome("absent", "no_captions"))])
    return study, paths, [{"slug": one, "fields": {"title": f"Title {one}"}} for one in "abc"]


def complete(study):
    return Study.model_validate(study).model_dump(by_alias=True, mode="json")


def test_extractive_summaries_have_the_form_of_transcripts(world):
    study, paths, videos = world
    counts = summarise_shard("short", complete(study), videos, "0")
    assert (counts["computed"], counts["ok"], counts["absent"]) == (2, 2, 1)
    made = read_transcripts(paths.summary("short", "0"))
    assert made["a"].source == "short" and len(made["a"].segments) == 2
    assert all(one.text in SAID and 3.0 <= one.start < one.end <= 12.0 for one in made["a"].segments)
    assert made["c"].outcome.status == "absent" and made["c"].outcome.reason == "no_captions"
    again = summarise_shard("short", complete(study), videos, "0")
    assert (again["computed"], again["taken_over"]) == (0, 2)
    study["summaries"]["short"]["sentences"] = 1
    assert summarise_shard("short", complete(study), videos, "0")["computed"] == 2


def test_a_summary_is_read_as_a_text_field_and_its_origin_is_known(world):
    study, paths, videos = world
    summarise_shard("both", complete(study), videos, "0")
    reads = inputs.ModelCard(name="x", modality="text", arrays={}, revision="", licence="", source="")
    found = inputs.describe(reads, videos, paths, "0", ["both"], ["captions"], summaries=["both", "short"])
    assert {video: one.outcome.status for video, one in found.items()} == {"a": "ok", "b": "ok", "c": "ok"}
    assert found["c"].words.fields == [("both", [(0.0, 0.0, "Title c")])]
    assert lineage.of_fields(["both"], complete(study)).sources == {"title", "transcript"}


def test_what_a_model_of_a_summary_rests_on(world):
    study, _, _ = world
    model = {"text": ["both"], "inputs": [], "members": []}
    assert modality.summaries_of(model, complete(study)) == ["both"]
    assert modality.transcripts_of(model, complete(study)) == ["captions", "text"]
    assert modality.panels(model, complete(study)) == ["said"]
    assert modality.transcripts_of({"text": ["title"]}, complete(study)) == []


def test_a_network_writes_one_text_for_each_part_it_can_read(world, bart):
    study, paths, videos = world
    params = {"max_tokens": 6, "beams": 2}
    study["summaries"]["written"] = {"use": "transformers", "model": str(bart), "params": params}
    assert summarise_shard("written", complete(study), videos, "0")["computed"] == 2
    first = paths.summary("written", "0")
    made = read_transcripts(first)
    # 48 positions of the network do not hold all of the text at once.
    assert len(made["a"].segments) > 1 and made["a"].segments[0].start == 3.0 and made["a"].duration == 12.0
    texts = [[segment.text for segment in made[video].segments] for video in "ab"]
    assert texts[0] == texts[1] and made["c"].outcome.reason == "no_captions"
    videos[0]["fields"]["title"] = "another, which is not read"
    assert summarise_shard("written", complete(study), videos, "0")["taken_over"] == 2


def test_a_t5_takes_a_prefix_and_tells_no_positions(tmp_path):
    folder = diffusion.build_t5(tmp_path / "t5")
    given = {"use": "transformers", "model": str(folder), "params": {"beams": 1, "max_tokens": 5}}
    made = seq2seq.Summariser(Summary(**given))
    made.load("cpu", 1)
    given["params"]["prefix"] = "the words of a film: "
    prefixed = seq2seq.Summariser(Summary(**given))
    prefixed.load("cpu", 1)
    assert prefixed.room == made.room - prefixed._count(["the words of a film: "])[0] < 48


def test_faults_are_told_before_any_job(bart, tmp_path):
    def faults(**given):
        return seq2seq.faults(Summary(**given))

    assert faults(use="transformers", model=str(bart)) == [] and faults() == []
    assert "extractive" in faults(params={"beams": 2})[0]
    found = faults(use="transformers", model=str(bart), params={"beams": 99, "tokens": 3})
    assert re.search("beams: must be at most 16", found[0]) and "unknown parameter" in found[1]
    assert "there is no such folder" in faults(use="transformers", model="./nowhere")[0]
    folder = shutil.copytree(bart, tmp_path / "copy")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "is_encoder_decoder": False}))
    assert "no network that writes text" in faults(use="transformers", model=str(folder))[0]
    (folder / "config.json").write_text('{"architectures": ["CLIPModel"], "model_type": "clip"}')
    assert "no network that writes text" in faults(use="transformers", model=str(folder))[0]
