"""Tables of the results folder, read as the page needs them: numbers as numbers, empty cells as None."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from triptych.core.files import DamagedFile, read_plain
from triptych.evaluate.guard import formula_safe


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """The rows of a comparison: cells of numeric columns as float, empty ones as None, the others as text."""
    rows = read_cells(path)
    words = {"model", "kind", "modalities", "inputs", "label_set", "embedding"}
    words |= {"classifier", "fusion", "balance", "vs", "label_source"}
    try:
        return [{name: cell if name in words else _number(cell) for name, cell in row.items()} for row in rows]
    except ValueError as error:
        raise DamagedFile(path, error) from error


def read_cells(path: Path | str) -> list[dict[str, str]]:
    """The rows of a table of the results as text.

    Raises:
        DamagedFile: it is no such table.
    """
    try:
        text = io.StringIO(read_plain(path).decode("utf-8"), newline="")
        rows = list(csv.DictReader(text, strict=True))
    except (ValueError, csv.Error) as error:
        raise DamagedFile(path, error) from error
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise DamagedFile(path, f"row {number} has another number of cells than the header")
    return rows


def unguarded(row: dict[str, str]) -> dict[str, str]:
    """A row as it was before its cells were guarded against spreadsheets: a page runs no formulas."""
    return {
        name: cell[1:] if cell[:1] == "'" and formula_safe(cell[1:]) == cell else cell for name, cell in row.items()
    }


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
