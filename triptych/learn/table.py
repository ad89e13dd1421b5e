"""The predictions table: one schema for every model, long, sorted, the same bytes for the same predictions.

Columns: `video`, `role` (test: out-of-fold; inner: out-of-fold inside the training fold of `outer`; new: unlabelled),
`outer` (fold; -1 for new), `repeat`, `seed`, `class`, `probability`, `decision`, `truth` (null for new), `covered`
(whether the prediction rests on an input of this video).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.core import parquet
from triptych.core.files import DamagedFile

ROLES = ("test", "inner", "new")
#: Decimals of a stored probability: far below any meaning, above the noise of summation order.
DECIMALS = 12


class LeakError(AssertionError):
    """Something that must never be trained on was about to be; a bug, or files of different splits."""


@dataclass(frozen=True)
class Part:
    """Predictions of one fitted model for some videos.

    Attributes:
        role: `test`, `inner` or `new`.
        outer: the fold that the model did not see; -1 for `new`.
        repeat: repeat of the cross-validation.
        seed: seed of the model.
        videos: slugs (n,).
        probability: (n, K).
        covered: (n,) bool.
        truth: (n, K) bool, or None for `new`.
        run: number of the seed among those of its repeat.
        decision: (n, K) bool where a rule of the model's own made it; else `decide` does.
    """

    role: str
    outer: int
    repeat: int
    seed: int
    videos: Sequence[str]
    probability: np.ndarray
    covered: np.ndarray
    truth: np.ndarray | None
    run: int = 0
    decision: np.ndarray | None = None


#: What tells the parts of a table apart: role, repeat, outer fold and run.
Key = tuple[str, int, int, int]


def decide(probability: np.ndarray, multi: bool) -> np.ndarray:
    """Decisions (n, K): the most probable class (the first one on a tie), or all with at least one half."""
    if multi:
        return probability >= 0.5
    decision = np.zeros(probability.shape, dtype=bool)
    if len(probability):
        decision[np.arange(len(probability)), probability.argmax(axis=1)] = True
    return decision


def write_predictions(path: Path | str, parts: Sequence[Part], classes: Sequence[str], multi: bool) -> None:
    """Write predictions, sorted by role, repeat, outer, run, video and class, whole or not at all.

    Raises:
        LeakError: a video occurs twice in one part of the table.
        ValueError: a probability that is no number in [0, 1].
    """
    import pyarrow as pa

    columns: dict[str, list[np.ndarray]] = {name: [] for name in SCHEMA_NAMES}
    width, seen = len(classes), set()
    for part in sorted(parts, key=lambda part: (ROLES.index(part.role), part.repeat, part.outer, part.run)):
        place = (part.role, part.repeat, part.outer, part.run)
        doubled = place in seen or len(set(part.videos)) != len(part.videos)
        if doubled:
            raise LeakError(f"predictions of {place} hold a video twice")
        seen.add(place)
        order = np.argsort(np.asarray(part.videos, dtype=object).astype(str), kind="stable")
        probability = np.round(np.asarray(part.probability, dtype=float)[order], DECIMALS)
        if not (np.isfinite(probability).all() and (probability >= 0).all() and (probability <= 1).all()):
            raise ValueError(f"predictions of {place} hold a probability outside 0 to 1")
        count = len(order)
        columns["video"].append(np.repeat(np.asarray(part.videos, dtype=object)[order], width))
        columns["role"].append(np.full(count * width, part.role, dtype=object))
        for name in ("outer", "repeat", "seed"):
            columns[name].append(np.full(count * width, getattr(part, name), dtype=np.int64))
        columns["class"].append(np.tile(np.asarray(classes, dtype=object), count))
        columns["probability"].append(probability.ravel())
        decision = decide(probability, multi) if part.decision is None else np.asarray(part.decision)[order]
        columns["decision"].append(decision.ravel())
        truth = np.full(count * width, None, dtype=object)
        if part.truth is not None:
            truth[:] = part.truth[order].ravel().tolist()
        columns["truth"].append(truth)
        columns["covered"].append(np.repeat(np.asarray(part.covered, dtype=bool)[order], width))
    arrays = {}
    for name, kind in _schema(pa).items():
        values = np.concatenate(columns[name]) if columns[name] else []
        arrays[name] = pa.array(values, kind)
    parquet.write_table(path, pa.table(arrays))


SCHEMA_NAMES = ("video", "role", "outer", "repeat", "seed", "class", "probability", "decision", "truth", "covered")


def _schema(pa) -> dict:
    kinds = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.float64())
    return dict(zip(SCHEMA_NAMES, (*kinds, pa.bool_(), pa.bool_(), pa.bool_()), strict=True))


def read_predictions(path: Path | str, classes: Sequence[str], role: str | None = None) -> dict[Key, Part]:
    """Read a predictions file as parts by (role, repeat, outer, run), columns in the order of `classes`.

    Args:
        path: the file.
        classes: of the task.
        role: the only one whose rows are read; all by default.

    Raises:
        DamagedFile: the file was made with other classes, or rows are missing.
    """
    kinds = dict.fromkeys(("video", "role", "class"), "text") | dict.fromkeys(("outer", "repeat", "seed"), "whole")
    kinds |= {"probability": "number", "decision": "truth", "truth": "truth?", "covered": "truth"}
    table = parquet.read_table(path, kinds, only=None if role is None else ("role", role))
    names = {name: table.column(name).to_numpy(zero_copy_only=False) for name in SCHEMA_NAMES}
    wanted, width = sorted(classes), len(classes)
    if len(table) and sorted(set(names["class"])) != wanted:
        raise DamagedFile(path, "it was made with other classes")
    parts: dict[Key, Part] = {}
    by = ("class", "video", "seed", "outer", "repeat", "role")
    order = np.lexsort([names[name] for name in by])
    columns = {name: values[order] for name, values in names.items()}
    back = [wanted.index(name) for name in classes]
    keys = np.stack([columns[name] for name in ("repeat", "outer", "seed")], axis=1)
    changed = (keys[1:] != keys[:-1]).any(axis=1) | (columns["role"][1:] != columns["role"][:-1])
    seeds = {
        repeat: np.unique(columns["seed"][columns["repeat"] == repeat]).tolist()
        for repeat in np.unique(columns["repeat"]).tolist()
    }
    for rows in np.split(np.arange(len(order)), np.flatnonzero(changed) + 1) if len(order) else ():
        if len(rows) % width:
            raise DamagedFile(path, "it lacks rows")
        block = columns["class"][rows].reshape(-1, width)
        videos = columns["video"][rows].reshape(-1, width)
        if (block != np.asarray(wanted, dtype=object)).any() or (videos != videos[:, :1]).any():
            raise DamagedFile(path, "it lacks rows")
        first = rows[0]
        kind, repeat, outer, seed = (columns[name][first] for name in ("role", "repeat", "outer", "seed"))
        run = seeds[int(repeat)].index(int(seed))
        parts[kind, int(repeat), int(outer), run] = Part(
            role=kind,
            outer=int(outer),
            repeat=int(repeat),
            seed=int(seed),
            videos=videos[:, 0].tolist(),
            probability=columns["probability"][rows].reshape(-1, width)[:, back],
            covered=columns["covered"][rows].reshape(-1, width)[:, 0].astype(bool),
            truth=None if kind == "new" else columns["truth"][rows].reshape(-1, width)[:, back].astype(bool),
            run=run,
            decision=columns["decision"][rows].reshape(-1, width)[:, back].astype(bool),
        )
    return parts


def runs_of(parts: Mapping[Key, Part]) -> int:
    """How many runs a table holds."""
    return max((key[3] for key in parts), default=0) + 1
