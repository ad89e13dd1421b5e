"""What a mapping tells, as a table and as numbers that JSON has."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

#: Scores of a mapping, in the order of the columns.
METRICS = ("cosine", "r1", "r5", "r10", "median_rank", "variance_ratio")


def table(told: Mapping[str, Any]) -> str:
    """The CSV: a row for each pair and method."""
    heads = ["source", "target", "method", "n", "groups", "gallery", "runs", "note"]
    for metric in METRICS:
        heads += [metric, f"{metric}_low", f"{metric}_high", f"mean_{metric}", f"class_{metric}"]
        if metric != "variance_ratio":
            heads += [f"permuted_{metric}", f"p_{metric}"]
    out = io.StringIO()
    writer = csv.DictWriter(out, heads, restval="", lineterminator="\n")
    writer.writeheader()
    for pair in told["pairs"]:
        start = {name: pair.get(name, "") for name in ("source", "target", "n", "groups", "gallery", "note")}
        if not pair["n"]:
            writer.writerow(start)
        for method, facts in pair["methods"].items():
            row = {**start, "method": method, "runs": told["seeds"][method] * told["repeats"]}
            for metric in METRICS:
                score, null = facts["scores"][metric], facts["permuted"].get(metric, {})
                row |= {metric: score["value"], f"{metric}_low": score["low"], f"{metric}_high": score["high"]}
                row |= {f"{kind}_{metric}": pair["nulls"][kind][metric] for kind in ("mean", "class")}
                if metric != "variance_ratio":
                    row |= {f"permuted_{metric}": null.get("mean"), f"p_{metric}": null.get("p")}
            writer.writerow({key: _cell(value) for key, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def rounded(value: Any) -> Any:
    """Numbers to 10 digits; None for those that JSON has not."""
    if isinstance(value, float):
        return float(f"{value:.10g}") if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, (list, tuple)) else value
