"""Parquet files of the results: written with a checksum, read with the columns that are wanted, or named as damaged.

The checksum lies before the footer, where no reader looks: the crc32 of all other bytes, then `MAGIC`. Files without
one (older ones, or another program's) are read as they are.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import DamagedFile, NotPlain, read_plain, replace_bytes

MAGIC = b"TRIPSEAL"
#: Most bytes of a file, which is read whole.
MOST_BYTES = 1 << 32


def write_table(path: Path | str, table: Any) -> None:
    """Write a pyarrow table as a sealed parquet file, whole or not at all; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    image = out.getvalue()
    at = _footer(image)
    replace_bytes(path, image[:at] + zlib.crc32(image).to_bytes(4, "big") + MAGIC + image[at:])


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
    import pyarrow.compute
    import pyarrow.parquet as pq

    try:
        image = read_plain(path, MOST_BYTES)
    except NotPlain as error:
        raise DamagedFile(path, error) from error
    try:
        _verify(image)
        # Without threads: a process that ends while pyarrow's still start aborts (1 of 60 that read a small table).
        with pq.ParquetFile(pa.BufferReader(image), pre_buffer=False) as file:
            table = file.read(use_threads=False)
        if only is not None:
            table = table.filter(pa.compute.equal(table.column(only[0]), only[1]))
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


def _footer(image: bytes) -> int:
    """Where the footer of a parquet file begins.

    Raises:
        ValueError: no whole parquet file.
    """
    at = len(image) - 8 - int.from_bytes(image[-8:-4], "little")
    if image[:4] != b"PAR1" or image[-4:] != b"PAR1" or at < 4:
        raise ValueError("no whole parquet file")
    return at


def _verify(image: bytes) -> None:
    at = _footer(image)
    if at < 16 or image[at - 8 : at] != MAGIC:
        return
    # The crc of the parts is that of the file as it was before the seal was put in.
    whole = zlib.crc32(memoryview(image)[at:], zlib.crc32(memoryview(image)[: at - 12]))
    if whole != int.from_bytes(image[at - 12 : at - 8], "big"):
        raise ValueError("its checksum differs")
