"""JSON and JSON lines that tell when they are damaged: a checksum inside, where other programs pass it by.

    {                              a JSON file: the crc32 of the file without this line
     "seal": "89abcdef",
     ...
    {"check": "2/5 89abcdef", ...  a JSON line: its place, the number of lines, the crc32 of the line without this pair

Files without a seal (older ones, or edited by hand and stripped of it) are read as they are.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import DamagedFile, parse_json, read_plain, replace_text

_SEAL = re.compile(r'\{\n "seal": "([0-9a-f]{8})",?\n')
_CHECK = re.compile(r'\{"check": "(\d+)/(\d+) ([0-9a-f]{8})"(?:, |(?=\}))')


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
        DamagedFile: it is no JSON, or its seal is not that of its content.
        FileNotFoundError: no such file.
    """
    try:
        return parse(read_plain(path))
    except ValueError as error:
        raise DamagedFile(path, error) from error


def parse(content: bytes) -> Any:
    """What a JSON file holds, sealed or not, without its seal.

    Raises:
        ValueError: it is damaged.
    """
    text = content.decode("utf-8")
    if match := _SEAL.match(text):
        text = "{\n" + text[match.end() :]
        if _crc(text) != match.group(1):
            raise ValueError("its checksum differs")
    return parse_json(text)


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
    value = parse_json(line)
    if not isinstance(value, dict):
        raise ValueError("no mapping")
    return value


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """All lines of a file of JSON lines.

    Raises:
        DamagedFile: naming file and line; also when lines are missing or the file is empty.
        FileNotFoundError: no such file.
    """
    values = []
    try:
        # Split at line feeds alone: JSON may hold U+2028 and others that `splitlines` would cut at.
        lines = [line for line in read_plain(path).decode("utf-8").split("\n") if line]
    except ValueError as error:
        raise DamagedFile(path, error) from error
    sealed = any(map(_CHECK.match, lines))
    for number, line in enumerate(lines, 1):
        try:
            values.append(read_line(line))
            match = _CHECK.match(line)
            if sealed and not (match and match.group(1, 2) == (str(number), str(len(lines)))):
                raise ValueError(f"it was not written as line {number} of {len(lines)}")
        except ValueError as error:
            raise DamagedFile(path, error, number) from error
    if not values:
        raise DamagedFile(path, "it is empty")
    return values


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8')):08x}"
