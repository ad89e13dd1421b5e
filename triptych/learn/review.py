"""Zero-shot labels held against people: existing labels, and a sheet of samples that is checked by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core import sealed
from triptych.core.files import replace_text
from triptych.evaluate.guard import formula_safe, one_line
from triptych.learn import agreement
from triptych.learn.relabel_files import RelabelError, Table, read

VERSION = "1"

#: The columns of the sheet; the last two are for whoever checks it.
COLUMNS = ("video", "title", "text", "picture", "label", "score", "top 3", "correct?", "right label")
YES = {"yes", "y", "true", "1", "correct", "right"}
NO = {"no", "n", "false", "0", "wrong"}
#: Characters of a video's text on the sheet.
EXCERPT = 400
_Z = 1.959964


def draw(found: Table, samples: int, seed: int) -> list[str]:
    """Videos for the sheet: each label (the likeliest of a video) with its share of the labelled videos, at least one.

    Within a label videos go by a salted hash of their slug, so that a draw hardly changes when videos are added.

    Args:
        found: zero-shot labels.
        samples: how many; all where there are fewer.
        seed: salt of the hash.
    """
    strata: dict[str, list[str]] = {}
    for video, labels in zip(found.videos, found.labels, strict=True):
        if labels:
            strata.setdefault(labels[0], []).append(video)
    total = sum(map(len, strata.values()))
    wanted = min(samples, total)
    shares = {label: wanted * len(own) / total for label, own in strata.items()} if total else {}
    counts = {label: min(len(strata[label]), max(1, int(share))) for label, share in shares.items()}
    # The rest goes to the largest remainders; where "at least one" gave too many, the largest labels give back.
    by_remainder = sorted(shares, key=lambda label: (int(shares[label]) - shares[label], label))
    while sum(counts.values()) < wanted:
        for label in by_remainder:
            if sum(counts.values()) < wanted and counts[label] < len(strata[label]):
                counts[label] += 1
    while sum(counts.values()) > wanted:
        largest = max(counts, key=lambda label: (counts[label], label))
        counts[largest] -= 1
    drawn = []
    for label in sorted(strata):
        ordered = sorted(strata[label], key=lambda video: hashlib.sha256(f"{seed}\x1f{video}".encode()).digest())
        drawn += ordered[: counts[label]]
    return drawn


def write_sheet(
    out: Path | str,
    found: Table,
    samples: int,
    seed: int,
    titles: Mapping[str, str],
    texts: Mapping[str, str],
    pictures: Mapping[str, str],
) -> list[str]:
    """Write the sheet, a CSV file for spreadsheets: no cell of it runs as a formula.

    Args:
        out: the file.
        found: zero-shot labels.
        samples: number of videos.
        seed: of the draw.
        titles: video -> title.
        texts: video -> what its labels were made from, where that is text.
        pictures: video -> path of its contact sheet.

    Returns:
        The videos, in the order of the sheet.

    Raises:
        RelabelError: the sheet has been filled in; it is not written over.
    """
    if filled(out):
        raise RelabelError(
            f"{out} has been filled in, and would be written anew: move it elsewhere and name it (`checked: PATH`)"
        )
    videos = draw(found, samples, seed)
    place = {video: number for number, video in enumerate(found.videos)}
    names = found.facts["labels"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for video in videos:
        scores, labels = found.scores[place[video]], found.labels[place[video]]
        top = sorted(range(len(names)), key=lambda one: (-scores[one], one))[:3]
        told = "; ".join(f"{names[one]} {scores[one]:.3f}" for one in top)
        shown = " ".join(texts.get(video, "").split())
        shown = shown if len(shown) <= EXCERPT else shown[: EXCERPT - 1] + "…"
        cells = [video, titles.get(video, ""), shown, pictures.get(video, ""), ";".join(labels)]
        cells += [f"{scores[names.index(labels[0])]:.3f}", told, "", ""]
        writer.writerow([cell if name == "score" else safe(cell) for name, cell in zip(COLUMNS, cells, strict=True)])
    # With the mark spreadsheets read it as UTF-8.
    replace_text(out, "\ufeff" + text.getvalue())
    return videos


def safe(text: str) -> str:
    """The text as a cell that no spreadsheet runs, on one line; leading spaces would hide a formula's sign."""
    return formula_safe(one_line(text.strip()).strip())


def filled(path: Path | str) -> bool:
    """Whether a sheet holds answers."""
    path = Path(path)
    if not path.is_file():
        return False
    return any((row.get("correct?") or "").strip() or (row.get("right label") or "").strip() for row in _rows(path))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RelabelError(f"{path} cannot be read ({error}); save it as CSV in UTF-8") from error
    # Spreadsheets of many countries write semicolons.
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    lacking = [name for name in ("video", "label", "correct?") if rows and name not in rows[0]]
    if lacking or not rows:
        raise RelabelError(f"{path}: no sheet of samples (it lacks {', '.join(lacking) or 'rows'})")
    return rows


def read_sheet(path: Path | str, found: Table) -> dict[str, Any]:
    """What a filled sheet tells of the labels as they are now.

    Args:
        path: the filled sheet.
        found: zero-shot labels; rows whose label is another one by now are left out and counted as `stale`.

    Returns:
        `n` (checked videos), `right`, `accuracy` with its 95 % interval `low`, `high` (Wilson), `per_label`, `kappa`
        (None unless every wrong label has its right one beside it; n_kappa is its n), `open` (rows without an
        answer), `stale`.

    Raises:
        RelabelError: unreadable, or an answer that is neither yes nor no.
    """
    path = Path(path)
    now = found.joined
    known = {safe(label): label for label in now.values()}
    counted, right, hand, made = Counter(), Counter(), {}, {}
    still_open = stale = 0
    seen: set[str] = set()
    for number, row in enumerate(_rows(path), 2):
        video, answer = (row["video"] or "").strip(), (row["correct?"] or "").strip().casefold()
        if not answer:
            still_open += 1
            continue
        if answer not in YES | NO:
            raise RelabelError(f"{path}: row {number}: `correct?` is {answer!r}; write yes or no")
        label = known.get((row["label"] or "").strip())
        if label is None or now.get(video) != label or video in seen:
            stale += 1
            continue
        seen.add(video)
        first = label.split(";")[0]
        counted[first] += 1
        right[first] += answer in YES
        made[video] = tuple(label.split(";"))
        told = (row.get("right label") or "").strip()
        told = told[1:] if told.startswith("'") else told
        hand[video] = made[video] if answer in YES else tuple(filter(None, (one.strip() for one in told.split(";"))))
    n, good = sum(counted.values()), sum(right.values())
    low, high = wilson(good, n)
    facts = {
        "n": n,
        "right": good,
        "accuracy": good / n if n else None,
        "low": low,
        "high": high,
        "per_label": [{"label": one, "n": counted[one], "right": right[one]} for one in sorted(counted)],
        "open": still_open,
        "stale": stale,
        "kappa": None,
        "n_kappa": 0,
    }
    if n and all(hand.values()):
        numbers, _ = agreement.compare(hand, made, bool(found.facts["multi_label"]))
        facts |= {"kappa": numbers["kappa"], "n_kappa": numbers["n"]}
    return facts


def wilson(right: int, n: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share (Wilson, 1927)."""
    if not n:
        return None, None
    share = right / n
    middle = share + _Z**2 / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    scale = 1 + _Z**2 / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def compare_labels(
    path: Path | str, rows: Sequence[Mapping[str, Any]], column: str, json: str, csv: str, svg: str
) -> dict[str, Any]:
    """Write the agreement of zero-shot labels with a column of the table.

    Args:
        path: zero-shot labels.
        rows: the table: `{"slug", "fields"}` each.
        column: of the existing labels; several are joined by `;` where a video may have several.
        json: facts to write.
        csv: counts of each pair of classes.
        svg: their picture.

    Raises:
        RelabelError: no video has both labels.
    """
    found = read(path)
    multi = bool(found.facts["multi_label"])
    existing = {}
    for row in rows:
        text = (row["fields"].get(column) or "").strip()
        parts = text.split(";") if multi else [text]
        existing[row["slug"]] = tuple(part.strip() for part in parts if part.strip())
    made = dict(zip(found.videos, found.labels, strict=True))
    facts, table = agreement.compare(existing, made, multi)
    if table is None:
        raise RelabelError(f"no video has both a zero-shot label and a value in column {column!r}")
    facts["against"] = column
    agreement.write(facts, table, json, csv, svg)
    return facts


def read_checked(path: Path | str, sheet: Path | str, out: Path | str) -> dict[str, Any]:
    """Write what a filled sheet tells of the zero-shot labels in `path`."""
    facts = read_sheet(sheet, read(path)) | {"sheet": str(sheet)}
    sealed.write_json(out, facts)
    return facts


def facts_of(name: str, section: Mapping[str, Any], paths: Any) -> dict[str, Any]:
    """What the report tells of zero-shot labels: how they were made, how far they agree, where the sheet lies."""
    told = read(paths.relabelled(name)).facts
    kept = ("use", "model", "identity", "encoder", "template", "labels", "multi_label", "label_source", "counts")
    found = {"name": name, **{key: told.get(key) for key in kept}}
    found["sheet"] = paths.sheet(name)
    found["agreement"] = sealed.read_json(paths.agreement(name, "json")) if section.get("against") else None
    found["checked"] = sealed.read_json(paths.checked(name)) if section.get("checked") else None
    return found
