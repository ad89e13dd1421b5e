"""Lineage: what labels and models were made from, and which models would only learn the labeller.

Sources are `transcript` (what is said: captions and recognisers give the same words), `ocr` (text in the picture),
`pictures` (keyframes and clips), `sound`, and columns of the table by name. A source may itself derive from another
one: a recogniser's transcript from the sound, text by OCR from the pictures. A model that reads a source of its task's
zero-shot labels is refused unless its section says `allow_label_source: true`; one that is related through a derived
source is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SAID, WRITTEN, SEEN, HEARD = "transcript", "ocr", "pictures", "sound"
_OF_MODALITY = {"audio": HEARD, "image": SEEN, "video": SEEN}


@dataclass(frozen=True)
class Lineage:
    """Sources that were read, and by source (`sound`) what among them was made from it (`transcript by whisper`)."""

    sources: frozenset[str] = frozenset()
    derived: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, other: Lineage) -> Lineage:
        return Lineage(self.sources | other.sources, {**other.derived, **self.derived})


@dataclass(frozen=True)
class Relation:
    """How a model's inputs are related to the labels of its task.

    Attributes:
        kind: `same`: it reads what the labels were made from; `related`: one derives from what the other reads.
        text: of this in words.
    """

    kind: Literal["same", "related"]
    text: str


def of_fields(fields: Iterable[str], study: Mapping[str, Any]) -> Lineage:
    """Lineage of text fields: `transcript` is what all sources of transcripts may give, a summary its own text."""
    found = Lineage()
    for name in fields:
        if name == "transcript":
            for source in study["transcripts"]:
                found |= _of_transcripts(source, study)
            found |= Lineage(frozenset([SAID])) if not study["transcripts"] else Lineage()
        elif name in study["transcripts"]:
            found |= _of_transcripts(name, study)
        elif name in (study.get("summaries") or ()):
            found |= of_fields(study["summaries"][name].get("text") or ["transcript"], study)
        else:
            found |= Lineage(frozenset([name]))
    return found


def _of_transcripts(source: str, study: Mapping[str, Any]) -> Lineage:
    use = study["transcripts"][source]["use"]
    if use == "captions":
        return Lineage(frozenset([SAID]))
    if use == "ocr":
        return Lineage(frozenset([WRITTEN]), {SEEN: f"{source} is text that was read in the pictures"})
    return Lineage(frozenset([SAID]), {HEARD: f"{source} is a transcript that {use} made from the sound"})


def of_encoder(name: str, study: Mapping[str, Any]) -> Lineage:
    """Lineage of an encoder: its text fields, or what its modality reads."""
    from triptych.encoders.base import EncoderError
    from triptych.encoders.registry import find

    section = study["encoders"][name]
    try:
        modality = find(section["use"]).card.modality
    except EncoderError:
        return Lineage(frozenset([f"encoder {name}"]))  # it stands for itself: told by `triptych check`
    if modality == "text":
        return of_fields(section.get("text") or ["transcript"], study)
    return Lineage(frozenset([_OF_MODALITY[modality]]))


def of_relabel(name: str, study: Mapping[str, Any]) -> Lineage:
    """What zero-shot labels are made from."""
    section = study["relabel"][name]
    if section["use"] == "similarity":
        return of_encoder(section["encoder"], study)
    return of_fields(section.get("text") or ["transcript"], study)


def of_model(model: Mapping[str, Any], study: Mapping[str, Any]) -> Lineage:
    """What a model reads: its text fields, the encoders behind its features, and all that its members read."""
    found = of_fields(model.get("text") or (), study)
    for feature in model.get("inputs") or ():
        section = study["features"][feature]
        found |= of_encoder((section.get("from") or section["from_"]).partition(".")[0], study)
    for member in (*(model.get("members") or ()), *(model.get("select") or ())):
        if member in study["models"]:
            found |= of_model(study["models"][member], study)
    return found


def joined(found: Lineage) -> str:
    """Sources as one word, for the column `label_source`: `title+transcript`."""
    return "+".join(sorted(found.sources))


def relation(model: Lineage, labels: Lineage) -> Relation | None:
    """How what a model reads is related to what labels were made from."""
    same = sorted(model.sources & labels.sources)
    if same:
        return Relation("same", f"reads {', '.join(same)}, which the labels were made from")
    for source, why in sorted(labels.derived.items()):
        if source in model.sources:
            return Relation("related", f"reads {source}, and the labels were made from what derives from it: {why}")
    for source, why in sorted(model.derived.items()):
        if source in labels.sources:
            return Relation("related", f"reads what derives from {source}, which the labels were made from: {why}")
    shared = sorted(set(model.derived) & set(labels.derived))
    if shared:
        return Relation(
            "related", f"reads what derives from {shared[0]}, and so do the labels: {model.derived[shared[0]]}"
        )
    return None


def relabel_of(task: str, study: Mapping[str, Any]) -> str | None:
    """The section of zero-shot labels that a task takes, or None."""
    label = study["tasks"][task]["label"]
    return label.get("relabel") if isinstance(label, Mapping) else None


def of_task(task: str, study: Mapping[str, Any]) -> dict[str, Relation]:
    """The models of a task that are related to its zero-shot labels; none with labels of another origin."""
    from triptych.evaluate.modality import is_baseline, models_of

    name = relabel_of(task, study)
    if name is None or name not in study["relabel"]:
        return {}
    labels = of_relabel(name, study)
    found = {}
    for model, spec in models_of(study, task).items():
        told = None if is_baseline(spec) else relation(of_model(spec, study), labels)
        if told is not None:
            found[model] = told
    return found


def notes(task: str, study: Mapping[str, Any]) -> dict[str, str]:
    """Model -> what the comparison says of it; all models of a task with zero-shot labels, none of other tasks."""
    from triptych.evaluate.modality import models_of

    if relabel_of(task, study) is None:
        return {}
    found = of_task(task, study)
    words = {model: f"{one.kind}: {one.text}" for model, one in found.items()}
    return {model: words.get(model, "") for model in models_of(study, task)}


def faults(study: Mapping[str, Any]) -> list[str]:
    """Models that read what the labels of their task were made from, and do not say that this is meant."""
    told = []
    for task in study["tasks"]:
        for model, one in of_task(task, study).items():
            if one.kind == "same" and not study["models"][model].get("allow_label_source"):
                told.append(
                    f"models.{model}: {one.text} (task {task}, relabel {relabel_of(task, study)}): it would learn the "
                    "labeller. Give it other inputs, name other `tasks`, or set `allow_label_source: true`"
                )
    return told


def remarks(study: Mapping[str, Any]) -> list[str]:
    """What is related and no fault, a line a model and task."""
    return [
        f"task {task}: model {model} {one.text}"
        for task in study["tasks"]
        for model, one in of_task(task, study).items()
        if one.kind == "related" or study["models"][model].get("allow_label_source")
    ]
