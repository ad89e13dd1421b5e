"""What all sections of the study file share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]


class Section(BaseModel):
    """A part of the study file: unknown keys are errors, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        texts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and (character := unwritable(text)):
                raise ValueError(f"holds a character that no name or text may have (U+{ord(character):04X})")
        return value


def unwritable(text: str) -> str | None:
    """The first character of a text that can be in no path and no UTF-8 file: NUL, or half of a surrogate pair."""
    return next((one for one in text if one == "\0" or "\ud800" <= one <= "\udfff"), None)


def once(names: list[str]) -> list[str]:
    """The names of a list as they are.

    Raises:
        ValueError: when one is there twice.
    """
    twice = next((one for place, one in enumerate(names) if one in names[:place]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is named twice")
    return names


def nearest(word: str, known) -> str:
    """`; did you mean 'x'?` for the nearest known word, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def seeding(value: int, most: int = 2**32 - 1) -> int:
    """A seed that all libraries take; `most` leaves room for the numbers that are added to it."""
    if not 0 <= value <= most:
        raise ValueError(f"seed must be 0 to {most}")
    return value
