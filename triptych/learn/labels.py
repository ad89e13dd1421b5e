"""Labels of a task's videos, as its jobs have them: the table `labels.parquet`, and what was refused since.

A row a video in the order of the slugs: `video`, `labels` (joined by `;`; null: unlabelled), `group`, `fold`
(predefined; else null), `reason` (null, or why the video is unlabelled: `no_label`, `no_metadata`, `no_group`,
`few_groups`) and `line` (of the table; null when not told). Near-duplicates that a task leaves out are told by a file
of their own (`refused.json`), which is written where the videos are split: with it they are unlabelled too, for the
reason `duplicate_of:VIDEO`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import parquet
from triptych.core.refused import read_refused

#: What the table must hold.
COLUMNS = {"video": "text", "labels": "text?", "group": "text?", "fold": "whole?", "reason": "text?"}


@dataclass(frozen=True)
class Labels:
    """Labels and groups of the videos of a task, in the order of the slugs.

    Attributes:
        videos: slugs.
        labels: the classes of each video, sorted; None when unlabelled.
        groups: group of each video; None when there is none (only of unlabelled videos).
        folds: predefined fold, or None.
        reasons: None, or why the video is unlabelled.
        lines: line of each video in the table, or None.
        notes: warnings for the log.
    """

    videos: list[str]
    labels: list[tuple[str, ...] | None]
    groups: list[str | None]
    folds: list[int | None]
    reasons: list[str | None]
    lines: list[int | None]
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The classes of the labelled videos, sorted."""
        return sorted({one for labels in self.labels if labels is not None for one in labels})

    @property
    def targets(self) -> np.ndarray:
        """Which classes each video has: (n, K) bool; rows of unlabelled videos are all False."""
        column = {name: index for index, name in enumerate(self.classes)}
        targets = np.zeros((len(self.videos), len(column)), dtype=bool)
        for row, labels in enumerate(self.labels):
            for one in labels or ():
                targets[row, column[one]] = True
        return targets

    def take(self, rows: Iterable[int]) -> Labels:
        """These rows alone."""
        rows = list(rows)
        columns = (self.videos, self.labels, self.groups, self.folds, self.reasons, self.lines)
        return Labels(*([column[row] for row in rows] for column in columns))

    def labelled(self) -> Labels:
        """The labelled videos alone."""
        return self.take(row for row, labels in enumerate(self.labels) if labels is not None)

    def unlabelled(self) -> list[str]:
        """Slugs of the unlabelled videos."""
        return [video for video, labels in zip(self.videos, self.labels, strict=True) if labels is None]

    def without(self, refused: Iterable[str]) -> Labels:
        """The other videos alone."""
        out = set(refused)
        return self.take(row for row, video in enumerate(self.videos) if video not in out)


def write_labels(path: Path | str, labels: Labels) -> None:
    """Write `labels.parquet`, whole or not at all; the same labels give the same bytes."""
    import pyarrow as pa

    table = pa.table(
        {
            "video": pa.array(labels.videos, pa.string()),
            "labels": pa.array([None if one is None else ";".join(one) for one in labels.labels], pa.string()),
            "group": pa.array(labels.groups, pa.string()),
            "fold": pa.array(labels.folds, pa.int64()),
            "reason": pa.array(labels.reasons, pa.string()),
            "line": pa.array(labels.lines, pa.int64()),
        }
    )
    parquet.write_table(path, table)


def read_labels(path: Path | str, refused: Path | str | None = None, together: bool = False) -> Labels:
    """Read `labels.parquet`.

    Args:
        path: of the table.
        refused: `refused.json` of the task; its videos become unlabelled. A file that is not there refuses none.
        together: groups that near-duplicates tie are one group: for whatever parts the videos of a training fold.

    Raises:
        DamagedFile: one of both is none.
    """
    table = parquet.read_table(path, COLUMNS).to_pydict()
    labels = [None if text is None else tuple(text.split(";")) for text in table["labels"]]
    reasons = list(table["reason"])
    told, tied = read_refused(refused)
    for row, video in enumerate(table["video"]):
        if video in told and labels[row] is not None:
            labels[row], reasons[row] = None, f"duplicate_of:{told[video]['duplicate_of']}"
    lines = table.get("line") or [None] * len(labels)
    groups = [tied.get(group, group) for group in table["group"]] if together else table["group"]
    return Labels(table["video"], labels, groups, table["fold"], reasons, lines)


def summary(labels: Labels) -> dict[str, Any]:
    """Numbers for logs and the report: videos and groups a class, unlabelled videos by reason."""
    videos = Counter(one for found in labels.labels for one in found or ())
    groups: dict[str, set] = defaultdict(set)
    for found, group in zip(labels.labels, labels.groups, strict=True):
        for one in found or ():
            groups[one].add(group)
    return {
        "classes": {one: {"videos": videos[one], "groups": len(groups[one])} for one in sorted(videos)},
        "unlabelled": dict(sorted(Counter(reason for reason in labels.reasons if reason).items())),
    }
