"""Splits: repeated stratified group k-fold in an append-only file that is meant to be committed.

A row of the file is never changed. A new video of a known group joins the fold of its group; new groups are
assigned greedily, given the present state; rows of videos that left the table stay and do no harm. Groups that
near-duplicates tie are assigned as one (see `ties`).
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.core.cells import count
from triptych.core.config import Task
from triptych.core.files import replace_text
from triptych.learn import ties
from triptych.learn.labels import Labels, read_labels
from triptych.learn.pairs import read_pairs
from triptych.learn.tasks import as_task

VERSION = "2"
HEADER = ("video", "group", "repeat", "fold")


class SplitError(ValueError):
    """A split file that cannot be used as it is; the message says what to do."""


@dataclass(frozen=True)
class Split:
    """One row of the file: in `repeat`, `video` of `group` is tested in `fold`."""

    video: str
    group: str
    repeat: int
    fold: int


def assign(
    groups: Sequence[str],
    targets: np.ndarray,
    folds: int,
    salt: str,
    known: dict[str, int] | None = None,
) -> dict[str, int]:
    """Assign each group to a fold: classes spread evenly, folds nearly equal, greedily, without moving known groups.

    Groups go from large to small (by powers of two) and, among about equal ones, in the order of a salted hash. Each
    goes to the fold where the sum of squared class shares, and of squared fold shares, grows least (the greedy rule of
    scikit-learn's StratifiedGroupKFold, written for groups that come later).

    Args:
        groups: group of each row (n,).
        targets: (n, K) bool, the classes of each row.
        folds: number of folds.
        salt: salt of the hash, e.g. seed and repeat.
        known: folds of groups that are assigned already; also of groups that have no row here.

    Returns:
        Group -> fold, for the groups of `groups`.
    """
    known = known or {}
    names, where = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    weights = np.concatenate([np.asarray(targets, dtype=float), np.ones((len(groups), 1))], axis=1)
    counts = np.zeros((len(names), weights.shape[1]))
    np.add.at(counts, where, weights)
    total = np.maximum(counts.sum(axis=0), 1.0) ** 2
    state = np.zeros((folds, weights.shape[1]))
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in known:
            found[name] = known[name]
            state[known[name]] += counts[index]
    new = [index for index, name in enumerate(names) if name not in known]
    new.sort(key=lambda index: (-int(counts[index, -1]).bit_length(), _hash(salt, names[index])))
    salted = [_hash(salt, f"fold {fold}") for fold in range(folds)]
    for index in new:
        # The part of the growth that differs between folds; rounded, so that ties are ties on every machine. Among ties
        # the smallest fold, then a salted order.
        growth = (state @ (counts[index] / total)).round(12).tolist()
        sizes = state[:, -1].tolist()
        chosen = min(zip(growth, sizes, salted, range(folds), strict=True))[-1]
        state[chosen] += counts[index]
        found[names[index]] = chosen
    return found


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def read_splits(path: Path | str) -> list[Split]:
    """Read a split file; an absent one is empty.

    Raises:
        SplitError: with every faulty line.
    """
    path = Path(path)
    if not path.is_file():
        return []
    rows, faults, seen = [], [], set()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SplitError(f"{path} cannot be read ({error}); restore the file from git") from error
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1:
                if tuple(cells) != HEADER:
                    raise SplitError(f"{path}: line 1 must be {','.join(HEADER)}; restore the file from git")
                continue
            try:
                video, group, repeat, fold = cells
                row = Split(video, group, int(repeat), int(fold))
            except ValueError:
                faults.append(f"line {number}: not video,group,repeat,fold: {','.join(cells)[:80]}")
                continue
            if row.repeat < 0 or row.fold < 0:
                faults.append(f"line {number}: repeat and fold must be 0 or more")
            elif (row.video, row.repeat) in seen:
                faults.append(f"line {number}: {row.video} is there twice in repeat {row.repeat}")
            seen.add((row.video, row.repeat))
            rows.append(row)
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if faults:
        raise SplitError(
            "\n  ".join([f"{path}: {count(len(faults), 'fault')}; restore the file from git", *faults[:20]])
        )
    return rows


def write_splits(path: Path | str, rows: Sequence[Split]) -> None:
    """Write a split file, sorted by video and repeat, whole or not at all."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for row in sorted(rows, key=lambda row: (row.video, row.repeat)):
        writer.writerow((row.video, row.group, row.repeat, row.fold))
    replace_text(path, out.getvalue())


def update_splits(
    labels: Path | str,
    splits: Path | str,
    task: Task | dict,
    pairs: Path | str | None = None,
    refused: Path | str | None = None,
    duplicates: Path | str | None = None,
) -> list[str]:
    """Append to the split file what the labelled videos of `labels` need.

    Args:
        labels: labels.parquet of the task.
        splits: the split file; made when absent.
        task: the task's section of the study file.
        pairs: pairs.csv, the near-duplicates of the study; None when they are not looked at.
        refused: where the videos go that are left out for a near-duplicate in another fold (`refused.json`).
        duplicates: where the near-duplicates of the task go, a table.

    Returns:
        Notes for the log: rows added, near-duplicates, classes that do not occur in every fold.

    Raises:
        SplitError: the file contradicts the table or the study file; the message names the choices.
    """
    task = as_task(task)
    data = read_labels(labels).labelled()
    before = read_splits(splits)
    _same_groups(before, data, str(splits))
    settled = ties.Settled()
    if pairs is not None and task.duplicates == "refuse":
        settled = ties.settle(read_pairs(pairs), data, _standing(before, data, task, str(splits)), _held(before))
    used = data.without(settled.refused)
    if len(used.classes) < 2:
        raise SplitError(
            f"{splits}: fewer than two classes are left beside near-duplicates; see `duplicates` in the docs"
        )
    wanted, notes = extend(before, used, task, str(splits), settled)
    write_splits(splits, before + wanted)
    if refused is not None:
        ties.write_refused(refused, settled)
    if duplicates is not None:
        ties.write_table(duplicates, settled, data)
    return [f"{len(wanted)} rows added to {len(before)}", *ties.notes(settled, data), *notes]


def _held(before: Sequence[Split]) -> set[str]:
    return {row.video for row in before}


def _standing(before: Sequence[Split], data: Labels, task: Task, path: str) -> dict[str, dict[int, int]]:
    """Group -> repeat -> fold, of groups whose folds stand: in the file, or as the table says."""
    if task.folds == "predefined":
        return {group: {0: fold} for group, fold in zip(data.groups, data.folds, strict=True)}
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for repeat in sorted({row.repeat for row in before}):
        for group, fold in _group_folds([row for row in before if row.repeat == repeat], path).items():
            found[group][repeat] = fold
    return dict(found)


def extend(
    before: list[Split], data: Labels, task: Task, path: str = "split file", settled: ties.Settled | None = None
) -> tuple[list[Split], list[str]]:
    """The rows to append so that each video of `data` has a fold in each repeat, and notes."""
    settled = settled or ties.Settled()
    _same_groups(before, data, path)
    if task.folds == "predefined":
        return _predefined(before, data, path)
    folds, wanted, notes = task.folds, [], []
    tied = [settled.root(group) for group in data.groups]
    if len(set(tied)) < min(folds, len(set(data.groups))):
        raise SplitError(
            f"{path}: near-duplicates tie the groups of the labelled videos to {len(set(tied))}, fewer than the "
            f"{folds} folds; use fewer `folds`, or `duplicates: ignore` for this task"
        )
    for repeat in range(task.repeats):
        rows = [row for row in before if row.repeat == repeat]
        known = _group_folds(rows, path)
        used = len(set(known.values()))
        if rows and (max(known.values()) >= folds or used < min(folds, len({settled.root(one) for one in known}))):
            raise SplitError(
                f"{path} has {max(used, max(known.values()) + 1)} folds in repeat {repeat}, the study file asks for "
                f"{folds}: set `folds` as in the file, or move the file away to make new splits"
            )
        roots = {settled.root(group): fold for group, fold in known.items()}
        found = assign(tied, data.targets, folds, f"{task.seed}\x1f{repeat}", roots)
        have = {row.video for row in rows}
        for video, group, root in zip(data.videos, data.groups, tied, strict=True):
            if video not in have:
                wanted.append(Split(video, group, repeat, found[root]))
        where = np.array([found[root] for root in tied], dtype=int)
        for index, name in enumerate(data.classes):
            missing = sorted(set(range(folds)) - set(where[data.targets[:, index]].tolist()))
            if missing:
                notes.append(f"repeat {repeat}: class {name!r} does not occur in fold {', '.join(map(str, missing))}")
    return wanted, notes


def _same_groups(before: list[Split], data: Labels, path: str) -> None:
    now = dict(zip(data.videos, data.groups, strict=True))
    moved = sorted({row.video for row in before if row.video in now and now[row.video] != row.group})
    if moved:
        first = next(row for row in before if row.video == moved[0])
        raise SplitError(
            f"{path}: the group of {len(moved)} of {len(now)} videos is another one now ({moved[0]}: "
            f"{first.group!r} in the file, {now[moved[0]]!r} in the table). Restore the groups, or delete these "
            f"videos' lines from the file (their folds are then chosen anew), or move the file away"
        )


def _group_folds(rows: list[Split], path: str) -> dict[str, int]:
    folds: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        folds[row.group].add(row.fold)
    torn = sorted(group for group, found in folds.items() if len(found) > 1)
    if torn:
        told = "1 group lies" if len(torn) == 1 else f"{len(torn)} groups lie"
        raise SplitError(f"{path}: {told} in two folds ({', '.join(torn[:5])}); restore the file from git")
    return {group: next(iter(found)) for group, found in folds.items()}


def _predefined(before: list[Split], data: Labels, path: str) -> tuple[list[Split], list[str]]:
    """Rows of the table's own folds; a row of the file that says otherwise is a fault, not a change."""
    old = {row.video: row.fold for row in before if row.repeat == 0}
    changed = [video for video, fold in zip(data.videos, data.folds, strict=True) if old.get(video, fold) != fold]
    if changed:
        told = "1 video has" if len(changed) == 1 else f"{len(changed)} videos have"
        raise SplitError(
            f"{path}: {told} another fold in the table's column `fold` "
            f"({changed[0]}: {old[changed[0]]} in the file); restore the table, or move the file away"
        )
    rows = [
        Split(video, group, 0, fold)
        for video, group, fold in zip(data.videos, data.groups, data.folds, strict=True)
        if video not in old
    ]
    return rows, []


def folds_of(splits: Path | str, data: Labels, task: Task | dict) -> np.ndarray:
    """The fold of each video in each repeat: (repeats, n) int, in the order of `data`.

    Raises:
        SplitError: a labelled video has no row.
    """
    task = as_task(task)
    repeats = 1 if task.folds == "predefined" else task.repeats
    where = {(row.video, row.repeat): row.fold for row in read_splits(splits)}
    missing = [video for video in data.videos for repeat in range(repeats) if (video, repeat) not in where]
    if missing:
        raise SplitError(f"{splits}: {len(missing)} labelled videos have no fold (first: {missing[0]}); make it again")
    return np.array([[where[video, repeat] for video in data.videos] for repeat in range(repeats)], dtype=int)
