"""Predictions files read for scoring: the out-of-fold rows as matrices, checked for what no honest file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.core import sealed
from triptych.core.refused import read_refused

#: How far from 1 the probabilities of a video may sum to (one label a video).
SUM_TOLERANCE = 1e-3


class PredictionsError(ValueError):
    """A predictions file that cannot be scored; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True)
class Repeat:
    """One cross-validation with one seed: every labelled video is tested once.

    Attributes:
        number: of the repeat.
        fold: (n,) the outer fold that tested each video.
        probability: (n, K).
        decision: (n, K) bool.
        seed: of the model.
    """

    number: int
    fold: np.ndarray
    probability: np.ndarray
    decision: np.ndarray
    seed: int = 0


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of one model, videos sorted by slug, classes sorted by name.

    Attributes:
        videos: slugs.
        classes: names.
        truth: (n, K) bool.
        covered: (n,) bool, whether the prediction rests on an input of the video.
        repeats: at least one; one for each repeat and seed, by both.
        seeds: seeds of the models, sorted.
        multi: whether videos carry several labels.
    """

    videos: list[str]
    classes: list[str]
    truth: np.ndarray
    covered: np.ndarray
    repeats: list[Repeat]
    seeds: list[int]
    multi: bool = False

    @property
    def numbers(self) -> list[int]:
        """Numbers of the repeats of the cross-validation."""
        return list(dict.fromkeys(one.number for one in self.repeats))

    @property
    def runs(self) -> list[list[Repeat]]:
        """The cross-validations by run: the first seed of each repeat, the second one of each, ..."""
        of_repeat = [[one for one in self.repeats if one.number == number] for number in self.numbers]
        return [list(one) for one in zip(*of_repeat, strict=True)]

    def take(self, rows: np.ndarray) -> Predictions:
        """These videos alone."""
        repeats = [
            Repeat(one.number, one.fold[rows], one.probability[rows], one.decision[rows], one.seed)
            for one in self.repeats
        ]
        videos = [self.videos[row] for row in rows]
        return Predictions(videos, self.classes, self.truth[rows], self.covered[rows], repeats, self.seeds, self.multi)


def read(path: Path | str, multi: bool | None = None) -> Predictions:
    """Read the `test` rows of a predictions file.

    Args:
        path: the parquet file.
        multi: whether the task is multi-label; None leaves it to the rows. With False, rows that a single-label task
            cannot have are errors.

    Raises:
        PredictionsError: no test rows, rows missing or doubled, repeats on different videos or truths or with another
            number of seeds, numbers that are no probabilities.
    """
    table = sealed.read_table(path, filters=[("role", "=", "test")])
    if not table.num_rows:
        raise PredictionsError(f"{path} holds no out-of-fold predictions (role `test`); train the model again")
    if table.column("truth").null_count:
        raise PredictionsError(f"{path}: test rows without truth; train the model again")
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    classes, class_index = np.unique(columns["class"].astype(str), return_inverse=True)
    videos, video_index = np.unique(columns["video"].astype(str), return_inverse=True)
    shape = (len(videos), len(classes))
    truths, covers, repeats = [], [], []
    for number, seed in np.unique(np.stack([columns["repeat"], columns["seed"]]), axis=1).T.tolist():
        rows = np.flatnonzero((columns["repeat"] == number) & (columns["seed"] == seed))
        place = video_index[rows] * shape[1] + class_index[rows]
        if len(rows) != shape[0] * shape[1] or len(np.unique(place)) != len(rows):
            raise PredictionsError(
                f"{path}: repeat {number} must hold each of {shape[0]} videos once with {shape[1]} classes, for each "
                "seed; train again"
            )
        order = rows[np.argsort(place, kind="stable")]
        truths.append(columns["truth"][order].astype(bool).reshape(shape))
        covers.append(columns["covered"][order].astype(bool).reshape(shape)[:, 0])
        repeats.append(
            Repeat(
                number=int(number),
                fold=columns["outer"][order].astype(int).reshape(shape)[:, 0],
                probability=columns["probability"][order].astype(float).reshape(shape),
                decision=columns["decision"][order].astype(bool).reshape(shape),
                seed=int(seed),
            )
        )
    if any((truth != truths[0]).any() for truth in truths):
        raise PredictionsError(f"{path}: the truth of a video differs between repeats; train the model again")
    # One label a video is exactly one True a row, in the truth and in every decision.
    several = any(bool((rows.sum(axis=1) != 1).any()) for rows in (truths[0], *(one.decision for one in repeats)))
    if multi is False and several:
        raise PredictionsError(f"{path}: a video with several labels or decisions, or none, in a single-label task")
    found = Predictions(
        videos=videos.tolist(),
        classes=classes.tolist(),
        truth=truths[0],
        covered=np.all(covers, axis=0),
        repeats=repeats,
        seeds=np.unique(columns["seed"]).tolist(),
        multi=several if multi is None else multi,
    )
    _check(found, path)
    return found


def _check(found: Predictions, path) -> None:
    if len({sum(one.number == number for one in found.repeats) for number in found.numbers}) > 1:
        raise PredictionsError(f"{path}: repeats with different numbers of seeds; train the model again")
    for repeat in found.repeats:
        numbers = repeat.probability
        if not np.isfinite(numbers).all() or (numbers < 0).any() or (numbers > 1).any():
            raise PredictionsError(f"{path}: probabilities outside 0 to 1; train the model again")
        if not found.multi:
            worst = int(np.abs(numbers.sum(axis=1) - 1).argmax())
            if abs(numbers[worst].sum() - 1) > SUM_TOLERANCE:
                raise PredictionsError(
                    f"{path}: the probabilities of {found.videos[worst]} sum to {numbers[worst].sum():.4f} instead of 1"
                )


def groups_of(labels: Path | str, videos: list[str], refused: Path | str | None = None) -> np.ndarray:
    """Group of each video (n,) as text, from labels.parquet; a video without a group is one of its own.

    With `refused.json` of the task groups that near-duplicates tie are one: copies tell nothing twice.

    Raises:
        PredictionsError: a video is not in the table of labels.
    """
    table = sealed.read_table(labels, columns=["video", "group"]).to_pydict()
    _, tied = read_refused(refused)
    groups = [tied.get(group, group) for group in table["group"]]
    return as_groups(dict(zip(table["video"], groups, strict=True)), videos, labels)


def as_groups(known: Mapping[str, str | None], videos: list[str], where: Path | str = "labels") -> np.ndarray:
    """Group of each video (n,) from a mapping; see `groups_of`."""
    missing = [video for video in videos if video not in known]
    if missing:
        raise PredictionsError(f"{where} lacks {len(missing)} predicted videos ({', '.join(missing[:5])}); train again")
    # A video without a group must not fall together with a group of that name.
    return np.array(
        [f"g:{known[video]}" if known[video] is not None else f"v:{video}" for video in videos], dtype=object
    )
