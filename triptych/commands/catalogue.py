"""Encoders and transcribers as they are registered or as a study uses them, and the weights that each needs."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from triptych.core import weights
from triptych.core.config import Study


@dataclass(frozen=True)
class Part:
    """An encoder, a transcriber, a model of labels, summaries or pictures, or one that is fine-tuned.

    Attributes:
        kind: `encoder`, `transcriber`, `relabel`, `summary`, `imagine` or `model`.
        name: in the study file; the registered name otherwise.
        use: registered name or import path.
        owner: the class, with its card.
        section: of the study file; empty for a registered one.
    """

    kind: str
    name: str
    use: str
    owner: Any
    section: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> Any:
        """Card of the class."""
        return self.owner.card

    @property
    def needs(self) -> list[weights.Need]:
        """Weights that it reads."""
        if self.card.weights == "file" and (size := _whisper_size(self)):
            return [_whisper_file(size)]
        return weights.needs(self.owner, self.section)


def parts() -> tuple[list[Part], list[str]]:
    """Every registered encoder and transcriber; and what cannot be imported."""
    from triptych.encoders import base, registry

    found, faults = [], []
    for name in sorted(registry.REGISTRY):
        try:
            found.append(Part("encoder", name, name, registry.find(name)))
        except base.EncoderError as error:
            faults.append(str(error))
    found += [Part("transcriber", name, name, owner) for name, owner in sorted(transcribers().items())]
    return found, faults


def parts_of(study: Study) -> tuple[list[Part], list[str]]:
    """What a study uses, with the models that it names; and what it names that there is not."""
    from triptych.encoders import base, registry
    from triptych.learn.networks import checkpoint

    found, faults = [], []
    for name, section in study.encoders.items():
        try:
            told = section.model_dump()
            found.append(Part("encoder", name, section.use, registry.find(section.use), told))
            for part, inner in registry.parts_within(told).items():
                found.append(Part("encoder", f"{name}.{part}", inner["use"], registry.find(inner["use"]), inner))
        except base.EncoderError as error:
            faults.append(f"encoders.{name}.use: {error}")
    known = transcribers()
    for name, section in study.transcripts.items():
        if section.use in known:
            found.append(Part("transcriber", name, section.use, known[section.use], section.model_dump()))
        elif section.use != "captions":
            faults.append(f"transcripts.{name}.use: there is no transcriber {section.use!r}")
    for name, section in getattr(study, "relabel", {}).items():
        if section.use == "nli":
            card = _card("nli", "models", ("transformers", "torch"), "of the model", weights="folder")
            found.append(Part("relabel", name, "nli", SimpleNamespace(card=card), section.model_dump()))
    for name, section in study.summaries.items():
        if section.use == "transformers":
            card = _card("summary", "models", ("transformers", "torch"), "of the model", weights="folder")
            found.append(Part("summary", name, section.use, SimpleNamespace(card=card), section.model_dump()))
    for name, section in study.imagine.items():
        packages = ("diffusers", "transformers", "torch")
        card = _card("imagine", "diffusion", packages, "of the model", weights="folder")
        found.append(Part("imagine", name, "diffusers", SimpleNamespace(card=card), section.model_dump()))
    for name, model in study.models.items():
        if model.head == "finetune":
            card = _card("finetune", "models", checkpoint.PACKAGES, "of the model", weights="folder")
            owner = SimpleNamespace(card=card, needs=checkpoint.needs)
            found.append(Part("model", name, "finetune", owner, model.model_dump()))
    return found, faults


def transcribers() -> dict[str, Any]:
    """Registered name -> class of each transcriber that has weights of its own or in a package."""
    module = _module("triptych.speech.base")
    found = {name: module.find(name) for name in getattr(module, "RECOGNISERS", {})}
    reader = _module("triptych.speech.ocr")
    if reader is not None:
        card = _card("ocr", "ocr", reader.PACKAGES, "Apache-2.0", modality="image", weights="package")
        found["ocr"] = SimpleNamespace(card=card)
    return found


def _module(name: str) -> Any:
    return importlib.import_module(name) if importlib.util.find_spec(name) is not None else None


def _card(name: str, extra: str, packages: tuple[str, ...], licence: str, **more: Any) -> SimpleNamespace:
    """A card of what has none: its model is told by the study file, or lies in a package."""
    given = {"name": name, "extra": extra, "packages": packages, "licence": licence, "model": "", "modality": "text"}
    return SimpleNamespace(source="", **(given | more))


def _whisper_size(part: Part) -> str:
    """The size by which a transcriber names a file of openai-whisper; empty for paths."""
    model = part.section.get("model") or part.card.model
    return model if model in getattr(part.card, "sizes", {}) else ""


def _whisper_file(size: str) -> weights.Need:
    """OpenAI's own file of a size, whose sha256 is part of its address."""
    from triptych.commands.download import download

    known = importlib.import_module("triptych.speech.whisper_models")
    path, address = known.openai_file(size), known.openai_address(size)
    sha256 = known.OPENAI[known.ALIASES.get(size, size)]
    fetch = functools.partial(download, address, path, sha256)
    return weights.Need(str(path), kind="file", fetch=fetch)
