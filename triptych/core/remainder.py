"""What is valid in a faulty study file, so that one check tells the faults behind the first ones too.

A section that cannot be read hides what the sections say of each other, and that hides what the parts of the package
say of both. So the faulty entries are left out, and the rest is checked on; what is said of an entry that was left out
is no fault of its own.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from triptych.core.config import Study
from triptych.core.config.grid import expand
from triptych.core.study import explain

#: What stands for a required key that is missing or faulty.
STAND_INS = {"study": "study", "corpus": "videos.csv"}
#: Most times that entries are left out; each time there is at least one less.
MOST = 200


@dataclass
class Remainder:
    """The valid part of a study file.

    Attributes:
        study: the study of what is left; None when nothing could be read.
        faults: every fault of the file's own, those that had been hidden included, one line each.
        entries: section and name of what is not as the user wrote it, such as `("encoders", "clip")`.
    """

    study: Study | None = None
    faults: list[str] = field(default_factory=list)
    entries: set[tuple[str, str]] = field(default_factory=set)

    def own(self, lines: Iterable[str]) -> list[str]:
        """The lines that do not come from what was left out: those at such an entry, or of its name."""
        names = {name for _, name in self.entries}
        return [
            line
            for line in lines
            if tuple(_keys(line)[:2]) not in self.entries
            and not names & set(re.findall(r"'([^']*)'", line.split("; did you mean")[0]))
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
        left_out = [
            _left_out(rest, [grids.get(key, key) for key in place], found.entries)
            for place in sorted({tuple(_keys(line)) for line in lines}, key=len, reverse=True)
        ]
        if not any(left_out):
            return found
    return found


def _keys(line: str) -> list[str]:
    """The place that a fault begins with, as keys."""
    return line.split(":")[0].split(".")


def _left_out(rest: dict[str, Any], place: list[str], entries: set[tuple[str, str]]) -> bool:
    """Take what is at a place out of a study file, or the nearest that holds it; whether something changed."""
    if place[0] in STAND_INS and rest.get(place[0]) != STAND_INS[place[0]]:
        rest[place[0]] = STAND_INS[place[0]]
        return True
    entry = (place[0], place[1]) if len(place) > 1 else None
    # What is still wrong without the faulty key goes as a whole.
    depth = 2 if entry in entries else len(place)
    holder, key, below = rest, None, rest
    for wanted in place[:depth]:
        match = [one for one in below if str(one) == wanted] if isinstance(below, dict) else []
        if not match:
            break
        holder, key = below, match[0]
        below = holder[key]
    if entry:
        entries.add(entry)
    return key is not None and holder.pop(key, STAND_INS) is not STAND_INS
