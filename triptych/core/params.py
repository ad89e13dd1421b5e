"""Parameters of encoders and transcribers, as their cards name them: default, meaning, and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Param:
    """A parameter: default, meaning, and what is allowed.

    A `file` is a path (empty: none), whose content counts for results, not where it lies.
    """

    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    file: bool = False

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(map(str, self.choices))}"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "must be true or false"
        if isinstance(self.default, int) and not (number and float(value).is_integer()):
            return "must be a whole number"
        if isinstance(self.default, float) and not number:
            return "must be a number"
        if isinstance(self.default, str) and not isinstance(value, str):
            return "must be text"
        if self.file and value and not Path(value).expanduser().is_file():
            return "there is no such file"
        if number and not math.isfinite(value):
            return "must be finite"
        if number and self.low is not None and value < self.low:
            return f"must be at least {self.low:g}"
        if number and self.high is not None and value > self.high:
            return f"must be at most {self.high:g}"
        return None


def complete(known: Mapping[str, Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the defaults for those not given, sorted by name."""
    filled = {name: param.default for name, param in known.items()} | dict(given)
    return dict(sorted(filled.items()))


def faults(known: Mapping[str, Param], given: Mapping[str, Any]) -> list[str]:
    """What is wrong with given parameters, one line each."""
    found = []
    for name, value in given.items():
        if name not in known:
            listed = f"known are {', '.join(known)}" if known else "it has no parameters"
            found.append(f"{name}: unknown parameter{nearest(name, known)}; {listed}")
            continue
        fault = known[name].fault(value)
        if fault:
            found.append(f"{name}: {fault} (given: {value!r})")
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
