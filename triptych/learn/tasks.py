"""Tasks: which labels and which group each video has, and why a video has none.

Class lists are resolved here, in a job, never in the DAG. The result is `labels.parquet` (see `labels`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.config import Metadata, Relabelled, Task, nearest
from triptych.learn.labels import Labels, read_labels, summary, write_labels

__all__ = ["Labels", "TaskError", "as_task", "make_labels", "read_labels", "read_metadata", "resolve", "summary"]

VERSION = "2"
#: Most names that a message lists.
SHOWN = 8
logger = logging.getLogger("triptych")


class TaskError(ValueError):
    """A task that cannot be learned as it is; the message says where and what to do."""


def as_task(task: Task | Mapping[str, Any]) -> Task:
    """A `Task`, also from the mapping that a rule's params hold."""
    return task if isinstance(task, Task) else Task.model_validate(task)


def make_labels(
    name: str,
    task: Task | Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    out: Path | str,
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    relabelled: Mapping[str, str] | None = None,
) -> Labels:
    """Resolve the labels of a task and write `labels.parquet`.

    Args:
        name: the task's name, for messages.
        task: its section of the study file.
        rows: the table: per row `slug` and `fields` (all columns as given), optionally `line`.
        out: path of labels.parquet.
        metadata: for labels or groups `{metadata: ...}`: slug -> what the platform told (`read_metadata`).
        relabelled: for labels `{relabel: ...}`: slug -> labels joined by `;`, empty where there is none.

    Raises:
        TaskError: a column is missing, nothing is labelled, one class is left, a class has too few groups, a labelled
            video has no group or no predefined fold.
    """
    labels = resolve(name, as_task(task), rows, metadata or {}, relabelled or {})
    for note in labels.notes:
        logger.warning("%s", note)
    write_labels(out, labels)
    return labels


def resolve(
    name: str,
    task: Task,
    rows: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, Mapping[str, Any]],
    relabelled: Mapping[str, str] | None = None,
) -> Labels:
    """The labels of a task (see `make_labels`), without writing them."""
    where = f"task {name!r}"
    rows = sorted(rows, key=lambda row: row["slug"])
    slugs = [row["slug"] for row in rows]
    if len(set(slugs)) != len(slugs):
        raise TaskError(f"{where}: a video occurs twice in the table")
    if isinstance(task.label, Relabelled):
        texts = [(relabelled or {}).get(slug, "") for slug in slugs]
    else:
        texts = _values(where, "label", task.label, rows, metadata)
    labels, reasons, notes = _split_labels(where, task, slugs, texts)
    if not any(labels):
        place = _place(task.label)
        raise TaskError(f"{where}: no labelled videos: {place} is empty for all {len(rows)} rows")
    groups = _groups(where, task, rows, labels, reasons, metadata)
    folds = _folds(where, task, rows, labels, groups)
    found = Labels(slugs, labels, groups, folds, reasons, [row.get("line") for row in rows], notes)
    _enough_groups(where, task, found)
    left = found.classes
    if len(left) < 2:
        raise TaskError(
            f"{where}: {'only the class ' + repr(left[0]) if left else 'no class'} is left; a classifier needs two. "
            f"Label more videos" + (" or use `min_groups: allow`" if "few_groups" in reasons else "")
        )
    return found


def _place(source: str | Metadata | Relabelled) -> str:
    if isinstance(source, Relabelled):
        return f"relabel {source.relabel!r}"
    return f"metadata {source.metadata!r}" if isinstance(source, Metadata) else f"column {source!r}"


def _values(where, kind, source: str | Metadata, rows, metadata) -> list[str | None]:
    """The value of each row, stripped; "" when empty, None when platform metadata does not tell it."""
    if isinstance(source, Metadata):
        return [dig(metadata.get(row["slug"]), source.metadata) for row in rows]
    columns = sorted({column for row in rows[:1] for column in row["fields"]})
    if source not in columns:
        hint = nearest(source, columns) or f" (columns: {', '.join(columns) or 'none'})"
        raise TaskError(f"{where}: {kind}: the table has no column {source!r}{hint}")
    return [(row["fields"].get(source) or "").strip() for row in rows]


def dig(data: Any, path: str) -> str | None:
    """The value at a dotted path of nested mappings and lists (`categories.0`), as stripped text; None if not there."""
    for part in path.split("."):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    if isinstance(data, (list, tuple)) and all(isinstance(one, (str, int, float)) for one in data):
        data = ";".join(str(one).strip() for one in data)
    if data is None or isinstance(data, (Mapping, list, tuple)):
        return None
    return str(data).strip() or None


def read_metadata(manifests: Mapping[str, Path | str]) -> dict[str, dict[str, Any]]:
    """What the platform told of each fetched video: slug -> the `data` of its fetch manifest."""
    from triptych.core.status import Manifest

    return {slug: Manifest.read(path).data for slug, path in sorted(manifests.items()) if Path(path).is_file()}


def _split_labels(where, task: Task, slugs, texts):
    labels: list[tuple[str, ...] | None] = []
    reasons: list[str | None] = []
    joined = []
    for slug, text in zip(slugs, texts, strict=True):
        parts = [part.strip() for part in text.split(";")] if task.multi_label and text else [text]
        parts = sorted({part for part in parts if part})
        if not task.multi_label and text and ";" in text:
            joined.append(slug)
        labels.append(tuple(parts) or None)
        reasons.append(None if parts else "no_metadata" if text is None else "no_label")
    if joined:
        raise TaskError(
            f"{where}: {len(joined)} videos have labels joined by ';' ({_some(joined)}); "
            f"set `multi_label: true`, or give one label each"
        )
    spellings = defaultdict(set)
    for one in sorted({one for found in labels if found for one in found}):
        spellings[" ".join(one.casefold().split())].add(one)
    notes = [
        f"{where}: labels that differ in case or spaces only: {', '.join(map(repr, sorted(same)))}"
        for same in spellings.values()
        if len(same) > 1
    ]
    return labels, reasons, notes


def _groups(where, task: Task, rows, labels, reasons, metadata) -> list[str | None]:
    """The group of each row; a gap in a column stops, a video whose platform tells no group becomes unlabelled."""
    if task.group == "none":
        return [row["slug"] for row in rows]
    groups = [value or None for value in _values(where, "group", task.group, rows, metadata)]
    bare = [index for index, group in enumerate(groups) if group is None and labels[index] is not None]
    if bare and not isinstance(task.group, Metadata):
        raise TaskError(
            f"{where}: group: {len(bare)} labelled videos have no value in {_place(task.group)} "
            f"({_lines(rows, bare)}); fill them in (its own id where a video stands alone), or use `group: none`"
        )
    for index in bare:
        labels[index], reasons[index] = None, "no_group"
    if bare and not any(labels):
        raise TaskError(f"{where}: no labelled video has a group: {_place(task.group)} is empty for all of them")
    return groups


def _folds(where, task: Task, rows, labels, groups) -> list[int | None]:
    if task.folds != "predefined":
        return [None] * len(rows)
    if task.repeats > 1:
        raise TaskError(f"{where}: predefined folds are one cross-validation; leave out `repeats` or set it to 1")
    texts = _values(where, "folds: predefined", "fold", rows, {})
    bad = [
        index
        for index, text in enumerate(texts)
        if labels[index] is not None and not (text.isascii() and text.isdigit() and len(text) < 10)
    ]
    if bad:
        raise TaskError(
            f"{where}: folds: predefined: {len(bad)} labelled videos have no whole number in column 'fold' "
            f"({_lines(rows, bad)})"
        )
    folds = [int(text) if labels[index] is not None else None for index, text in enumerate(texts)]
    seen: dict[str, set[int]] = defaultdict(set)
    for group, fold in zip(groups, folds, strict=True):
        if fold is not None:
            seen[group].add(fold)
    torn = sorted(group for group, found in seen.items() if len(found) > 1)
    if torn:
        shown = "; ".join(f"{group!r} in {', '.join(map(str, sorted(seen[group])))}" for group in torn[:SHOWN])
        raise TaskError(
            f"{where}: {len(torn)} groups of {_place(task.group)} lie in several predefined folds ({shown}): the test "
            f"would know them. Correct column 'fold', or use `group: none` if this is meant (the report flags it)"
        )
    if len({fold for fold in folds if fold is not None}) < 2:
        raise TaskError(f"{where}: folds: predefined: column 'fold' names one fold only; two are needed")
    return folds


def _enough_groups(where, task: Task, found: Labels) -> None:
    """Stop, drop or allow classes with fewer groups than folds (with predefined folds: that lie in one fold)."""
    predefined = task.folds == "predefined"
    needed, unit = (2, "predefined fold") if predefined else (task.folds, "group")
    members: dict[str, set] = defaultdict(set)
    for labels, group, fold in zip(found.labels, found.groups, found.folds, strict=True):
        for one in labels or ():
            members[one].add(fold if predefined else group)
    few = {one: len(held) for one, held in sorted(members.items()) if len(held) < needed}
    all_groups = {group for group, labels in zip(found.groups, found.labels, strict=True) if labels}
    if not predefined and len(all_groups) < needed:
        raise TaskError(
            f"{where}: the labelled videos form {len(all_groups)} groups, fewer than the {needed} folds; use fewer "
            f"`folds`, or another `group`"
        )
    if not few or task.min_groups == "allow":
        found.notes.extend(f"{where}: class {one!r} has {count} {unit}s" for one, count in few.items())
        return
    if task.min_groups == "stop":
        counted = "; ".join(f"{one!r} has {count} {unit}{'s' * (count != 1)}" for one, count in few.items())
        lowest = min(few.values())
        fewer = "" if predefined or lowest < 2 else f"fewer folds (`folds: {lowest}`), "
        raise TaskError(
            f"{where}: too few {unit}s in {len(few)} classes, {needed} are needed: {counted}. Choose: "
            f"`min_groups: drop` (their videos become unlabelled), `min_groups: allow` (some folds then lack them), "
            f"{fewer}or merge "
            f"labels in the table"
        )
    for index, labels in enumerate(found.labels):
        kept = tuple(one for one in labels or () if one not in few)
        if labels and kept != labels:
            found.labels[index] = kept or None
            found.reasons[index] = None if kept else "few_groups"
    found.notes.append(f"{where}: dropped classes with fewer than {needed} {unit}s: {', '.join(few)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _lines(rows, indices) -> str:
    return _some(
        [f"line {rows[i]['line']}: {rows[i]['slug']}" if "line" in rows[i] else rows[i]["slug"] for i in indices]
    )
