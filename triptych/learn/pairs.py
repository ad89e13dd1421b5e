"""Pairs of near-duplicate videos, as the table `pairs.csv` holds them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from triptych.core.files import DamagedFile, read_text, replace_text

HEADER = ("video", "other", "by", "score")


@dataclass(frozen=True, order=True)
class Pair:
    """Two videos that are the same or nearly.

    Attributes:
        video: slug, the smaller of the two.
        other: slug.
        by: `content`, `pictures`, `sound` or `feature NAME`.
        score: 1 for content, else the share or the cosine that was found.
    """

    video: str
    other: str
    by: str
    score: float


def write_pairs(path: Path | str, pairs: Iterable[Pair]) -> None:
    """Write pairs.csv whole; the same pairs give the same bytes."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((one.video, one.other, one.by, f"{one.score:.4f}") for one in pairs)
    replace_text(path, out.getvalue())


def read_pairs(path: Path | str) -> list[Pair]:
    """Read pairs.csv.

    Raises:
        DamagedFile: it is no such table.
    """
    pairs = []
    try:
        reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        if tuple(next(reader, ())) != HEADER:
            raise ValueError(f"line 1 is not {','.join(HEADER)}")
        for video, other, by, score in reader:
            pairs.append(Pair(video, other, by, float(score)))
            if not 0 <= pairs[-1].score <= 1:
                raise ValueError(f"line {reader.line_num}: {score!r} is no score")
    except (ValueError, csv.Error) as error:
        raise DamagedFile(path, error) from error
    return pairs
