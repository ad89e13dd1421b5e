"""The table of videos, read strictly: every fault at once with its line, every cell a string as it stands.

Read before any job, and again by each job's own Snakemake process, so it uses the csv module alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from triptych.core.cells import Faults, count, decode, form_fault, header, nul_faults, plain_row, row_faults, show
from triptych.core.files import NotPlain, read_plain

SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_YOUTUBE = re.compile(
    r"https?://(?:(?:www|m|music)\.)?"
    r"(?:youtube\.com/(?:watch\?(?:.*&)?v=|shorts/|embed/|live/)|youtu\.be/)([\w-]{11})(?![\w-])"
)
#: Most faults that the message of a `CorpusError` spells out; `faults` holds all.
SHOWN = 100
#: After so many faults in the form of the file the rest of it is not read.
FORM_FAULTS = 1000


class CorpusError(ValueError):
    """A table with faults; `faults` lists them all, one line each, in the order of the file."""

    def __init__(self, path: Path | str, faults: list[str]) -> None:
        self.path, self.faults = Path(path), faults
        lines = [f"  {fault}" for fault in faults[:SHOWN]]
        if len(faults) > SHOWN:
            lines.append(f"  ... and {len(faults) - SHOWN} more")
        super().__init__(f"{path}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n" + "\n".join(lines))


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        line: line of the file on which the row begins; the header is line 1.
        id: the id as the table gives it.
        slug: the id's form in file names (`slug_of`).
        source: URL, or path relative to the table; empty when the row is text alone.
        captions: path of a caption file, relative to the table; may be empty.
        fold: predefined fold; may be empty.
        title: title; may be empty.
        description: description; may be empty.
        fields: all columns as the table gives them, labels and groups included.
    """

    line: int
    id: str
    slug: str
    source: str
    captions: str
    fold: str
    title: str
    description: str
    fields: dict[str, str]

    @property
    def is_url(self) -> bool:
        """Whether the source is to be downloaded."""
        return self.source[:8].lower().startswith(("http://", "https://"))

    def path(self, corpus_folder: Path | str) -> Path | None:
        """The local source, absolute; None for URLs and for rows without a source."""
        return None if self.is_url else _absolute(corpus_folder, self.source)


@dataclass(frozen=True)
class Corpus:
    """The rows of a table without faults.

    Attributes:
        path: the table.
        rows: rows in the order of the table; one that is there twice, cell for cell, is kept once.
        columns: names of the columns in their order.
        notes: what is odd and no fault, one line each.
    """

    path: Path
    rows: list[Row]
    columns: list[str]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def by_slug(self) -> dict[str, Row]:
        """Slug -> row, in the order of the table."""
        return {row.slug: row for row in self.rows}

    @cached_property
    def folder(self) -> str:
        """The table's folder, absolute: what relative paths in it start from."""
        return os.path.dirname(os.path.abspath(self.path))  # noqa: PTH100, PTH120 - ten times faster at 100,000 rows

    def source_path(self, row: Row) -> Path | None:
        """The local source of a row, absolute, whether it is there or not; None for URLs and without a source."""
        return row.path(self.folder)

    def captions_path(self, row: Row) -> Path | None:
        """The caption file of a row, absolute, whether it is there or not; None when the table names none."""
        return _absolute(self.folder, row.captions)


def slug_of(id: str) -> str:
    """The form of an id in file names.

    The id itself where it is a slug (`[A-Za-z0-9_][A-Za-z0-9_.-]*`, at most 100 characters, no `..`); else a readable
    stem in ASCII, a dash and 8 hex digits of the id's sha256. Nothing else of a table becomes a file name.
    """
    if len(id) <= 100 and SLUG.fullmatch(id) and ".." not in id:
        return id
    plain = unicodedata.normalize("NFKD", id).encode("ascii", "ignore").decode()
    stem = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9_.]+", "-", plain))[:60].strip("-.") or "v"
    return f"{stem}-{hashlib.sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def read_corpus(path: Path | str) -> Corpus:
    """Read and check a table of videos: UTF-8, commas, a header with at least `id`.

    Raises:
        CorpusError: with every fault of the file.
    """
    faults: Faults = []
    try:
        text = decode(read_plain(path), faults)
    except (OSError, NotPlain) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(path, [f"cannot be read: {why}; `triptych table FOLDER` makes a table"]) from error
    if text is None:
        raise CorpusError(path, [fault for _, fault in faults])
    records = _records(text, faults)
    columns, usable = header(next(records, None), faults)
    if not columns:
        raise CorpusError(path, _in_order(faults))
    rows: list[Row] = []
    notes: list[str] = []
    seen: dict[str, Row] = {}
    nuls = "\0" in text
    places, plain = plain_row(columns) if usable else ([], None)
    for line, cells in records:
        if len(cells) != len(columns):
            hint = "; put quotes around cells that hold commas" if len(cells) > len(columns) else ""
            faults.append((line, f"{count(len(cells), 'cell')}, the header has {count(len(columns), 'column')}{hint}"))
            continue
        fields = dict(zip(columns, cells, strict=True))
        if plain is None or (nuls and nul_faults(line, fields, faults)):
            continue
        if not plain.fullmatch("\n".join([cells[place] for place in places])) and row_faults(line, fields, faults):
            continue
        row = _row(line, fields)
        key = row.id if row.id.isascii() else unicodedata.normalize("NFC", row.id)
        key = key.casefold()
        first = seen.setdefault(key, row)
        if first is row:
            rows.append(row)
        elif first.fields == fields:
            notes.append(f"line {line}: the same row as line {first.line}; kept once")
        elif first.id == row.id:
            differ = [name for name in columns if first.fields[name] != fields[name]]
            faults.append((line, f"id {show(row.id)} is on line {first.line} too, with another {', '.join(differ)}"))
        else:
            faults.append((line, f"id {show(row.id)} differs from {show(first.id)} on line {first.line} in case only"))
    if not rows and not faults:
        faults.append((2, "the table has a header and no rows"))
    _collisions(rows, faults)
    if faults:
        raise CorpusError(path, _in_order(faults))
    return Corpus(Path(path), rows, columns, notes + _same_sources(rows))


def _row(line: int, fields: dict[str, str]) -> Row:
    get = fields.get
    name = fields["id"]
    return Row(
        line,
        name,
        slug_of(name),
        get("source", ""),
        get("captions", ""),
        get("fold", ""),
        get("title", ""),
        get("description", ""),
        fields,
    )


def _in_order(faults: Faults) -> list[str]:
    return [f"line {line}: {fault}" for line, fault in sorted(faults, key=lambda one: one[0])]


def _records(text: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is well formed; after one that is not, reading goes on with the next line.

    A quote that is never closed swallows what follows, so the line on which the row began is named, and the lines
    after it are still checked.
    """
    lines = list(io.StringIO(text, newline=""))
    base, form_faults = 0, 0
    while base < len(lines) and form_faults < FORM_FAULTS:
        reader = csv.reader(lines[base:] if base else lines, strict=True)
        began = base
        try:
            for cells in reader:
                if cells:
                    yield began + 1, cells
                began = base + reader.line_num
            return
        except csv.Error as error:
            faults.append((began + 1, form_fault(str(error), began + 1, base + reader.line_num)))
            form_faults += 1
            base = began + 1
    if form_faults >= FORM_FAULTS:
        faults.append((base + 1, "the rest of the file is not read: too many rows are no CSV"))


def _collisions(rows: list[Row], faults: Faults) -> None:
    """Converted ids whose slug is another row's."""
    taken = {row.id.lower(): row for row in rows if row.slug == row.id}
    for row in rows:
        if row.slug != row.id:
            first = taken.setdefault(row.slug.lower(), row)
            if first is not row:
                place = f"{show(first.id)} on line {first.line}"
                faults.append((row.line, f"id {show(row.id)} becomes {row.slug!r} in file names, as {place}"))


def _same_sources(rows: list[Row]) -> list[str]:
    """Notes on rows that share a source."""
    first: dict[str, Row] = {}
    notes = []
    for row in rows:
        if row.source and first.setdefault(source_key(row.source), row) is not row:
            other = first[source_key(row.source)]
            notes.append(
                f"line {row.line}: {show(row.id)} has the same source as {show(other.id)} on line {other.line}"
            )
    return notes


def source_key(source: str) -> str:
    """One form for the addresses of one YouTube video; any other source stands for itself."""
    if "youtu" not in source:
        return source
    found = _YOUTUBE.match(source)
    return f"youtube:{found[1]}" if found else source


def _absolute(folder: Path | str, given: str) -> Path | None:
    return Path(os.path.abspath(os.path.join(folder, given))) if given else None  # noqa: PTH100, PTH118
