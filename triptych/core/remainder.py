"""What is valid in a faulty study file, so that one check tells the faults behind the first ones too.

A section that cannot be read hides what the sections say of each other, and that hides what the parts of the package
say of both. So the faulty entries are left out, and the rest is checked on; what is said of an entry that was left out
is no fault of its own.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from triptych.core.config import Study
from triptych.core.config.grid import expand
from triptych.core.study import explain

#: What stands for a required key that is missing or faulty.
STAND_INS = {"study": "study", "corpus": "videos.csv"}
#: What is said of names whose section was left out as a whole.
UNNAMED = {
    **{section: f"there is no {section[:-1]} '" for section in ("encoders", "features", "models", "tasks")},
    "relabel": "there is no relabel '",
    **dict.fromkeys(("transcripts", "summaries", "text_fields"), ".text: "),
}
#: Most times that entries are left out; each time there is at least one less.
MOST = 200
_NOTHING = object()


@dataclass
class Remainder:
    """The valid part of a study file.

    Attributes:
        study: the study of what is left; None when nothing could be read.
        faults: every fault of the file's own, those that had been hidden included, one line each.
        entries: section and name of what is not as the user wrote it, such as `("encoders", "clip")`.
        lost: sections that were left out as a whole.
    """

    study: Study | None = None
    faults: list[str] = field(default_factory=list)
    entries: set[tuple[str, str]] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def own(self, lines: Iterable[str]) -> list[str]:
        """The lines that do not come from what was left out: those at such an entry, or of its name."""
        names = {name for _, name in self.entries}
        unnamed = [words for section, words in UNNAMED.items() if section in self.lost]
        return [
            line
            for line in lines
            if tuple(_keys(line)[:2]) not in self.entries
            and not names & set(re.findall(r"'([^']*)'", line.split("; did you mean")[0]))
            and not any(words in line for words in unnamed)
        ]


def remainder(config: dict[str, Any]) -> Remainder:
    """Leave out what is faulty until the rest is a study."""
    found, rest = Remainder(), copy.deepcopy(config)
    for _ in range(MOST):
        try:
            found.study = Study.model_validate(rest)
            return found
        except ValidationError as error:
            faults = error.errors()
        lines = explain(faults)
        found.faults += [line for line in found.own(lines) if line not in found.faults]
        grids = expand(rest).models
        # All are looked at: one fault may have two entries.
        places = {line.split(": ")[0]: _place(line, rest, grids) for line in lines}
        deepest = sorted(places.items(), key=lambda one: len(one[1]), reverse=True)
        if not any([_left_out(rest, told, keys, found) for told, keys in deepest]):
            return found
    return found


def _keys(line: str) -> list[str]:
    """The place that a fault begins with, as keys."""
    return line.split(":")[0].split(".")


def _place(line: str, rest: dict[str, Any], grids: Mapping[str, str]) -> list[Any]:
    """The keys of a study file, as they stand there, that lead to the place of a fault or to the nearest that holds it.

    Faulty names may have dots and colons, and keys may be whatever YAML makes of them.
    """
    keys: list[Any] = []
    below: Any = rest
    while isinstance(below, dict):
        known = {
            word: key for key in below for word in (str(key), str(int(key)) if isinstance(key, bool) else "") if word
        }
        if keys == ["models"]:
            known = {model: grid for model, grid in grids.items() if grid in below} | known
        fits = [word for word in known if line.startswith((f"{word}.", f"{word}:"))]
        if not fits:
            break
        word = max(fits, key=len)
        keys.append(known[word])
        if line[len(word)] == ":":
            break
        line, below = line[len(word) + 1 :], below[known[word]]
    return keys


def _left_out(rest: dict[str, Any], told: str, keys: list[Any], found: Remainder) -> bool:
    """Take what is at a place out of a study file; whether something changed."""
    if told in STAND_INS and rest.get(told) != STAND_INS[told]:
        rest[told] = STAND_INS[told]
        return True
    if not keys:
        return False
    if len(keys) > 1:
        entry = (str(keys[0]), str(keys[1]))
        # What is still wrong without the faulty key goes as a whole.
        keys = keys[:2] if entry in found.entries else keys
        found.entries.add(entry)
    else:
        found.lost.add(str(keys[0]))
    holder = rest
    for key in keys[:-1]:
        holder = holder.get(key)
        if not isinstance(holder, dict):
            return False  # it went with another fault
    return holder.pop(keys[-1], _NOTHING) is not _NOTHING
