"""`triptych models`: every encoder and transcriber with its card, and whether its weights are on this machine.

Weights are looked for and not read, so the list takes a moment; `triptych check` and each job hold them against
`models.lock`. Nothing heavy is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core import weights
from triptych.core.config import Study


@dataclass(frozen=True)
class Part:
    """An encoder or transcriber, as the registry has it or as a study uses it.

    Attributes:
        kind: `encoder` or `transcriber`.
        name: in the study file; the registered name otherwise.
        use: registered name or import path.
        owner: the class.
        section: of the study file; empty for a registered one.
    """

    kind: str
    name: str
    use: str
    owner: type
    section: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> Any:
        """Card of the class."""
        return self.owner.card


def registries() -> dict[str, Any]:
    """Kind -> module with `REGISTRY` and `find`: encoders, and transcribers where there are any."""
    found = {"encoder": importlib.import_module("triptych.encoders.base")}
    if importlib.util.find_spec("triptych.speech.base") is not None:
        found["transcriber"] = importlib.import_module("triptych.speech.base")
    return found


def parts() -> list[Part]:
    """Every registered encoder and transcriber."""
    return [
        Part(kind, name, name, module.find(name))
        for kind, module in registries().items()
        for name in sorted(module.REGISTRY)
    ]


def parts_of(study: Study) -> tuple[list[Part], list[str]]:
    """What a study uses, with the models that it names; and what it names that there is not."""
    sections = {
        "encoder": {name: one.model_dump() for name, one in study.encoders.items()},
        "transcriber": {name: one.model_dump() for name, one in study.transcripts.items()},
    }
    found, faults = [], []
    for kind, module in registries().items():
        for name, section in sections[kind].items():
            if kind == "transcriber" and section["use"] == "captions":
                continue
            try:
                found.append(Part(kind, name, section["use"], module.find(section["use"]), section))
            except ValueError as error:
                faults.append(f"{name}: {error}")
    return found, faults


def describe(part: Part) -> dict[str, Any]:
    """All that is told of a part, JSON-able."""
    from triptych.encoders.base import missing_packages

    card = part.card
    missing = missing_packages(card)
    return {
        "kind": part.kind,
        "name": part.name,
        "use": part.use,
        "modality": getattr(card, "modality", "audio"),
        "arrays": dict(getattr(card, "arrays", {})),
        "licence": card.licence,
        "source": card.source,
        "revision": getattr(card, "revision", ""),
        "extra": card.extra,
        "missing": missing,
        "install": install(card, missing),
        "weights": _weights(part),
    }


def install(card: Any, missing: list[str]) -> str:
    """The command that installs what a card lacks; empty when it lacks nothing."""
    if not missing:
        return ""
    return f'pip install "triptych[{card.extra}]"' if card.extra else f"pip install {' '.join(missing)}"


def _weights(part: Part) -> list[dict[str, Any]]:
    """Each model that a part needs: `{"model", "here", "bytes", "path", "told"}`."""
    if getattr(part.card, "weights", "none") == "package":
        package = part.card.packages[0]
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or []) if spec else []
        size = sum(one.stat().st_size for one in Path(places[0]).rglob("*") if one.is_file()) if places else 0
        told = "" if places else f"the package {package} is not installed"
        path = places[0] if places else None
        return [{"model": f"package {package}", "here": bool(places), "bytes": size, "path": path, "told": told}]
    found = []
    for need in weights.needs(part.owner, part.section):
        if not need.model:
            found.append({"model": "", "here": False, "bytes": 0, "path": None, "told": "the study file names it"})
            continue
        one = {"model": need.model, "here": True, "bytes": 0, "path": None, "told": ""}
        try:
            here = weights.find(need.model, need.revision, kind=need.kind)
            one |= {"bytes": here.bytes, "path": str(here.path)}
        except weights.WeightsError as error:
            one |= {"here": False, "told": str(error)}
        found.append(one)
    return found


def lines(told: list[dict[str, Any]]) -> Iterator[str]:
    """Two lines for each part: what it reads and gives, and where its weights are; then its licence."""
    if not told:
        yield "nothing here needs a model"
        return
    width = max(len(_title(one)) for one in told)
    for one in told:
        arrays = ", ".join(f"{name} ({length})" for name, length in one["arrays"].items()) or "segments of text"
        yield f"{_title(one):<{width}}  {one['modality']:<5}  {arrays}"
        extra = f"extra {one['extra']}" if one["extra"] else "core"
        if one["missing"]:
            extra += f", lacks {', '.join(one['missing'])}  -> {one['install']}"
        models = [_model(model) for model in one["weights"]] or ["no weights"]
        for model in models:
            yield f"{'':<{width}}  {model}"
        yield f"{'':<{width}}  {extra}; {one['licence']}"


def _title(one: Mapping[str, Any]) -> str:
    return one["name"] if one["name"] == one["use"] else f"{one['name']} ({one['use']})"


def _model(model: Mapping[str, Any]) -> str:
    if model["here"]:
        return f"ok  {model['model']}, {size(model['bytes'])}"
    return f"--  {model['model'] or 'model'}: {model['told'].removeprefix(model['model'] + ': ')}"


def size(number: int) -> str:
    """Bytes in words."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
