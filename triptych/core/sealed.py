"""JSON, JSON lines and parquet that tell when they are damaged: a checksum inside, where other programs pass it by.

    {                              a JSON file: the crc32 of the file without this line
     "seal": "89abcdef",
     ...
    {"check": "2/5 89abcdef", ...  a JSON line: its place, the number of lines, the crc32 of the line without this pair
    ... crc32 magic footer         parquet: before the footer, where no reader looks, the crc32 of all other bytes

Files without a seal (older ones, or edited by hand and stripped of it) are read as they are.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import replace_bytes, replace_text

MAGIC = b"TRIPSEAL"
_SEAL = re.compile(r'\{\n "seal": "([0-9a-f]{8})",?\n')
_CHECK = re.compile(r'\{"check": "(\d+)/(\d+) ([0-9a-f]{8})"(?:, |(?=\}))')


class Damaged(ValueError):
    """A file that is not what was written; the message names it.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path | str, why: object, line: int | None = None) -> None:
        self.path = Path(path)
        place = f"{path}, line {line}: damaged" if line else f"{path} is damaged"
        super().__init__(f"{place} ({why}); delete {'the file' if line else 'it'} and run again")


def write_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """Write a mapping as a sealed JSON file, whole or not at all: keys sorted, a newline at the end."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    if not value:
        replace_text(path, text)
        return
    replace_text(path, f'{{\n "seal": "{_crc(text)}",\n{text[2:]}')


def read_json(path: Path | str) -> Any:
    """Read a JSON file, sealed or not; the seal is no part of the answer.

    Raises:
        Damaged: it is no JSON, or its seal is not that of its content.
        FileNotFoundError: no such file.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        match = _SEAL.match(text)
        if match:
            text = "{\n" + text[match.end() :]
            if _crc(text) != match.group(1):
                raise ValueError("its checksum differs")
        return json.loads(text)
    except ValueError as error:
        raise Damaged(path, error) from error


def write_lines(path: Path | str, values: Iterable[Mapping[str, Any]]) -> None:
    """Write mappings as sealed JSON lines, whole or not at all."""
    listed = [json.dumps(value, sort_keys=True, ensure_ascii=False) for value in values]
    text = ""
    for number, line in enumerate(listed, 1):
        place = f"{number}/{len(listed)}"
        between = ", " if len(line) > 2 else ""
        text += f'{{"check": "{place} {_crc(place + line)}"{between}{line[1:]}\n'
    replace_text(path, text)


def read_line(line: str) -> dict[str, Any]:
    """What a JSON line holds, sealed or not, without its check.

    Raises:
        ValueError: it is damaged.
    """
    match = _CHECK.match(line)
    if match:
        line = "{" + line[match.end() :]
        if _crc(f"{match.group(1)}/{match.group(2)}{line}") != match.group(3):
            raise ValueError("its checksum differs")
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("no mapping")
    return value


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """All lines of a file of JSON lines.

    Raises:
        Damaged: naming file and line; also when lines are missing or the file is empty.
        FileNotFoundError: no such file.
    """
    values = []
    try:
        # Split at line feeds alone: JSON may hold U+2028 and others that `splitlines` would cut at.
        lines = [line for line in Path(path).read_bytes().decode("utf-8").split("\n") if line]
    except UnicodeDecodeError as error:
        raise Damaged(path, error) from error
    sealed = any(map(_CHECK.match, lines))
    for number, line in enumerate(lines, 1):
        try:
            values.append(read_line(line))
            match = _CHECK.match(line)
            if sealed and not (match and match.group(1, 2) == (str(number), str(len(lines)))):
                raise ValueError(f"it was not written as line {number} of {len(lines)}")
        except ValueError as error:
            raise Damaged(path, error, number) from error
    if not values:
        raise Damaged(path, "it is empty")
    return values


def write_table(path: Path | str, table: Any) -> None:
    """Write a pyarrow table as a sealed parquet file, whole or not at all; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    image = out.getvalue()
    at = _footer(image)
    replace_bytes(path, image[:at] + zlib.crc32(image).to_bytes(4, "big") + MAGIC + image[at:])


def read_table(path: Path | str, columns: list[str] | None = None, filters: list | None = None) -> Any:
    """Read a parquet file, sealed or not, as a pyarrow table.

    Args:
        path: of the file.
        columns: those that are wanted; all by default.
        filters: as pyarrow takes them.

    Raises:
        Damaged: it is no parquet, or its seal is not that of its content.
        FileNotFoundError: no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = Path(path).read_bytes()
    try:
        _verify_table(image)
        return pq.read_table(pa.BufferReader(image), columns=columns, filters=filters)
    except (ValueError, OSError, pa.ArrowException) as error:
        raise Damaged(path, error) from error


def _footer(image: bytes) -> int:
    """Where the footer of a parquet file begins.

    Raises:
        ValueError: no whole parquet file.
    """
    at = len(image) - 8 - int.from_bytes(image[-8:-4], "little")
    if image[:4] != b"PAR1" or image[-4:] != b"PAR1" or at < 4:
        raise ValueError("no whole parquet file")
    return at


def _verify_table(image: bytes) -> None:
    at = _footer(image)
    if at < 16 or image[at - 8 : at] != MAGIC:
        return
    # The crc of the parts is that of the file as it was before the seal was put in.
    whole = zlib.crc32(memoryview(image)[at:], zlib.crc32(memoryview(image)[: at - 12]))
    if whole != int.from_bytes(image[at - 12 : at - 8], "big"):
        raise ValueError("its checksum differs")


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8')):08x}"
