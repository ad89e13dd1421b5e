"""`triptych table`: a table of videos from a folder, a list of ids, or a playlist."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import stat
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core.cells import count
from triptych.core.corpus import slug_of, source_key

VIDEO = {
    ".mp4",
    ".m4v",
    ".mkv",
    ".webm",
    ".mov",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
}
AUDIO = {".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma"}
PICTURE = {".png", ".jpg", ".jpeg"}
MEDIA = VIDEO | AUDIO | PICTURE
CAPTIONS = {".vtt", ".srt"}
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")


class TableError(ValueError):
    """A table that cannot be made; the message says what to do."""


@dataclass
class Table:
    """Columns, rows, and what is worth saying about them."""

    columns: list[str]
    rows: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)

    def csv(self) -> str:
        """The table as CSV text."""
        out = io.StringIO()
        writer = csv.DictWriter(out, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return out.getvalue()


def make(
    target: str,
    out: Path | None = None,
    *,
    label: bool = False,
    group: bool = False,
    cookies: Path | None = None,
    allow_private_hosts: bool = False,
) -> Table:
    """The table of a folder, a list or a playlist.

    Args:
        target: folder, file with ids and URLs, or URL.
        out: file that the table will be written to; None for the terminal or where it leads.
        label: of a folder: column `label` from the folder that a file lies in.
        group: of a folder: column `group` from the first folder below it.
        cookies: of a playlist: cookie file.
        allow_private_hosts: of a playlist: allow addresses of private networks.

    Raises:
        TableError: nothing of the kind, or nothing in it.
    """
    if re.match(r"https?://", target, re.IGNORECASE):
        from triptych.core.config import Fetch

        given = Fetch(cookies=str(cookies) if cookies else None, allow_private_hosts=allow_private_hosts)
        return from_playlist(target, given.model_dump())
    if Path(target).is_dir():
        return from_folder(target, out.parent if out else stdout_folder(), label=label, group=group)
    if not Path(target).is_file():
        raise TableError(f"{target}: there is no such folder or list, and it is no URL (http:// or https://)")
    try:
        text = Path(target).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{target}: is not UTF-8 (byte {error.start}); a list holds an id or a URL a line") from error
    return from_list(text, target)


def stdout_folder() -> Path:
    """The folder of the file that the terminal's output goes to (`> data/videos.csv`); else where we are."""
    with contextlib.suppress(OSError, ValueError):
        here = os.fstat(1)
        if stat.S_ISREG(here.st_mode):
            place = Path("/proc/self/fd/1").readlink()
            if place.is_file():
                return place.parent
    return Path()


def from_folder(folder: Path | str, relative_to: Path | str, *, label: bool = False, group: bool = False) -> Table:
    """A row for each video, sound file and picture below a folder; captions of the same stem are named beside it.

    Args:
        folder: searched with all that is below it; hidden files and folders are left out.
        relative_to: folder in which the table will lie: paths are written relative to it.
        label: give the name of the folder next to the file as column `label`.
        group: give the first folder below `folder` as column `group`.

    Raises:
        TableError: no media files.
    """
    folder = Path(folder)
    media: list[Path] = []
    captions: dict[tuple[str, str], list[str]] = {}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in MEDIA:
                media.append(Path(place) / name)
            elif suffix in CAPTIONS:
                captions.setdefault((place, name.split(".")[0]), []).append(name)
    if not media:
        raise TableError(f"{folder}: no videos, sound files or pictures ({', '.join(sorted(MEDIA))})")
    rows, odd = [], []
    for path in media:
        inside = path.relative_to(folder)
        row = {"source": _relative(path, relative_to), "captions": ""}
        if not row["source"].isprintable():
            odd.append(str(path))
            continue
        found = _captions(path, captions.get((str(path.parent), path.name.split(".")[0]), []))
        if found:
            row["captions"] = _relative(found, relative_to)
        if label:
            row["label"] = inside.parent.name
        if group:
            row["group"] = inside.parts[0] if len(inside.parts) > 1 else ""
        rows.append(row)
    for row, name in zip(rows, _names([path for path in media if str(path) not in odd], folder), strict=True):
        row["id"] = name
    columns = ["id", "source"] + ["captions"] * any(row["captions"] for row in rows)
    columns += ["label"] * label + ["group"] * group
    rows = [{name: row[name] for name in columns} for row in rows]
    table = Table(columns, rows)
    kinds = Counter(_kind(Path(row["source"]).suffix.lower()) for row in rows)
    table.notes.append(", ".join(count(number, kind) for kind, number in sorted(kinds.items())))
    if "captions" in columns:
        table.notes.append(f"{sum(bool(row['captions']) for row in rows)} with captions")
    table.notes += [f"left out, its name holds characters that do not print: {name!r}" for name in odd]
    if label and any(not row["label"] for row in rows):
        bare = sum(not row["label"] for row in rows)
        table.notes.append(f"{count(bare, 'row')} without a label: the files lie in no subfolder")
    return table


def _kind(suffix: str) -> str:
    return "video" if suffix in VIDEO else "sound file" if suffix in AUDIO else "picture"


def _relative(path: Path, folder: Path | str) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _captions(path: Path, names: list[str]) -> Path | None:
    """The caption file of a media file: `clip.vtt`, then `clip.srt`, then `clip.en.vtt`, `clip.*.vtt`."""
    fitting = []
    for name in names:
        stem, suffix = Path(name).stem, Path(name).suffix
        rest = stem.removeprefix(path.stem)
        if stem.startswith(path.stem) and (rest == "" or re.fullmatch(r"\.[A-Za-z]{2,3}(-[A-Za-z0-9]+)*", rest)):
            order = 0 if not rest else 1 if rest.lower().split("-")[0] == ".en" else 2
            fitting.append((order, suffix.lower() != ".vtt", name))
    return path.parent / min(fitting)[2] if fitting else None


def _names(paths: list[Path], folder: Path) -> list[str]:
    """An id for each path: its stem where no other has it, else with its folders, else with its suffix."""
    inside = [path.relative_to(folder) for path in paths]
    forms = (
        lambda path: path.stem,
        lambda path: "_".join(path.with_suffix("").parts),
        lambda path: "_".join(path.parts),
        lambda path: path.as_posix(),
    )
    names: list[str | None] = [None] * len(paths)
    for form in forms:
        # All candidates of this form count, so that the same files get the same ids in any order.
        candidates = [_plain(form(path)) for path in inside]
        often = Counter(name.lower() for name in candidates)
        taken = {name.lower() for name in names if name}
        for place, name in enumerate(candidates):
            if names[place] is None and often[name.lower()] == 1 and name.lower() not in taken:
                names[place] = name
    return [name or slug_of(path.as_posix() + "/") for name, path in zip(names, inside, strict=True)]


def _plain(name: str) -> str:
    """A name as an id: itself when it is a slug, else what of it can be read in ASCII; hashed when that is nothing."""
    readable = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    readable = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9_.-]+", "-", readable)).strip("-.")
    return slug_of(name if slug_of(name) == name else readable[:100] or name)


def from_list(text: str, name: str = "list") -> Table:
    """A row for each line of a list: a YouTube id, or a URL; `#` begins a comment.

    Raises:
        TableError: with every line that is neither, and when there is none.
    """
    rows: list[dict[str, str]] = []
    faults, notes, seen = [], [], {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        given = line.split(" #")[0].strip()
        if not given or given.startswith("#"):
            continue
        if _is_url(given):
            key = source_key(given)
            video = key.removeprefix("youtube:") if key.startswith("youtube:") else _url_name(given)
            row = {"id": video, "source": given}
        elif YOUTUBE_ID.fullmatch(given):
            key = f"youtube:{given}"
            row = {"id": given, "source": f"https://www.youtube.com/watch?v={given}"}
        else:
            faults.append(f"  line {number}: {given[:60]!r} is no YouTube id (11 letters, digits, - and _) and no URL")
            continue
        if key in seen:
            notes.append(f"line {number}: the same video as line {seen[key]}; kept once")
            continue
        seen[key] = number
        rows.append(row)
    if faults:
        raise TableError(f"{name}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n" + "\n".join(faults))
    if not rows:
        raise TableError(f"{name}: no ids and no URLs; write one a line")
    return Table(["id", "source"], _unique(rows, notes), [count(len(rows), "video"), *notes])


def _is_url(given: str) -> bool:
    """Whether a line is an address that can be taken apart."""
    from urllib.parse import urlsplit

    try:
        host = urlsplit(given).hostname
    except ValueError:
        return False
    return bool(host) and bool(re.match(r"https?://", given, re.IGNORECASE)) and not re.search(r"\s", given)


def _url_name(url: str) -> str:
    """A readable id for the address of something else than YouTube: host and last part of the path."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    last = unquote([part for part in parts.path.split("/") if part][-1]) if parts.path.strip("/") else ""
    last = re.sub(r"\.[A-Za-z0-9]{2,4}$", "", last)
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", last).strip("-.")
    return plain[:60] or re.sub(r"[^A-Za-z0-9]+", "-", parts.hostname or "video").strip("-")


def _unique(rows: list[dict[str, str]], notes: list[str]) -> list[dict[str, str]]:
    """The rows, with 8 hex digits of the address after ids that several have."""
    often = Counter(row["id"].lower() for row in rows)
    for row in rows:
        if often[row["id"].lower()] > 1:
            row["id"] = slug_of(row["id"] + " " + row["source"])
            notes.append(f"id {row['id']}: several addresses end in the same name")
    return rows


def from_playlist(url: str, fetch: dict[str, Any]) -> Table:
    """A row for each video of a playlist, channel or feed; its titles come along.

    Raises:
        TableError: no list, no access.
    """
    from triptych.media.playlist import PlaylistError, entries

    try:
        found = entries(url, fetch)
    except PlaylistError as error:
        raise TableError(str(error)) from error
    rows, notes, seen = [], [], set()
    for entry in found:
        key = source_key(entry["url"])
        if key in seen:
            notes.append(f"{entry['id']}: there twice; kept once")
            continue
        seen.add(key)
        rows.append({"id": entry["id"] or _url_name(entry["url"]), "source": entry["url"], "title": entry["title"]})
    return Table(["id", "source", "title"], _unique(rows, notes), [count(len(rows), "video"), *notes])
