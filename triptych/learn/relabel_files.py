"""Files of zero-shot labels.

`relabel/{name}.parquet` has a row a video in the order of the slugs: `video`, `labels` (joined by `;`, the likeliest
first; null where there is none), `score` (of the first), `label_source` (what labels were made from), `status`,
`reason`, `message`, `key` (digest of all that determined the scores), and `score:LABEL` for each candidate label.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import parquet, records
from triptych.core.files import DamagedFile, parse_json, read_text
from triptych.core.status import Outcome

_log = logging.getLogger("triptych.relabel")


#: What the file must hold beside the scores.
COLUMNS = dict.fromkeys(("labels", "reason", "message"), "text?") | dict.fromkeys(("video", "status", "key"), "text")


class RelabelError(ValueError):
    """Labels that cannot be made as they are asked for; the message says what to do."""


class Parts:
    """Scores as they are computed, a line a video, so that a killed job loses one batch at most."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(f"{out.stem}.parts.jsonl")

    def read(self) -> Iterator[tuple[str, list[float]]]:
        """Key and scores of each whole line."""
        with contextlib.suppress(FileNotFoundError):
            for line in read_text(self.path).splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    key, scores = parse_json(line)
                    yield str(key), [float(one) for one in scores]

    def keep(self, lines: Iterable[tuple[str, list[float]]]) -> None:
        """Append lines; they are on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with records.open_plain(self.path, write=True) as handle:
            handle.seek(0)
            torn = not (handle.read() or "\n").endswith("\n")
            handle.write("\n" * torn + "".join(json.dumps(line) + "\n" for line in lines))
            handle.flush()
            os.fsync(handle.fileno())

    def remove(self) -> None:
        """Remove them, when the file itself is written."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Table:
    """A file of zero-shot labels.

    Attributes:
        videos: slugs, sorted.
        labels: of each video, the likeliest first; empty where there is none.
        scores: (n, K), nan where there are none.
        outcomes: of each video.
        facts: how they were made: `use`, `model`, `template`, `labels` (K), `label_source`, `counts`.
    """

    videos: list[str]
    labels: list[tuple[str, ...]]
    scores: np.ndarray
    outcomes: list[Outcome]
    facts: dict[str, Any]

    @property
    def joined(self) -> dict[str, str]:
        """Labels of each video joined by `;`, empty where there is none: as a column of the table would hold them."""
        return {video: ";".join(labels) for video, labels in zip(self.videos, self.labels, strict=True)}


def read(path: Path | str) -> Table:
    """Read a file of zero-shot labels.

    Raises:
        RelabelError: damaged.
    """
    try:
        table = parquet.read_table(path, COLUMNS)
        facts = parse_json((table.schema.metadata or {})[b"triptych"])
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        scores = np.array([columns[f"score:{label}"] for label in facts["labels"]], dtype=np.float64).T
        outcomes = [Outcome(*one) for one in zip(columns["status"], columns["reason"], columns["message"], strict=True)]
    except DamagedFile as error:
        raise RelabelError(str(error)) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RelabelError(f"{path} cannot be read ({error}); delete it and run again") from error
    labels = [tuple(text.split(";")) if text else () for text in columns["labels"]]
    return Table(columns["video"], labels, scores.reshape(len(labels), -1), outcomes, facts)


def scores(path: Path, labels: Sequence[str], wanted: set[str]) -> dict[str, list[float]]:
    """Scores by key of an earlier file, of the keys that are wanted; nothing of one that cannot be read."""
    if not path.is_file():
        return {}
    try:
        before = read(path)
        keys = parquet.read_table(path, {"key": "text"}).column("key").to_pylist()
    except RelabelError as error:
        _log.warning("%s", error)
        return {}
    if before.facts["labels"] != list(labels):
        return {}
    found = zip(keys, before.scores, strict=True)
    return {key: row.tolist() for key, row in found if key in wanted and np.isfinite(row).all()}


def write(path: Path, table: list[dict], labels: Sequence[str], source: str, facts: Mapping[str, Any]) -> None:
    """Write the file whole; the same labels give the same bytes, however many of them were taken over."""
    import pyarrow as pa

    counts = {name: number for name, number in facts["counts"].items() if name not in ("computed", "taken_over")}
    told = json.dumps({**facts, "counts": counts}, sort_keys=True, ensure_ascii=False)
    first = [row["labels"][0] if row["labels"] else None for row in table]
    columns = {
        "video": pa.array([row["video"] for row in table], pa.string()),
        "labels": pa.array([";".join(row["labels"]) or None for row in table], pa.string()),
        "score": pa.array(
            [row["scores"][labels.index(label)] if label else None for row, label in zip(table, first, strict=True)],
            pa.float64(),
        ),
        "label_source": pa.array([source] * len(table), pa.string()),
        "status": pa.array([row["outcome"].status for row in table], pa.string()),
        "reason": pa.array([row["outcome"].reason for row in table], pa.string()),
        "message": pa.array([row["outcome"].message for row in table], pa.string()),
        "key": pa.array([row["key"] for row in table], pa.string()),
    }
    for place, label in enumerate(labels):
        values = [None if row["scores"] is None else row["scores"][place] for row in table]
        columns[f"score:{label}"] = pa.array(values, pa.float64())
    parquet.write_table(path, pa.table(columns).replace_schema_metadata({"triptych": told}))
