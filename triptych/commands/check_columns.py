"""What a study reads of its table's columns: columns that are there, may be read as text, and are not the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from triptych.core.config import LabelColumn, Study, nearest
from triptych.core.corpus import Corpus


def modalities(study: Study) -> dict[str, str]:
    """Encoder -> what it reads, of those that are known."""
    from triptych.encoders import base, registry

    found = {}
    for name, encoder in study.encoders.items():
        try:
            found[name] = registry.find(encoder.use).card.modality
        except base.EncoderError:
            continue
    return found


def text_faults(study: Study, corpus: Corpus) -> list[str]:
    """Text fields that are not there or must not be read as text."""
    reads = modalities(study)
    wanted = {f"encoders.{name}.text": one.text for name, one in study.encoders.items() if reads.get(name) == "text"}
    wanted |= {f"models.{name}.text": model.text for name, model in study.models.items()}
    wanted |= {f"relabel.{name}.text": one.fields for name, one in study.relabel.items() if one.use == "nli"}
    wanted |= {f"summaries.{name}.text": one.text for name, one in study.summaries.items()}
    wanted |= {f"match.{name}.text": one.text for name, one in study.match.items()}
    wanted |= {f"imagine.{name}.text": [one.text] for name, one in study.imagine.items()}
    faults = []
    for place, fields in wanted.items():
        for column in fields:
            if column in study.summaries:
                if place.startswith("summaries."):
                    faults.append(f"{place}: {column!r} is itself a summary; name what it is made from")
            elif column == "transcript":
                if not study.spoken:
                    faults.append(f"{place}: reads `transcript`, but the study has no `transcripts` of what is said")
            elif column not in study.transcripts:
                missing = column_fault(place, column, corpus, ["transcript", *study.transcripts, *study.summaries])
                faults += missing or _not_allowed(place, column, study)
    faults += [
        f"transcripts.{name}: the table has a column of this name, so a text field {name!r} could be either; rename one"
        for name in study.transcripts
        if name in corpus.columns and name != "captions"
    ]
    faults += [
        f"summaries.{name}: the table has a column of this name, so a text field {name!r} could be either; rename one"
        for name in study.summaries
        if name in corpus.columns
    ]
    for name, encoder in study.encoders.items():
        for column in _masked(encoder):
            faults += column_fault(f"encoders.{name}.params.mask", column, corpus)
    return faults


def _not_allowed(place: str, column: str, study: Study) -> list[str]:
    """A column that is not in `text_fields` must not be read as text."""
    if column in study.text_fields:
        return []
    listed = ", ".join([*study.text_fields, column])
    return [
        f"{place}: {column!r} is not among `text_fields`: a column such as a channel's name or hashtags can tell the "
        f"label without any look at the video; if it does not, allow it by text_fields: [{listed}]"
    ]


def _masked(encoder: Any) -> list[str]:
    from triptych.encoders import base, registry

    try:
        return registry.masked_columns(encoder.model_dump())
    except base.EncoderError:
        return []


def answer_faults(study: Study) -> list[str]:
    """Models that read the label or the group of their task as text, themselves or through an encoder."""
    reads = modalities(study)
    faults = []
    for task, one in study.tasks.items():
        answers = {source: place for place, source in (("group", one.group), ("label", one.label)) if source != "none"}
        for name, model in study.models_of(task).items():
            read = {f"models.{name}.text": _whole(model.text, study)}
            for feature in model.inputs:
                encoder = study.features[feature].from_.partition(".")[0] if feature in study.features else ""
                if reads.get(encoder) == "text":
                    place = f"models.{name}: its feature {feature!r} (encoder {encoder!r})"
                    read[place] = _whole(study.encoders[encoder].text, study)
                    if answers.get(one.label) == "label" and one.label in _masked(study.encoders[encoder]):
                        faults.append(
                            f"{place}: masks {one.label!r}, the label of task {task!r}: what is missing from a text "
                            "tells the answer; mask other columns"
                        )
            faults += [
                f"{place}: reads {field!r}, the {answers[field]} of task {task!r}, which tells the answer; leave it "
                "out, or name other `tasks` for this model"
                for place, fields in read.items()
                for field in fields
                if field in answers and field not in ("transcript", *study.transcripts)
            ]
    return faults


def _whole(fields: Iterable[str], study: Study) -> list[str]:
    """Text fields with what summaries among them are made from in their place."""
    found = [study.summaries[one].text if one in study.summaries else [one] for one in fields]
    return list(dict.fromkeys(field for part in found for field in part))


def relabel_faults(study: Study, corpus: Corpus) -> list[str]:
    """Columns of zero-shot labels that are not there, or whose values are no labels."""
    from triptych.learn.relabel import candidates
    from triptych.learn.relabel_files import RelabelError

    faults = []
    for name, section in study.relabel.items():
        if section.against:
            faults += column_fault(f"relabel.{name}.against", section.against, corpus)
            encoder = study.encoders.get(section.encoder or "")
            fields = section.fields if section.use == "nli" else encoder.text if encoder else []
            if section.against in _whole(fields, study) and section.against not in study.transcripts:
                faults.append(
                    f"relabel.{name}.against: the labels are made from {section.against!r} itself, so that agreement "
                    "with it tells nothing; leave it out of the text"
                )
        if isinstance(section.labels, LabelColumn):
            missing = column_fault(f"relabel.{name}.labels", section.labels.column, corpus)
            faults += missing
            if not missing:
                try:
                    candidates(name, section, [{"fields": row.fields} for row in corpus.rows])
                except RelabelError as error:
                    faults.append(f"relabel.{name}.labels: {str(error).partition(': ')[2]}")
    return faults


def column_fault(place: str, column: str, corpus: Corpus, others: Iterable[str] = ()) -> list[str]:
    """A column that the table has not: one line with the nearest that it has; empty when it is there."""
    if column in corpus.columns:
        return []
    known = [*others, *corpus.columns]
    hint = nearest(column, known) or f" (columns: {', '.join(corpus.columns)})"
    return [f"{place}: the table has no column {column!r}{hint}"]
