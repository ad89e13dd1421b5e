"""What a table's bytes, header and cells may hold: each check gives its faults in words, with what to do."""

from __future__ import annotations

import csv
import re
import unicodedata
from urllib.parse import urlsplit

FOLD = re.compile(r"[A-Za-z0-9_.-]{1,32}")
#: Columns with a meaning of their own; all others are labels, groups or text that the study file may name.
KEY_COLUMNS = ("id", "source", "captions", "fold")
LONGEST = {"id": 500, "source": 4000, "captions": 4000, "fold": 32}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(data|file|javascript|blob|mailto|magnet|about):", re.IGNORECASE)
_BARE_HOST = re.compile(r"(www\.[^/\s]+\.|((m\.)?youtube\.com|youtu\.be|vimeo\.com)/)", re.IGNORECASE)
# The usual cells; whatever else there is goes through the checks that have words for it.
_LOCAL = r"(?!www\.|m\.youtube|youtu|vimeo)[A-Za-z0-9_./-](?:[A-Za-z0-9_./ ()-]{0,2000}[A-Za-z0-9_./()-])?"
_PLAIN = {
    "id": r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}",
    "source": rf"(?:https?://[A-Za-z0-9.-]{{1,200}}(?:/[!-~]{{0,2000}})?|{_LOCAL})?",
    "captions": rf"(?:{_LOCAL})?",
    "fold": rf"(?:{FOLD.pattern})?",
}
_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

#: Line number and what is wrong there.
Faults = list[tuple[int, str]]


def decode(data: bytes, faults: Faults) -> str | None:
    """The text of the file; None when it is in an encoding that leaves nothing to check."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            faults.append((1, f"line 1: the file is {name} (byte 0); save it as UTF-8: iconv -f {name} -t UTF-8"))
            return None
    if not data.strip():
        faults.append((1, "the file is empty; its first line must name the columns, at least `id`"))
        return None
    if len(data) >= 4 and data[:200].count(0) * 3 > len(data[:200]):
        faults.append((1, f"line 1: the file looks like UTF-16 (byte {data.index(0)} is NUL); save it as UTF-8"))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        place = 0
        for line, part in enumerate(data.splitlines(keepends=True), 1):
            try:
                part.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = part[error.start]
                guess = bytes([byte]).decode("cp1252", "replace")
                faults.append(
                    (
                        line,
                        f"byte {place + error.start} (0x{byte:02x}) is not UTF-8; as Latin-1 it would be {guess!r}: "
                        "iconv -f WINDOWS-1252 -t UTF-8",
                    )
                )
            place += len(part)
        return data.decode("utf-8-sig", "replace")


def header(first: tuple[int, list[str]] | None, faults: Faults) -> tuple[list[str], bool]:
    """The names of the columns (none when nothing below can be checked), and whether rows can be read by name."""
    if first is None:
        if not faults:
            faults.append((1, "the file is empty; its first line must name the columns, at least `id`"))
        return [], False
    line, names = first
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            faults.append((line, f"the columns are separated by {name}; save the table with commas"))
            return [], False
    known: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if not name.strip():
            faults.append((line, f"column {place} has no name; name it, or delete the column"))
        elif name != name.strip():
            faults.append((line, f"column {show(name)} begins or ends with a space"))
        elif found := _invisible(name):
            faults.append((line, f"column {show(name)} holds {found}"))
        elif name in known:
            faults.append((line, f"column {show(name)} is there twice (columns {known[name]} and {place})"))
        elif name != name.lower() and name.lower() in (*KEY_COLUMNS, "title", "description"):
            faults.append((line, f"column {show(name)}: write it in small letters, `{name.lower()}`"))
        known.setdefault(name, place)
    plain = {name.strip().lower() for name in names}
    if "id" not in plain:
        likely = next((name for name in names if "id" in re.split(r"[^a-z]+", name.lower())), None)
        hint = f"; rename {show(likely)}?" if likely else "; the first line must name the columns"
        faults.append((line, f"there is no column `id`{hint}"))
    return names, "id" in known and len(known) == len(names)


def plain_row(columns: list[str]) -> tuple[list[int], re.Pattern[str]]:
    """The places of the key columns, and a pattern of their cells, joined by line breaks, in which no fault can be."""
    known = [name for name in KEY_COLUMNS if name in columns]
    return [columns.index(name) for name in known], re.compile("\n".join(_PLAIN[name] for name in known))


def row_faults(line: int, fields: dict[str, str], faults: Faults) -> bool:
    """Whether the row has faults, which are appended: an id must be there, key columns must be clean."""
    before = len(faults)
    if not fields["id"].strip():
        whole = not any(cell.strip() for cell in fields.values())
        faults.append((line, "the row is empty; delete it" if whole else "the id is empty"))
        return True
    for name in KEY_COLUMNS:
        cell = fields.get(name, "")
        if cell and (fault := _cell_fault(name, cell)):
            faults.append((line, f"{name} {show(cell)} {fault}"))
    return len(faults) > before


def nul_faults(line: int, fields: dict[str, str], faults: Faults) -> bool:
    """Whether a cell beside the key columns holds a NUL character; these faults are appended."""
    found = [name for name, cell in fields.items() if "\0" in cell and name not in KEY_COLUMNS]
    faults.extend((line, f"{name} {show(fields[name])} holds a NUL character") for name in found)
    return bool(found)


def _cell_fault(name: str, cell: str) -> str | None:
    """What is wrong with a cell of a key column, or None."""
    if found := _invisible(cell, strict=name == "id"):
        return f"holds {found}"
    if cell[0].isspace() or cell[-1].isspace():
        return "begins or ends with a space"
    if len(cell) > LONGEST[name]:
        return f"is {len(cell)} characters long, at most {LONGEST[name]} are allowed"
    if name == "fold" and not FOLD.fullmatch(cell):
        return "must be a short word of letters, digits, `_`, `.` and `-`"
    if name == "source":
        return _source_fault(cell)
    if name == "captions" and (_SCHEME.match(cell) or _BARE_HOST.match(cell)):
        return "must be a path; captions of URLs are fetched with the video"
    return None


def _source_fault(cell: str) -> str | None:
    """What is wrong with a source, or None. Paths may lead anywhere: sources are only read."""
    scheme = _SCHEME.match(cell)
    if scheme is None:
        return "looks like a URL without `https://`" if _BARE_HOST.match(cell) else None
    name = (scheme[1] or scheme[2]).lower()
    if name not in ("http", "https"):
        advice = "; write the plain path" if name == "file" else ""
        return f"is a `{name}:` address; only http, https and local paths are read{advice}"
    try:
        parts = urlsplit(cell)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is no valid URL ({error})"
    if not host or re.search(r"\s", cell):
        return "is no valid URL" if host else "is a URL without a host"
    if parts.username or parts.password:
        return "holds a name or password, which would end up in logs; use `fetch.cookies`"
    return None


def _invisible(cell: str, strict: bool = True) -> str | None:
    """What character of a cell does not print, in words; with `strict` format characters (zero width) count too."""
    categories = ("Cc", "Zl", "Zp", "Cs", "Cf") if strict else ("Cc", "Zl", "Zp", "Cs")
    for char in () if cell.isprintable() else cell:
        if unicodedata.category(char) in categories:
            named = {"\n": "a line break", "\r": "a line break", "\t": "a tab", "\0": "a NUL character"}
            return named.get(char) or f"the invisible character U+{ord(char):04X}"
    return None


def form_fault(error: str, began: int, ended: int) -> str:
    """What is wrong with a row that the csv module stops at, in words; it began and ended on these lines."""
    if "unexpected end" in error:
        return "a quote that opens in this row is never closed"
    if "field larger" in error:
        return f"a cell is longer than {csv.field_size_limit():,} characters; is a quote never closed?"
    spread = f" (the quoted cell ends on line {ended}: is a quote never closed?)" if ended > began else ""
    return f"text follows a closing quote{spread}; write a quote inside a quoted cell twice"


def show(cell: str) -> str:
    """A cell in quotes, escaped and shortened."""
    return repr(cell if len(cell) <= 60 else cell[:57] + "...")


def count(number: int, word: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def printable(text: str, longest: int = 70) -> str:
    """What strangers wrote, for a terminal: one line, without characters that would steer it (escapes, directions)."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in re.sub(r"\s+", " ", text))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
