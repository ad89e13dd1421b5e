"""Parquet files of the results: read with the columns that are wanted, or named as damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import DamagedFile


def read_table(path: Path | str, columns: Mapping[str, str] | None = None, only: tuple[str, str] | None = None) -> Any:
    """A table (`pyarrow.Table`).

    Args:
        path: of the file.
        columns: those that it must have: name -> `text`, `whole`, `number` or `truth`, with a `?` behind where cells
            may be empty. None: whatever there is.
        only: column and the value that rows must have in it.

    Raises:
        DamagedFile: it is no such table.
        FileNotFoundError: no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # partitioning off: a folder named like `a=b` is a folder, no column.
        table = pq.read_table(path, partitioning=None, filters=None if only is None else [(only[0], "=", only[1])])
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(path, str(error).strip().partition("\n")[0] or type(error).__name__) from error
    for name, kind in (columns or {}).items():
        if table.column_names.count(name) != 1:
            raise DamagedFile(path, f"it has no column {name!r}")
        column = table.column(name)
        if column.null_count and not kind.endswith("?"):
            raise DamagedFile(path, f"cells of its column {name!r} are empty")
        if not (_is(column.type, kind.rstrip("?")) or column.null_count == len(column)):
            raise DamagedFile(path, f"its column {name!r} holds {column.type}")
    try:
        table.validate(full=True)
    except pa.ArrowException as error:
        raise DamagedFile(path, str(error).strip().partition("\n")[0]) from error
    return table


def _is(found: Any, kind: str) -> bool:
    import pyarrow.types as types

    if kind == "text":
        inner = found.value_type if types.is_dictionary(found) else found
        return types.is_string(inner) or types.is_large_string(inner)
    if kind == "number":
        return types.is_floating(found) or types.is_integer(found)
    return types.is_integer(found) if kind == "whole" else types.is_boolean(found)
