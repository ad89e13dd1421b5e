"""What a model reads: modalities of its inputs, encoders behind them, and so which models are single-modality ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BASELINES = ("majority", "prior")
#: Modalities that count as one panel: keyframes and clips are both what is seen.
PANELS = {"text": "said", "audio": "heard", "image": "seen", "video": "seen"}


def models_of(study: Mapping[str, Any], task: str) -> dict[str, dict[str, Any]]:
    """The models of a task as mappings, the two baselines first (they are rows of every comparison).

    Args:
        study: a complete study file as a mapping.
        task: its name.
    """
    empty = {"inputs": [], "text": [], "fusion": None, "members": [], "balance": "none", "params": {}}
    named = {name: {**empty, "head": name} for name in BASELINES} | {
        name: dict(model) for name, model in study["models"].items()
    }
    return {name: model for name, model in named.items() if model.get("tasks") is None or task in model["tasks"]}


def encoders_of(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """Names of the encoders that a model depends on, sorted; those of the models that it reads."""
    found = set()
    for feature in _features(model, study):
        section = study["features"][feature]
        found.add((section.get("from") or section["from_"]).partition(".")[0])
    return sorted(found)


def transcripts_of(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """Sources of transcripts that a model depends on, by its own text fields, its members' or its encoders'.

    The resolved transcript is `text`, and depends on all sources of what is said.
    """
    fields = _fields(model, study)
    for name in summaries_of(model, study):
        fields.update(study["summaries"][name].get("text") or ())
    if "transcript" in fields:
        fields |= {"text", *(name for name, source in study["transcripts"].items() if source.get("use") != "ocr")}
    return [name for name in (*study["transcripts"], "text") if name in fields]


def summaries_of(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """Summaries that a model depends on, as `transcripts_of` has transcripts."""
    return [name for name in study.get("summaries") or () if name in _fields(model, study)]


def _fields(model: Mapping[str, Any], study: Mapping[str, Any]) -> set[str]:
    """Text fields that a model, its members and its encoders read."""
    fields = {field for part in (model, *_members(model, study)) for field in part.get("text") or ()}
    for encoder in encoders_of(model, study):
        section = study["encoders"][encoder]
        if _panel(section) == "said":
            fields.update(section.get("text") or ())
    return fields


def panels(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """What a model reads of `heard`, `said` and `seen`, sorted.

    An encoder of a user's own that cannot be imported here stands for itself.
    """
    found = set()
    for part in (model, *_members(model, study)):
        if part.get("text"):
            found.add("said")
    for encoder in encoders_of(model, study):
        found.add(_panel(study["encoders"][encoder]) or encoder)
    return sorted(found)


def is_baseline(model: Mapping[str, Any]) -> bool:
    """Whether a model looks at no video at all."""
    return model.get("head") in BASELINES


def is_single(model: Mapping[str, Any], study: Mapping[str, Any]) -> bool:
    """Whether a model reads one panel only (several features of one panel still count as one)."""
    return not is_baseline(model) and not members(model) and len(panels(model, study)) == 1


def members(model: Mapping[str, Any]) -> list[str]:
    """Names of the models that a late fusion or a choice reads."""
    return [*(model.get("members") or ()), *(model.get("select") or ())]


def _members(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [study["models"][name] for name in members(model) if name in study["models"]]


def _features(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    return [name for part in (model, *_members(model, study)) for name in part.get("inputs") or ()]


def _panel(encoder: Mapping[str, Any]) -> str | None:
    from triptych.encoders.base import EncoderError
    from triptych.encoders.registry import find

    try:
        return PANELS.get(find(encoder["use"]).card.modality)
    except EncoderError:
        return None
