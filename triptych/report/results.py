"""What the page tells of each task: comparison, per-class numbers, confusion matrices, balance, availability."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import digest_bytes, read_json
from triptych.core.paths import Paths
from triptych.evaluate import compare
from triptych.evaluate.modality import is_single, models_of
from triptych.evaluate.predictions import Predictions, read
from triptych.report.history import read_history
from triptych.report.tables import read_rows

#: Runs of the history that the page shows.
RUNS = 10


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
    metrics = {model: read_json(paths.metrics(name, model)) for model in models}
    found = {model: read(paths.predictions(name, model), section["multi_label"]) for model in models}
    labels = read_labels(paths.labels(name), paths.refused(name))
    first = next(iter(metrics.values()))
    singles = [model for model, spec in models.items() if is_single(spec, study)]
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
        "rows": read_rows(paths.comparison(name)),
        "metrics": {model: _shown(one) for model, one in metrics.items()},
        "confusion": {model: picture(paths.confusion(name, model, "svg")) for model in models},
        "balance": _balances(name, models, paths),
        "availability": compare.by_availability(found, singles),
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
    """Of a metrics file what the page draws."""
    return {
        name: metrics[name]
        for name in ("n", "head", "balance", "fusion", "members", "inputs", "text", "per_class", "per_fold", "covered")
    } | {"all": metrics["all"]}


def _balances(task: str, models: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    """Pictures of label distributions, equal ones once, with the models that share them."""
    found: dict[str, dict[str, Any]] = {}
    for model, spec in models.items():
        path = Path(paths.balance(task, model))
        if not path.is_file():
            continue
        one = found.setdefault(
            digest_bytes(path.read_bytes()), {"models": [], "picture": picture(path), "balance": spec["balance"]}
        )
        one["models"].append(model)
    return [one for one in found.values() if one["balance"] != "none"] or list(found.values())[:1]
