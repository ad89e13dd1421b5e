"""Lineage: a model that reads what its labels were made from is refused, whatever way it reads it."""

import pytest

from triptych.core.config import Study
from triptych.learn import lineage

STUDY = {
    "study": "s",
    "corpus": "videos.csv",
    "keyframes": {"uniform": 8},
    "transcripts": {"captions": {"use": "captions"}, "heard": {"use": "faster-whisper"}, "shown": {"use": "ocr"}},
    "encoders": {
        "words": {"use": "minilm", "text": ["captions", "description"]},
        "titles": {"use": "minilm", "text": ["title"]},
        "picture": {"use": "classic-image"},
        "sound": {"use": "classic-audio"},
    },
    "features": {
        "said": {"from": "words.embedding"},
        "named": {"from": "titles.embedding"},
        "seen": {"from": "picture.frame"},
        "noise": {"from": "sound.clip"},
    },
    "relabel": {"zero": {"use": "nli", "model": "m", "labels": ["a", "b"], "text": ["captions"]}},
    "tasks": {"topic": {"label": {"relabel": "zero"}, "group": "film"}, "given": {"label": "topic", "group": "film"}},
}


def study(models, **relabel):
    changed = {**STUDY, "models": models}
    if relabel:
        changed["relabel"] = {"zero": relabel}
    return Study.model_validate(changed).model_dump(by_alias=True, mode="json")


def refused(models, **relabel):
    return lineage.faults(study(models, **relabel))


NLI = {"use": "nli", "model": "m", "labels": ["a", "b"]}
SIMILAR = {"use": "similarity", "labels": ["a", "b"]}


@pytest.mark.parametrize(
    ("model", "section"),
    [
        ({"text": ["captions"]}, {**NLI, "text": ["captions"]}),
        ({"text": ["transcript"]}, {**NLI, "text": ["captions"]}),
        ({"text": ["heard"]}, {**NLI, "text": ["captions"]}),
        ({"text": ["shown"]}, NLI),
        ({"text": ["title", "description"]}, {**NLI, "text": ["title", "captions"]}),
        ({"inputs": ["said"]}, {**NLI, "text": ["description"]}),
        ({"inputs": ["said", "seen"], "fusion": "early"}, NLI),
        ({"inputs": ["seen"], "text": ["title"], "fusion": "early"}, {**NLI, "text": ["title"]}),
        ({"text": ["captions"]}, {**SIMILAR, "encoder": "words"}),
        ({"inputs": ["named"]}, {**SIMILAR, "encoder": "titles"}),
        ({"inputs": ["seen"]}, {**SIMILAR, "encoder": "picture"}),
    ],
)
def test_every_way_to_the_label_source_is_refused_and_can_be_allowed(model, section):
    told = refused({"one": {**model, "tasks": ["topic"]}}, **section)
    assert len(told) == 1 and told[0].startswith("models.one: reads ") and "allow_label_source: true" in told[0]
    assert not refused({"one": {**model, "allow_label_source": True}}, **section)
    assert not refused({"one": {**model, "tasks": ["given"]}}, **section)


def test_a_late_fusion_is_refused_for_its_members_and_says_so_itself():
    models = {
        "words": {"text": ["captions"], "allow_label_source": True},
        "sight": {"inputs": ["seen"]},
        "late": {"fusion": "late", "members": ["words", "sight"], "head": "mean"},
    }
    assert [one.split(":")[0] for one in refused(models)] == ["models.late"]
    models["late"]["allow_label_source"] = True
    assert not refused(models)
    assert set(lineage.of_task("topic", study(models))) == {"words", "late"}


@pytest.mark.parametrize(
    ("model", "section"),
    [
        ({"inputs": ["seen"]}, NLI | {"text": ["title"]}),
        ({"inputs": ["noise"]}, NLI | {"text": ["captions"]}),
        ({"text": ["description"]}, NLI | {"text": ["title"]}),
        ({"inputs": ["named"]}, {**SIMILAR, "encoder": "picture"}),
    ],
)
def test_other_sources_are_no_matter(model, section):
    data = study({"one": model}, **section)
    assert not lineage.faults(data) and not lineage.of_task("topic", data)


@pytest.mark.parametrize(
    ("model", "section", "part"),
    [
        ({"inputs": ["noise"]}, NLI | {"text": ["heard"]}, "faster-whisper made from the sound"),
        ({"inputs": ["seen"]}, NLI | {"text": ["shown"]}, "text that was read in the pictures"),
        ({"text": ["shown"]}, {**SIMILAR, "encoder": "picture"}, "text that was read in the pictures"),
    ],
)
def test_what_derives_from_the_same_is_noted_and_not_refused(model, section, part):
    data = study({"one": model}, **section)
    assert not lineage.faults(data)
    assert lineage.of_task("topic", data)["one"].kind == "related"
    assert any("task topic: model one" in line and part in line for line in lineage.remarks(data))


def test_notes_name_all_models_of_such_a_task_and_none_of_others():
    data = study({"words": {"text": ["captions"], "allow_label_source": True}, "sight": {"inputs": ["seen"]}})
    told = lineage.notes("topic", data)
    assert told == {
        "majority": "",
        "prior": "",
        "words": "same: reads transcript, which the labels were made from",
        "sight": "",
    }
    assert lineage.notes("given", data) == {}


def test_the_source_of_labels_is_one_word():
    data = study({}, **NLI, text=["title", "transcript"])
    assert lineage.joined(lineage.of_relabel("zero", data)) == "ocr+title+transcript"
