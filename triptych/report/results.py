"""What the page tells of each task: comparison, per-class numbers, confusion matrices, balance, availability."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import SEQUENCE_HEADS
from triptych.core.paths import Paths
from triptych.evaluate import confusion
from triptych.evaluate.availability import by_availability
from triptych.evaluate.modality import is_baseline, is_single, members, models_of, panels
from triptych.evaluate.predictions import Predictions, as_groups, read
from triptych.report.history import read_history
from triptych.report.tables import read_cells, read_rows, unguarded

#: Runs of the history, and labels in doubt, that the page shows.
RUNS, HINTED = 10, 12
#: Seeds that the score of a network should rest on.
SEEDS = 5


def task_view(
    name: str, study: Mapping[str, Any], paths: Paths
) -> tuple[dict[str, Any], dict[str, Predictions], dict[str, tuple[str | None, int | None]]]:
    """One task as the page shows it.

    Args:
        name: of the task.
        study: the complete study file as a mapping.
        paths: files of the study.

    Returns:
        JSON-able facts; model -> its out-of-fold predictions; video -> (group, predefined fold) of the table of labels.
    """
    from triptych.learn.tasks import read_labels

    section = study["tasks"][name]
    models = models_of(study, name)
    metrics = {model: sealed.read_json(paths.metrics(name, model)) for model in models}
    found = {model: read(paths.predictions(name, model), section["multi_label"]) for model in models}
    labels = read_labels(paths.labels(name), paths.refused(name))
    first = next(iter(metrics.values()))
    singles = {model: "+".join(panels(spec, study)) for model, spec in models.items() if is_single(spec, study)}
    videos = next(iter(found.values())).videos
    groups = as_groups(dict(zip(labels.videos, labels.groups, strict=True)), videos, paths.labels(name))
    sampled = study["evaluate"]["bootstrap"], study["evaluate"]["seed"]
    rows = read_rows(paths.comparison(name))
    support = {row["class"]: row["support"] for row in first["per_class"]}
    view = {
        "name": name,
        "label": _column(section["label"]),
        "group": _column(section["group"]),
        "grouped": section["group"] != "none",
        "folds": section["folds"],
        "repeats": first["repeats"],
        "multi": first["multi_label"],
        "primary": first["primary"],
        "n": first["n"],
        "groups": first["groups"],
        "bootstrap": first["bootstrap"],
        "permutations": study["evaluate"]["permutations"],
        "classes": first["classes"],
        "support": [support[one] for one in first["classes"]],
        "unlabelled": dict(sorted(Counter(reason for reason in labels.reasons if reason).items())),
        "models": list(models),
        "rows": rows,
        "metrics": {model: _shown(one) for model, one in metrics.items()},
        "confusion": {model: _cells(one) for model, one in found.items()},
        "reliability": {model: picture(paths.reliability(name, model)) for model in models},
        "curves": _curves(name, models, study, paths),
        "hints": _hints(name, study, paths),
        "selected": {
            model: sealed.read_json(paths.selection(name, model)) for model in models if models[model].get("select")
        },
        "decided": {model: decision(spec) for model, spec in models.items() if first["multi_label"]},
        "few_seeds": [row["model"] for row in rows if random(models[row["model"]]) and few(row)],
        "balance": _balances(name, models, paths),
        "availability": by_availability(found, singles, groups, *sampled),
        "zero_shot": _zero_shot(name, study, paths),
    }
    return (
        view,
        found,
        {video: (group, fold) for video, group, fold in zip(labels.videos, labels.groups, labels.folds, strict=True)},
    )


def picture(path: Path | str) -> str | None:
    """An SVG file as a `data:` address for an image, where nothing in it can run; None when it is not there."""
    path = Path(path)
    if not path.is_file():
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()


def random(model: Mapping[str, Any]) -> bool:
    """Whether a model depends on the random numbers that it starts from, so that one fit tells little."""
    heads = (*SEQUENCE_HEADS, "finetune", "mlp")
    return not members(model) and (model.get("head") in heads or model.get("fusion") == "intermediate")


def few(row: Mapping[str, Any]) -> bool:
    """Whether a row of a comparison rests on fewer seeds than a network needs."""
    return (row.get("seeds") or 1) < SEEDS


def decision(model: Mapping[str, Any]) -> str:
    """How probabilities became decisions, for tasks with several labels a video."""
    if is_baseline(model):
        return "constant" if model["head"] == "majority" else "labels of at least 0.5"
    rule = {"rule": "fixed", "threshold": 0.5, "k": None, **(model.get("decide") or {})}
    if rule["rule"] == "fixed":
        return f"labels of at least {rule['threshold']:g}"
    if rule["rule"] == "top_k":
        return f"the {rule['k']} most probable labels" if rule["k"] else "the k most probable labels, k by inner folds"
    return "one threshold by inner folds" if rule["rule"] == "global" else "a threshold for each label by inner folds"


def _cells(found: Predictions) -> list[list[float]]:
    """The confusion matrix as [row, column, count] of the cells that are not empty."""
    matrix = confusion.counts(found)
    return [[int(row), int(column), round(float(matrix[row, column]), 3)] for row, column in np.argwhere(matrix > 0)]


def _curves(task: str, models: Mapping[str, Any], study: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    """Learning curves that were asked for: their pictures and points."""
    return [
        {
            "model": name,
            "picture": picture(paths.curve(task, name, "svg")),
            **sealed.read_json(paths.curve(task, name, "json")),
        }
        for name in models
        if name in study["evaluate"].get("curves", ())
    ]


def _hints(task: str, study: Mapping[str, Any], paths: Paths) -> dict[str, Any] | None:
    """The first labels in doubt, and how many there are; None where they were not looked for."""
    if not study["evaluate"].get("label_hints") or not Path(paths.hints(task)).is_file():
        return None
    rows = [unguarded(row) for row in read_cells(paths.hints(task))]
    return {"count": len(rows), "rows": rows[:HINTED]}


def runs(path: Path | str) -> list[dict[str, Any]]:
    """The last runs of the history, newest first: number, config digest, and each task's best score."""
    lines = read_history(path)
    shown = []
    for number, line in list(enumerate(lines, 1))[-RUNS:][::-1]:
        best = []
        for task, models in sorted(line.get("metrics", {}).items()):
            for metric in ("accuracy", "micro_f1"):
                scored = {model: one[metric][0] for model, one in models.items() if metric in one}
                if scored:
                    model = max(scored, key=lambda name: (scored[name], name))
                    best.append({"task": task, "metric": metric, "model": model, "value": scored[model]})
                    best[-1]["n"] = models[model]["n"]
                    break
        shown.append({"number": number, "config": str(line.get("config", ""))[:12], "best": best})
    return shown


def _column(source: Any) -> str:
    if isinstance(source, Mapping):
        return f"metadata: {source['metadata']}" if "metadata" in source else f"relabel: {source['relabel']}"
    return str(source)


def _zero_shot(task: str, study: Mapping[str, Any], paths: Paths) -> dict[str, Any] | None:
    """How the labels of a task were made, where they are zero-shot labels, and which models are related to them."""
    from triptych.learn import lineage, review

    name = lineage.relabel_of(task, study)
    if name is None:
        return None
    found = review.facts_of(name, study["relabel"][name], paths)
    related = [
        {"model": model, "kind": one.kind, "text": one.text} for model, one in lineage.of_task(task, study).items()
    ]
    return {
        **found,
        "picture": picture(paths.agreement(name, "svg")) if found["agreement"] else None,
        "related": related,
    }


def other_labels(study: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    """Zero-shot labels that no task takes: how they were made and how far they agree with existing ones."""
    from triptych.learn import lineage, review

    taken = {lineage.relabel_of(task, study) for task in study["tasks"]}
    found = [
        review.facts_of(name, one, paths) for name, one in (study.get("relabel") or {}).items() if name not in taken
    ]
    drawn = [picture(paths.agreement(one["name"], "svg")) if one["agreement"] else None for one in found]
    return [{**one, "picture": svg, "related": []} for one, svg in zip(found, drawn, strict=True)]


def _shown(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of a metrics file what the page draws, in the digits that it shows."""
    return {name: [_rounded(row) for row in metrics[name]] for name in ("per_class", "per_fold")}


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()}


def _balances(task: str, models: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    """A picture of label distributions for each way of balancing, with the models that go it."""
    found: dict[str, dict[str, Any]] = {}
    for model, spec in models.items():
        path = Path(paths.balance(task, model))
        if not path.is_file():
            continue
        one = found.setdefault(spec["balance"], {"models": [], "picture": picture(path), "balance": spec["balance"]})
        one["models"].append(model)
    return [one for one in found.values() if one["balance"] != "none"] or list(found.values())[:1]
