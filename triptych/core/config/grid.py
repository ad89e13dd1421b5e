"""Grids: a model whose keys hold lists of values stands for one model for each combination of them.

A study file that is read holds plain models only: what follows, from rules to the report, knows no grids. A name that
refers to a grid means all of its models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from triptych.core.config.section import NAME

#: Keys that a grid may vary, in the order of the parts of a name; these hold lists of names anyway, ...
LISTS = ("inputs", "text", "members")
#: ... and these one word.
WORDS = ("vectorizer", "fusion", "head", "balance")
#: Words of names for values that are none.
SHORT = {
    "balance": {"none": "natural", "class_weight": "weighted", "under+over": "balanced"},
    "fusion": {None: "single"},
}
#: Longest name of a model.
LONGEST = 64
#: Most models of a grid.
MOST = 500


class Listed:
    """Marks a key that a study file may also give as a list of values; for the JSON schema."""

    def __get_pydantic_json_schema__(self, core_schema, handler) -> dict[str, Any]:
        """The schema of one value, or a list of such values."""
        one = handler(core_schema)
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


@dataclass
class Grids:
    """The grids of a study file, expanded.

    Attributes:
        data: the study file with plain models only; a faulty grid is a baseline, so that what refers to it is no fault.
        models: model -> its grid.
        faults: place and message of each faulty grid.
    """

    data: Any
    models: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def once(self, lines: Iterable[str]) -> list[str]:
        """Faults of models, a line each: what several models of a grid share is told once, of the grid."""
        told: dict[str, list[str]] = {}
        for line in lines:
            known = re.match(r"models\.([A-Za-z0-9_-]+)(?=[.:])", line)
            model = known.group(1) if known else ""
            text = f"models.{self.models[model]}{line[known.end() :]}" if known and model in self.models else line
            text = re.sub(r"'([A-Za-z0-9_-]+)'", lambda quoted: f"'{self.models.get(quoted[1], quoted[1])}'", text)
            models = told.setdefault(text, [])
            models += [model] if model in self.models else []
        return [text + self._named(models) for text, models in told.items()]

    def error(self, error: ValidationError | None, title: str, given: Any) -> ValidationError:
        """One error with the faults of the grids, and those of the rest of the file."""
        shared: dict[tuple, tuple[dict[str, Any], list[str]]] = {}
        for fault in error.errors() if error else ():
            place, message, model = fault["loc"], fault["msg"], ""
            if len(place) > 1 and place[0] == "models" and place[1] in self.models:
                model = place[1]
                place = ("models", self.models[model], *place[2:])
            if not place:
                message = "\n".join(self.once(message.removeprefix("Value error, ").split("\n")))
            kept = {"type": fault["type"], "loc": place, "msg": message, "input": fault["input"]}
            _, models = shared.setdefault((place, fault["type"], message), (kept, []))
            models += [model] if model else []
        faults = [{"type": "grid", "loc": place, "msg": told, "input": None} for place, told in self.faults]
        faults += [{**fault, "msg": fault["msg"] + self._named(models)} for fault, models in shared.values()]
        details = [
            InitErrorDetails(type=PydanticCustomError(one["type"], one["msg"]), loc=one["loc"], input=one["input"])
            for one in faults
        ]
        return ValidationError.from_exception_data(title, details)

    def _named(self, models: list[str]) -> str:
        """Which models of a grid a fault is of; nothing where it is of all."""
        if not models or len(models) == sum(grid == self.models[models[0]] for grid in self.models.values()):
            return ""
        more = len(models) - 1
        return f" (combination {models[0]}" + (f" and {more} more)" if more else ")")


def expand(data: Any) -> Grids:
    """A study file as it was written, with each grid replaced by its models, and names of grids by their models' names.

    Nothing but grids is checked here; what is no mapping is left as it is.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("models"), Mapping):
        return Grids(data)
    found, models, names = Grids(data), {}, {}
    for grid, model in data["models"].items():
        axes, told = _axes(model)
        if not axes and not told:
            models[grid] = model
            continue
        made, more = ({}, []) if told else _made(str(grid), model, axes)
        told += [((), message) for message in more]
        for name in () if told else made:
            if name in models or (name in data["models"] and name != grid):
                told.append(((), f"two models would have the name {name!r}; rename one"))
        found.faults += [(("models", str(grid), *place), message) for place, message in told]
        models |= {grid: {"head": "prior"}} if told else made
        names[grid] = [grid] if told else list(made)
        found.models |= {} if told else dict.fromkeys(made, str(grid))
    if not names:
        return found
    models = {name: _referred(model, names) for name, model in models.items()}
    found.data = {**data, "models": models}
    evaluate = data.get("evaluate")
    if isinstance(evaluate, Mapping) and isinstance(evaluate.get("curves"), list):
        found.data["evaluate"] = {**evaluate, "curves": _replaced(evaluate["curves"], names)}
    return found


def _axes(model: Any) -> tuple[dict[str, list], list[tuple[tuple[str, ...], str]]]:
    """The keys of a model that hold lists of values, and faults of these lists."""
    axes: dict[str, list] = {}
    faults: list[tuple[tuple[str, ...], str]] = []
    for key in (*LISTS, *WORDS) if isinstance(model, Mapping) else ():
        values = model.get(key)
        if not isinstance(values, list) or (key in LISTS and not any(isinstance(one, list) for one in values)):
            continue
        values = [None if key == "fusion" and one == "none" else one for one in values]
        if not values:
            faults.append(((key,), "the list is empty; name the values of the grid"))
        elif key in LISTS and not all(isinstance(one, list) and all(isinstance(x, str) for x in one) for one in values):
            faults.append(((key,), "must be a list of names, or for a grid a list of such lists"))
        elif key in WORDS and not all(one is None or isinstance(one, str) for one in values):
            faults.append(((key,), "must be a word, or for a grid a list of words"))
        elif any(one in values[:place] for place, one in enumerate(values)):
            faults.append(((key,), "the grid names a value twice"))
        else:
            axes[key] = values
    return axes, faults


def _made(grid: str, model: Mapping[str, Any], axes: Mapping[str, list]) -> tuple[dict[str, dict], list[str]]:
    """The models of a grid by name, and faults of their names."""
    made: dict[str, dict] = {}
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MOST:
        return {}, [f"a grid of {count} models; {MOST} at most"]
    for point in product(*axes.values()):
        chosen = dict(zip(axes, point, strict=True))
        name = "-".join([grid, *(_part(key, value) for key, value in chosen.items() if len(axes[key]) > 1)])
        words = ", ".join(f"{key}: {_shown(value)}" for key, value in chosen.items())
        if len(name) > LONGEST:
            shown = f"the combination of {words} would be {name!r}, which is longer than {LONGEST} characters"
            return {}, [f"{shown}; give the grid a shorter name, or write these models out"]
        if not re.match(NAME, name):
            return {}, [f"the combination of {words} would be {name!r}, which is no name; rename the grid"]
        if name in made:
            return {}, [f"two combinations would have the name {name!r} (one of them {words}); write these models out"]
        made[name] = {**model, **chosen}
    return made, []


def _part(key: str, value: Any) -> str:
    """A value as a part of a name."""
    word = "_".join(value) or "none" if isinstance(value, list) else SHORT.get(key, {}).get(value, str(value))
    return re.sub(r"[^A-Za-z0-9_-]+", "-", word)


def _shown(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)


def _referred(model: Any, names: Mapping[str, list[str]]) -> Any:
    """A model whose members, choices and weights name no grid."""
    if not isinstance(model, Mapping):
        return model
    changed = {key: _replaced(model[key], names) for key in ("members", "select") if isinstance(model.get(key), list)}
    params = model.get("params")
    if isinstance(params, Mapping) and isinstance(params.get("weights"), Mapping):
        weights = {one: weight for name, weight in params["weights"].items() for one in names.get(name, [name])}
        changed["params"] = {**params, "weights": weights}
    return {**model, **changed}


def _replaced(given: list, names: Mapping[str, list[str]]) -> list:
    """Names, those of grids replaced by their models'."""
    return [one for name in given for one in (names.get(name, [name]) if isinstance(name, str) else [name])]
