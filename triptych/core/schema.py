"""The study file's reference page and JSON schema, both made from the one model in `core.config`.

`python -m triptych.core.schema` tells whether `docs/config.md` and `docs/study.schema.json` agree with the model;
`--fix` writes them anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from triptych.core.config import Study
from triptych.core.files import replace_text

DOCS = Path(__file__).resolve().parents[2] / "docs"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
INTRODUCTION = """\
# The study file

A study file is complete: it names a table of videos and all that is done with it. `config.yaml` is the demo's; others
lie in `config/`:

```text
snakemake --configfile config/mine.yaml
```

Every key is in the tables below with its type, its default and what it does. Any other key is an error, which names the
nearest valid one. This tells every fault of a study file and of its table at once:

```bash
triptych check
```

Editors that know YAML schemas check while you type: begin the file with

```yaml
# yaml-language-server: $schema=docs/study.schema.json
```

NAME stands for a name that you give (letters, digits, `_` and `-`, at most 64): names become folders, rows of the
comparison and curves of the report. This page is made from the model in `triptych/core/config/` by `make format`.
"""
WORDS = {"integer": "whole number", "string": "text", "boolean": "true or false"}


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a study file."""
    made = Study.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, "$id": "study.schema.json", **made, "title": "Triptych study file"}


def page() -> str:
    """The reference page: a table for the study's own keys, then one for each section."""
    parts = [INTRODUCTION, "## Study\n\n" + _table(Study, "")]
    for heading, model, path in _sections():
        about = " ".join((model.__doc__ or "").split())
        parts.append(f"## {heading}\n\n{about}\n\n{_table(model, path)}")
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Heading, model and path of each section, in the order of the study file."""
    for name, field in Study.model_fields.items():
        model, named = _section_of(field.annotation)
        if model is not None:
            place = f"{name}.NAME" if named else name
            yield f"`{place}`", model, f"{place}."
            told = set()
            for key, inner in model.model_fields.items():
                deeper, _ = _section_of(inner.annotation)
                if deeper is not None and deeper not in told:
                    told.add(deeper)
                    shown = inner.alias or key
                    yield f"`{place}.{shown}` as a mapping", deeper, f"{place}.{shown}."


def _section_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that an annotation holds, and whether it is a mapping of names to such sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    named = getattr(annotation, "__origin__", None) is dict
    for argument in getattr(annotation, "__args__", ()):
        found, _ = _section_of(argument)
        if found is not None:
            return found, named
    return None, False


def _table(model: type[BaseModel], path: str) -> str:
    properties = model.model_json_schema(by_alias=True, mode="validation")
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        shown = field.alias or name
        kind = _kind(properties["properties"][shown], properties.get("$defs", {}))
        about = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{path}{shown}` | {kind} | {_default(field)} | {about} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def _kind(entry: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type of a key in words, from its schema."""
    if "$ref" in entry:
        return "mapping"
    if "anyOf" in entry and entry["anyOf"][-1].get("items") == entry["anyOf"][0]:
        return _kind(entry["anyOf"][0], definitions) + "; or a list of these"
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_kind(one, definitions) for one in entry["anyOf"]))
    if "enum" in entry:
        return ", ".join(f"`{one}`" for one in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    kind = entry.get("type", "any")
    if kind == "array":
        return f"list of {_plural(_kind(entry.get('items', {}), definitions))}"
    if kind == "object":
        named = "patternProperties" in entry or isinstance(entry.get("additionalProperties"), dict)
        return "NAME: mapping" if named else "mapping"
    return WORDS.get(kind, kind) + _range(entry)


def _plural(kind: str) -> str:
    return "texts" if kind == "text" else f"{kind}s" if kind.endswith("number") else kind


def _range(entry: dict[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is not None and high is not None:
        return f", {low:.10g} to {high:.10g}"
    if low is not None:
        return f", at least {low:.10g}"
    above = f", above {entry['exclusiveMinimum']:g}" if "exclusiveMinimum" in entry else ""
    return above + (f", at most {high:.10g}" if high is not None else "")


def files() -> dict[Path, str]:
    """Path -> content of the files that are made from the model."""
    return {
        DOCS / "config.md": page(),
        DOCS / "study.schema.json": json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
    }


def faults() -> list[str]:
    """Files that do not agree with the model."""
    return [
        f"docs/{path.name} does not agree with triptych/core/config/; run `make format`"
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """`python -m triptych.core.schema [--fix]`."""
    if "--fix" in sys.argv[1:]:
        for path, text in files().items():
            replace_text(path, text)
        return 0
    lines = faults()
    print("\n".join(lines) or "docs/config.md and docs/study.schema.json agree with the model")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
