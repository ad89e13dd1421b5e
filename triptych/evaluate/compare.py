"""The comparison of a task's models: one row a model, all on the same videos, each against the best single modality.

The best single modality is the model that reads one panel only (heard, said or seen) with the highest out-of-fold
score. It is chosen by the same videos that it is tested on, which favours it: a fusion that beats it did so against a
slightly optimistic reference. Tests are two-sided, on the videos' scores (right or wrong; F1 with several labels; their
mean over repeats and seeds), with Holm's correction over all rows but the reference.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.files import replace_text
from triptych.evaluate.compute import STAGES
from triptych.evaluate.metrics import identity
from triptych.evaluate.modality import is_baseline, is_single, members, panels
from triptych.evaluate.paired import holm, paired_p, same_videos, video_scores
from triptych.evaluate.predictions import Predictions, PredictionsError, groups_of, read

VERSION = "2"

SINGLE = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "log_loss", "brier", "ece")
MULTI = (
    "micro_f1",
    "macro_f1",
    "weighted_f1",
    "samples_f1",
    "map",
    "subset_accuracy",
    "hamming_loss",
    "roc_auc",
    "ece",
)
#: Metrics whose interval is a pair of columns of its own.
WITH_INTERVAL = ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "map")


def comparison(
    metrics: Mapping[str, Path | str],
    predictions: Mapping[str, Path | str],
    labels: Path | str,
    out: Path | str,
    *,
    study: Mapping[str, Any],
    evaluate: Mapping[str, Any],
    compute: Mapping[str, Mapping[str, float]] | None = None,
    multi_label: bool | None = None,
    lineage: Mapping[str, str] | None = None,
    refused: Path | str | None = None,
) -> list[dict[str, Any]]:
    """Write `comparison/{task}.csv`.

    Args:
        metrics: model -> metrics file, in the order of the rows.
        predictions: model -> predictions file, the same models.
        labels: labels.parquet of the task, for the groups.
        out: table to write.
        study: the complete study file as a mapping: what each model reads.
        evaluate: the study's section `evaluate`: `permutations`, `seed`.
        compute: model -> {stage: seconds}, as `compute.compute_seconds` gives them.
        multi_label: of the task; None reads it off the rows.
        lineage: model -> how what it reads is related to what zero-shot labels were made from; with it there is a
            column `label_source`.
        refused: refused.json of the task: groups that near-duplicates tie.

    Returns:
        The rows as they are written, numbers unrounded.

    Raises:
        PredictionsError: models were scored on different videos, labels or folds (also as the hashes of their metrics
            tell it).
    """
    found = {name: read(path, multi_label) for name, path in predictions.items()}
    same_videos(found)
    first = next(iter(found.values()))
    multi = any(one.multi for one in found.values())
    groups = groups_of(labels, first.videos, refused)
    told = {name: sealed.read_json(path) for name, path in metrics.items()}
    for name, one in found.items():
        if any(told[name].get(key) != value for key, value in identity(one).items()):
            raise PredictionsError(f"metrics of {name!r} are of other labels or splits than its predictions; run again")
    specs = {name: {**told[name], "inputs": told[name].get("inputs") or []} for name in found}
    reference = best_single(told, study)
    tests = paired_tests(found, groups, reference, int(evaluate["permutations"]), int(evaluate["seed"]))
    rows = []
    for name in found:
        row = _described(name, specs[name], study)
        row |= {"label_source": lineage.get(name, "")} if lineage else {}
        row |= _measured(told[name], MULTI if multi else SINGLE)
        row["vs"] = reference or ""
        row |= tests.get(name, dict.fromkeys(("difference", "p", "p_holm", "n_covered_by_both", "p_covered")))
        seconds = (compute or {}).get(name, {})
        row |= {f"seconds_{stage}": seconds.get(stage) for stage in STAGES}
        row["seconds"] = sum(seconds.values()) if seconds else None
        rows.append(row)
    _write(out, rows)
    return rows


def best_single(told: Mapping[str, Mapping[str, Any]], study: Mapping[str, Any]) -> str | None:
    """The single-modality model with the highest score on all videos (the first one of equals), if there is one."""
    singles = [name for name, one in told.items() if is_single(one, study)]
    return max(singles, key=lambda name: told[name]["all"][told[name]["primary"]]["value"], default=None)


def paired_tests(
    found: Mapping[str, Predictions], groups: np.ndarray, reference: str | None, permutations: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Every model against the reference, on all videos and on those that both cover.

    Args:
        found: model -> predictions, all on the same n videos.
        groups: (n,) group of each video.
        reference: name of the model that the others are held against; None gives no tests.
        permutations: of the test.
        seed: of the test.

    Returns:
        model -> difference (of mean scores), p, p_holm, n_covered_by_both, p_covered.
    """
    if reference is None:
        return {}
    base, tests = video_scores(found[reference]), {}
    for name, one in found.items():
        if name == reference:
            continue
        difference = video_scores(one) - base
        both = one.covered & found[reference].covered
        tests[name] = {
            "difference": float(difference.mean()),
            "p": paired_p(difference, groups, permutations, seed),
            "p_holm": None,
            "n_covered_by_both": int(both.sum()),
            "p_covered": paired_p(difference[both], groups[both], permutations, seed) if both.any() else None,
        }
    for name, p in holm({name: test["p"] for name, test in tests.items()}).items():
        tests[name]["p_holm"] = p
    return tests


def _described(name: str, spec: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    inputs = members(spec) or [*spec["inputs"], *(f"text:{one}" for one in spec.get("text") or ())]
    kind = "baseline" if is_baseline(spec) else "single" if is_single(spec, study) else "fusion"
    kind = "choice" if spec.get("select") else kind
    return {
        "model": name,
        "kind": kind,
        "modalities": "+".join(panels(spec, study)),
        "inputs": "+".join(inputs),
        "label_set": label_set(spec["task"], study),
        "embedding": " + ".join(embeddings(spec, study)),
        "classifier": "choice" if spec.get("select") else spec.get("head"),
        "fusion": spec.get("fusion") or "",
        "balance": spec.get("balance"),
    }


def label_set(task: str, study: Mapping[str, Any]) -> str:
    """Where a task's labels come from: a column, platform metadata, or zero-shot labels."""
    label = study["tasks"][task]["label"]
    return label if isinstance(label, str) else " ".join(f"{kind} {name}" for kind, name in label.items())


def embeddings(model: Mapping[str, Any], study: Mapping[str, Any]) -> list[str]:
    """What a model or its members read: `encoder.array pooling` of features, and how text becomes numbers."""
    found: dict[str, None] = {}
    for part in (model, *(study["models"][name] for name in members(model))):
        for name in part.get("inputs") or ():
            feature = study["features"][name]
            found[f"{feature.get('from') or feature['from_']} {feature['pool']}"] = None
        if part.get("text"):
            how = part.get("vectorizer") or "tfidf"
            if part.get("head") == "finetune":
                how = str((part.get("params") or {}).get("model", "")).rstrip("/").rpartition("/")[2]
            found[f"{how} of {', '.join(part['text'])}"] = None
    return list(found)


def _measured(told: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {name: told[name] for name in ("n", "groups")}
    row |= {"seeds": told["seeds_n"], "sd_seeds": told["sd_seeds"]}
    for name in names:
        row[name] = told["all"][name]["value"]
        if name in WITH_INTERVAL:
            row |= {f"{name}_{end}": told["all"][name][end] for end in ("low", "high")}
    first = names[0]
    covered = told["covered"].get(first) or {"value": None, "low": None, "high": None}
    row["n_covered"] = told["covered"]["n"]
    return row | {
        f"{first}_covered": covered["value"],
        f"{first}_covered_low": covered["low"],
        f"{first}_covered_high": covered["high"],
    }


def _write(path: Path | str, rows: list[dict[str, Any]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_cell(name, value) for name, value in row.items()])
    replace_text(path, out.getvalue())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return (
            f"{value:.1f}" if name.startswith("seconds") else f"{value:.4g}" if name.startswith("p") else f"{value:.6f}"
        )
    return str(value)
