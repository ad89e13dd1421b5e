"""Members' predictions as fusions and selections read them: held against the labels, put in order, kept from leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triptych.learn.table import Key, LeakError, Part, read_predictions, runs_of
from triptych.learn.tasks import Labels


class MembersError(ValueError):
    """Members' predictions that do not fit the task; the message says what to make again."""


@dataclass(frozen=True)
class Members:
    """Predictions of all members for the same videos.

    Attributes:
        probability: (M, n, K).
        covered: (M, n) bool.
    """

    probability: np.ndarray
    covered: np.ndarray

    def take(self, rows: np.ndarray) -> Members:
        """These videos alone."""
        return Members(self.probability[:, rows], self.covered[:, rows])


def read_member(path, name: str, data: Labels, role: str | None = None) -> dict[Key, Part]:
    """Predictions of a member (of one role, or of all), checked against the labels.

    Raises:
        MembersError: they were made with other classes or labels.
    """
    try:
        parts = read_predictions(path, data.classes, role)
    except ValueError as error:
        raise MembersError(f"member {name!r}: {error}") from error
    where = {video: row for row, video in enumerate(data.videos)}
    targets = data.targets
    for part in parts.values():
        if part.truth is not None:
            rows = [where.get(video, -1) for video in part.videos]
            if -1 in rows or (part.truth != targets[rows]).any():
                raise MembersError(f"member {name!r}: {path} was made with other labels; make it again")
    return parts


def of_run(parts: Mapping[Key, Part], key: Key) -> Part | None:
    """A member's part for a run of the fusion: members with fewer runs take their turns."""
    role, repeat, fold, run = key
    return parts.get((role, repeat, fold, run % runs_of(parts)))


def gather(read, key: Key, videos: list[str], names) -> Members:
    """Predictions of all members for `videos`, in this order."""
    probability, covered = [], []
    for name in names:
        part = of_run(read[name], key)
        where = {video: row for row, video in enumerate(part.videos)} if part else {}
        missing = [video for video in videos if video not in where]
        if missing or part is None or len(where) != len(videos):
            role, repeat, fold, _ = key
            raise MembersError(
                f"member {name!r} has no {role} rows that fit repeat {repeat}, fold {fold} "
                f"({len(missing)} of {len(videos)} videos missing, {len(where)} there): its predictions were made with "
                f"other splits or inner folds; make them again"
            )
        rows = [where[video] for video in videos]
        probability.append(part.probability[rows])
        covered.append(part.covered[rows])
    return Members(np.stack(probability), np.stack(covered))


def refuse_leaks(read, key: Key, data: Labels, train: np.ndarray, test_groups: np.ndarray) -> None:
    """Inner rows of a fold must be training videos of that fold alone, of other groups than its test videos."""
    allowed, hidden = {data.videos[row] for row in train}, set(test_groups.tolist())
    group_of = dict(zip(data.videos, data.groups, strict=True))
    for name, parts in read.items():
        part = of_run(parts, key)
        wrong = [video for video in (part.videos if part else ()) if video not in allowed or group_of[video] in hidden]
        if wrong:
            raise LeakError(f"member {name!r}: inner rows of fold {key[2]} hold its test videos or groups: {wrong[:5]}")
