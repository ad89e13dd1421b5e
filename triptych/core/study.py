"""Reading a study file: every fault at once, each with its place, and the nearest valid key for an unknown one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from triptych.core.config import NAME, Study, nearest
from triptych.core.files import NotPlain, read_text


class StudyError(ValueError):
    """A study file with faults; `faults` lists them all, one line each."""

    def __init__(self, path: Path | str, faults: list[str]) -> None:
        self.path, self.faults = Path(path), faults
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{path}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n{lines}")


class Unbounded(StudyError):
    """A file whose few lines stand for more than memory holds, or for depth without end: nothing of it is read on."""


#: Most values of a study file, those that aliases (`*name`) repeat counted each time.
MOST_VALUES = 200_000
#: Most bytes of one.
MOST_BYTES = 1 << 24


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice (YAML itself lets the last one win without a word)."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, (str, int, float, bool)):
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: a key must be a word", None)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"line {line}: {key!r} is given twice (first on line {seen[key]})", None
            )
        seen[key] = line
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    value = yaml.SafeLoader.construct_yaml_int(loader, node)
    if not -(2**63) <= value < 2**63:
        line = node.start_mark.line + 1
        raise yaml.constructor.ConstructorError(None, None, f"line {line}: a number of more than 64 bits", None)
    return value


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        StudyError: unreadable file, not YAML, not a mapping, a key given twice.
        Unbounded: its aliases or its depth have no end.
    """
    try:
        text = read_text(path, MOST_BYTES, "utf-8-sig")
    except OSError as error:
        raise StudyError(path, [f"cannot be read: {error.strerror}"]) from error
    except NotPlain as error:
        raise Unbounded(path, [f"cannot be read: {error}"]) from error
    except UnicodeDecodeError as error:
        raise StudyError(path, [f"is not UTF-8 (byte {error.start})"]) from error
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and _count(node, {}) > MOST_VALUES:
            raise Unbounded(path, [f"its aliases repeat more than {MOST_VALUES:,} values; write out what you need"])
        data = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise StudyError(path, [where + str(getattr(error, "problem", None) or error)]) from error
    except RecursionError as error:
        raise Unbounded(path, ["it is nested too deeply"]) from error
    except StudyError:
        raise
    except (ValueError, OverflowError) as error:  # a number or date that is none, such as 2020-13-45
        raise StudyError(path, [f"holds a value that cannot be read ({error}); put it in quotes"]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict):
        raise StudyError(path, ["must be a mapping of keys to values (see config.yaml)"])
    return data


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below a node; what an alias repeats counts each time, and a circle counts as too many."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # until it is counted: whoever comes back here goes in a circle
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = min(MOST_VALUES + 1, 1 + sum(_count(one, known) for one in inner))
    return known[id(node)]


def parse_study(data: dict[str, Any], path: Path | str = "config") -> Study:
    """Validate a merged configuration.

    Raises:
        StudyError: with every fault that the model finds.
    """
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise StudyError(path, explain(error.errors())) from error


def load_study(path: Path | str) -> Study:
    """Read and validate a study file."""
    return parse_study(read_yaml(path), path)


def explain(found: list[dict[str, Any]]) -> list[str]:
    """One line for each faulty place of the model: where, what, and the nearest valid key."""
    told: dict[str, list[str]] = {}
    for fault in found:
        unknown = fault["type"] == "extra_forbidden"
        parts, keys = _walk(fault["loc"][:-1] if unknown else fault["loc"])
        if unknown:
            last = str(fault["loc"][-1])
            near = nearest(last, keys)
            known = f" (known: {', '.join(sorted(keys))})" if keys and not near else ""
            parts, message = [*parts, last], f"unknown key{near}{known}"
        elif fault["type"] == "missing":
            message = "is missing"
        else:
            message = fault["msg"].removeprefix("Value error, ")
            for pydantic, plain in _PLAIN:
                message = re.sub(pydantic, plain, message)
            message = message[0].lower() + message[1:] if parts else message
            shown = fault.get("input")
            plain = isinstance(shown, (str, float, bool)) or (isinstance(shown, int) and shown.bit_length() < 64)
            message += f" (given: {shown!r})" if parts and plain else ""
        # A key that may be of several types gives a fault for each type, some of them in the same words.
        words = told.setdefault(".".join(parts), [])
        words += [message] if message not in words else []
    lines: list[str] = []
    for place, messages in told.items():
        # The study as a whole names what it refers to and has not, a line each.
        lines += [f"{place}: {', or '.join(_apart(messages))}"] if place else messages[0].split("\n")
    return lines


#: Pydantic's words, and ours.
_PLAIN = (
    (r"^Input should be", "must be"),
    (r"a valid string", "text"),
    (r"a valid integer", "a whole number"),
    (r"a valid number", "a number"),
    (r"a valid boolean", "true or false"),
    (r"a valid list", "a list"),
    (r"a valid dictionary( or instance of \w+)?", "a mapping"),
    (r", unable to .*$", ""),
    (r"^List should have at least (\d+) items? after validation, not (\d+)$", r"must name at least \1, not \2"),
    (rf"^String should match pattern '{re.escape(NAME)}'$", "a name has letters, digits, `_` and `-` only, 64 at most"),
    (r"^String should match pattern .*$", "must be an encoder and one of its arrays, as `picture.frame`"),
)


def _apart(messages: list[str]) -> list[str]:
    """The messages, with what was given only after the last."""
    return [message.split(" (given: ")[0] for message in messages[:-1]] + messages[-1:]


def _walk(location: tuple[Any, ...]) -> tuple[list[str], list[str]]:
    """A place as the study file writes it, and the keys that are valid there (none where any name is).

    Pydantic's locations hold the types of unions and the like between the keys; they are left out.
    """
    parts: list[str] = []
    models: list[Any] = [Study]
    named = False  # whether the next part is a name that the user gave, as in `encoders.NAME`
    for part in location:
        if named:
            parts.append(str(part))
            named = False
            continue
        field = next(filter(None, (_field(model, part) for model in models)), None)
        if field is not None:
            parts.append(str(part))
            named = getattr(field.annotation, "__origin__", None) is dict
            models = _inner(field.annotation)
        elif isinstance(part, int):
            parts.append(str(part))
    keys = [field.alias or name for model in models for name, field in model.model_fields.items()]
    return parts, [] if named else keys


def _field(model: Any, part: Any) -> Any:
    """The field of a section that a part of a location names, or None."""
    return model.model_fields.get(str(part)) or next(
        (one for one in model.model_fields.values() if one.alias == part), None
    )


def _inner(annotation: Any) -> list[Any]:
    """The sections that an annotation may hold: itself, or the values of a mapping or union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _inner(argument)]
