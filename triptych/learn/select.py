"""Choices: of several models the best one in each training fold, by inner rows of that fold and nothing else.

The choice is made in a job of its own, which reads only rows of role `inner` of its candidates. What it took is written
with the scores it went by and digests of the rows it read, before any candidate is scored on test rows: the metrics of
every candidate have this file as an input.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Model, Task
from triptych.core.files import DamagedFile, canonical_json, digest_json
from triptych.evaluate import scores
from triptych.evaluate.predictions import Predictions, Repeat
from triptych.learn import seeds
from triptych.learn.members import gather, of_run, read_member, refuse_leaks
from triptych.learn.params import SELECT_PARAMS, as_model, validate, values_of
from triptych.learn.splits import folds_of
from triptych.learn.table import Key, Part, runs_of
from triptych.learn.tasks import Labels, as_task, read_labels

VERSION = "1"


class SelectError(ValueError):
    """A selection that does not fit the predictions; the message says what to make again."""


def select_model(
    name: str,
    model: Model | Mapping[str, Any],
    task: Task | Mapping[str, Any],
    *,
    labels: Path | str,
    splits: Path | str,
    members: Mapping[str, Path | str],
    out: Path | str,
    refused: Path | str | None = None,
) -> dict[str, Any]:
    """Choose one candidate for each repeat, seed and fold, and write what was chosen.

    Args:
        name: the choice's name.
        model: its section of the study file.
        task: the task's section.
        labels: labels.parquet.
        splits: the split file.
        members: candidate -> its predictions file, of which inner rows alone are read.
        out: where the selection goes.
        refused: refused.json of the task: near-duplicates that count as unlabelled, and groups that they tie.

    Returns:
        What was written: `model`, `by`, `candidates`, `inner` (candidate -> sha256 of its inner rows), `folds` (a
        mapping each: `repeat`, `seed`, `fold`, `n`, `chosen`, `scores`), `new` (the candidate of unlabelled videos) and
        `digest` of all this.

    Raises:
        MembersError: a candidate lacks inner rows, or was made with other labels or splits.
        LeakError: inner rows of a fold hold a video or a group of that fold.
        ValueError: faulty parameters.
    """
    model, task = as_model(model), as_task(task)
    faults = validate(model, name)
    if faults:
        raise ValueError("\n".join(faults))
    data = read_labels(labels, refused, together=True).labelled()
    folds = folds_of(splits, data, task)
    by = values_of(SELECT_PARAMS, model.params)["by"]
    read = {one: read_member(members[one], one, data, "inner") for one in model.select}
    groups, found = np.array(data.groups, dtype=object), []
    runs = max(runs_of(parts) for parts in read.values())
    for repeat, of_row in enumerate(folds):
        for run, fold in product(range(runs), np.unique(of_row).tolist()):
            train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
            key = ("inner", repeat, fold, run)
            refuse_leaks(read, key, data, train, groups[test])
            gather(read, key, [data.videos[row] for row in train], model.select)
            scored = {one: score(of_run(parts, key), data.classes, by, task.multi_label) for one, parts in read.items()}
            found.append(
                {
                    "repeat": repeat,
                    "seed": seeds.of(task.seed, repeat, run),
                    "fold": fold,
                    "n": len(train),
                    "chosen": best(scored, by),
                    "scores": scored,
                }
            )
    told = {
        "model": name,
        "by": by,
        "candidates": list(model.select),
        "inner": {one: digest(parts) for one, parts in read.items()},
        "folds": found,
        "new": overall(found, by),
    }
    told["digest"] = digest_json(told)
    sealed.write_json(out, told)
    return told


def score(part: Part, classes: list[str], by: str, multi: bool) -> float:
    """The score of inner rows, as the metrics of test rows define it."""
    once = Repeat(part.repeat, np.zeros(len(part.videos), int), part.probability, part.decision, part.seed)
    found = Predictions(part.videos, classes, part.truth, part.covered, [once], [part.seed], multi)
    sums = np.asarray(scores.statistics(found, once).sum(axis=0)).reshape(1, -1)
    names = {"accuracy": "subset_accuracy"} if multi else {"micro_f1": "accuracy"}
    return float(scores.metrics_of(sums, len(classes), multi)[names.get(by, by)][0])


def best(scored: Mapping[str, float], by: str) -> str:
    """The candidate with the best score; of equal ones the first one named."""
    sign = 1 if by == "log_loss" else -1
    return min(scored, key=lambda one: sign * scored[one])


def overall(folds: list[dict[str, Any]], by: str) -> str:
    """The candidate that was chosen most often; of equal ones the one with the best mean score."""
    times = Counter(one["chosen"] for one in folds)
    most = [one for one, count in times.items() if count == max(times.values())]
    means = {one: float(np.mean([fold["scores"][one] for fold in folds])) for one in folds[0]["scores"] if one in most}
    return best(means, by)


def digest(parts: Mapping[Key, Part]) -> str:
    """The sha256 of inner rows: repeats, folds, seeds, videos, probabilities, decisions, truths and what is covered."""
    whole = hashlib.sha256()
    for key in sorted(parts):
        part = parts[key]
        order = np.argsort(np.asarray(part.videos, dtype=object).astype(str), kind="stable")
        head = [part.repeat, part.outer, part.seed, [part.videos[row] for row in order]]
        whole.update(canonical_json(head).encode())
        whole.update(np.ascontiguousarray(part.probability[order], dtype="<f8").tobytes())
        for one in (part.decision, part.truth, part.covered):
            whole.update(np.ascontiguousarray(one[order], dtype=np.uint8).tobytes())
    return whole.hexdigest()


def read_selection(path: Path | str) -> dict[str, Any]:
    """A selection as it was written.

    Raises:
        SelectError: it was changed since.
    """
    try:
        told = sealed.read_json(path)
    except DamagedFile as error:
        raise SelectError(f"{path} was changed after it was written; make the selection again") from error
    given = told.get("digest") if isinstance(told, dict) else None
    if given is None or digest_json({key: value for key, value in told.items() if key != "digest"}) != given:
        raise SelectError(f"{path} was changed after it was written; make the selection again")
    return told


def chosen_parts(
    model: Model,
    data: Labels,
    folds: np.ndarray,
    unlabelled: list[str],
    members: Mapping[str, Path | str],
    selection: Path | str,
    seed: int,
) -> list[Part]:
    """Predictions of a choice: test rows of each fold are those of the candidate chosen there, decisions too.

    Args:
        model: the choice's section.
        data: the labelled videos.
        folds: (repeats, n) fold of each of them.
        unlabelled: slugs of the others.
        members: candidate -> its predictions file.
        selection: the file that `select_model` wrote.
        seed: of the task.

    Raises:
        SelectError: the selection was changed, or made of other inner rows.
        MembersError: a candidate's predictions do not fit the task.
    """
    told, parts = read_selection(selection), []
    if told["candidates"] != list(model.select):
        raise SelectError(f"{selection} was made of other candidates; make the selection again")
    read = {name: read_member(members[name], name, data) for name in model.select}
    for name, found in read.items():
        inner = {key: part for key, part in found.items() if key[0] == "inner"}
        if digest(inner) != told["inner"][name]:
            raise SelectError(f"{selection} was made of other inner rows of {name!r}; make the selection again")
    chosen = {(one["repeat"], one["fold"], one["seed"]): one["chosen"] for one in told["folds"]}
    runs = max(runs_of(found) for found in read.values())
    for repeat, of_row in enumerate(folds):
        for fold, run in product(np.unique(of_row).tolist(), range(runs)):
            own = seeds.of(seed, repeat, run)
            name = chosen.get((repeat, fold, own))
            if name is None:
                raise SelectError(f"{selection} lacks repeat {repeat}, fold {fold}; make the selection again")
            videos = [data.videos[row] for row in np.flatnonzero(of_row == fold)]
            parts.append(_taken(read[name], name, ("test", repeat, fold, run), videos, own))
    if unlabelled:
        parts.append(_taken(read[told["new"]], told["new"], ("new", 0, -1, 0), unlabelled, seed))
    return parts


def _taken(parts: Mapping[Key, Part], name: str, key: Key, videos: list[str], seed: int) -> Part:
    """Rows of a candidate as rows of the choice."""
    gather({name: parts}, key, videos, [name])
    part = of_run(parts, key)
    return Part(
        key[0],
        part.outer,
        part.repeat,
        seed,
        part.videos,
        part.probability,
        part.covered,
        part.truth,
        key[3],
        part.decision,
    )
