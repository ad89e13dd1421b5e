"""Rows of videos: as a table, and which of them a page shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import replace_text
from triptych.evaluate.guard import formula_safe


def write(path: Path | str, columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV whole; what a line lacks, and what is no number, is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_cell(line.get(name, "")) for name in columns])
    replace_text(path, out.getvalue())


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return formula_safe(str(value))


def extremes(rows: Iterable[tuple[Mapping[str, Any], Any]], count: int) -> list[tuple[Mapping[str, Any], Any]]:
    """The videos that have most over mismatched pairs and those that have least, half of each, the best first.

    A video is taken once. Rows without a score are left out.

    Args:
        rows: `video`, `mean_matched`, `mean_mismatched` each, and whatever belongs to it.
        count: how many.
    """
    known = [one for one in rows if np.isfinite(one[0].get("mean_mismatched", np.nan))]
    left = sorted(known, key=_order)
    found: list[tuple[Mapping[str, Any], Any]] = []
    while left and len(found) < count:
        one = left[0 if len(found) % 2 == 0 else -1]
        found.append(one)
        left = [other for other in left if other[0]["video"] != one[0]["video"]]
    return sorted(found, key=_order)


def _order(one: tuple[Mapping[str, Any], Any]) -> tuple[float, str]:
    return (one[0]["mean_mismatched"] - one[0]["mean_matched"], one[0]["video"])
