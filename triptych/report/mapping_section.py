"""The part of the report on features mapped to one another: a table and a picture for each mapping, with its nulls."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core import sealed
from triptych.core.paths import Paths

LEGEND = (
    "A mapping that hedges predicts near the mean (regression to the mean), so that its cosine may look good while its "
    "predictions hardly differ: the variance ratio says how much of the targets' variance they keep, and recall "
    "whether each finds its own video among the test videos of its fold. The nulls are the mean vector, the centroid "
    "of the video's true class (what the class alone gives) and permuted pairs (predictions held against other videos' "
    "targets, whole groups changing places), of which p is told; brackets are 95 % intervals over groups."
)
#: Heading of a column, metric, and whether it is a share that is shown in %.
COLUMNS = (
    ("R@1 %", "r1", True),
    ("R@5 %", "r5", True),
    ("R@10 %", "r10", True),
    ("median rank", "median_rank", False),
    ("cosine", "cosine", False),
    ("variance ratio", "variance_ratio", False),
)


def section(study: Mapping[str, Any], paths: Paths) -> str:
    """The HTML of this part, all that comes from data escaped; an empty text when there is nothing.

    Args:
        study: the complete study file as a mapping.
        paths: its files; of each mapping the JSON and the SVG are read.
    """
    parts = []
    for name in study.get("mapping") or {}:
        place = Path(paths.mapping(name, "json"))
        if place.is_file():
            parts.append(_one(name, sealed.read_json(place), Path(paths.mapping(name, "svg"))))
    if not parts:
        return ""
    heading = '<section id="mapping" aria-labelledby="h-mapping"><h2 id="h-mapping">One feature from another</h2>'
    return f"{heading}<p>{html.escape(LEGEND)}</p>{''.join(parts)}</section>"


def _one(name: str, told: Mapping[str, Any], svg: Path) -> str:
    facts = f"Splits of {told['task']}, {told['labelled']} labelled videos, {told['permutations']} permutations"
    if told["reduce"]:
        facts += f"; features wider than {told['reduce']} brought to this width by an autoencoder"
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in _heads())
    body = "".join(_pair(pair) for pair in told["pairs"])
    return (
        f"<h3>{html.escape(name)}</h3><p>{html.escape(facts)}.</p>{_picture(name, svg)}"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _heads() -> list[str]:
    return ["from", "to", "method", "n", *(head for head, _, _ in COLUMNS), "p (R@1)", "p (cosine)"]


def _picture(name: str, svg: Path) -> str:
    if not svg.is_file():
        return ""
    data = base64.b64encode(svg.read_bytes()).decode()
    told = f"Recall at 1 above permuted pairs, of every source and target of {name}; the same numbers are in the table"
    caption = "Numbers: recall at 1 in %; *: p of at most .05; colour: recall above permuted pairs."
    return (
        f'<figure class="picture"><img src="data:image/svg+xml;base64,{data}" alt="{html.escape(told, quote=True)}" '
        f'loading="lazy"><figcaption>{html.escape(caption)}</figcaption></figure>'
    )


def _pair(pair: Mapping[str, Any]) -> str:
    """The rows of a pair: its nulls, then its methods."""
    if not pair["n"]:
        cells = [pair["source"], pair["target"], pair["note"], "0"]
        return _row([*cells, *[""] * (len(_heads()) - len(cells))])
    start = [pair["source"], pair["target"]]
    told = "".join(
        _row(
            [*start, {"mean": "mean vector", "class": "class centroid"}[kind], str(pair["n"])]
            + [_number(pair["nulls"][kind][metric], share) for _, metric, share in COLUMNS]
            + ["", ""]
        )
        for kind in ("mean", "class")
    )
    return told + "".join(_method(start, method, facts, pair["n"]) for method, facts in pair["methods"].items())


def _method(start: list[str], method: str, facts: Mapping[str, Any], n: int) -> str:
    cells = [*start, method, str(n)]
    for _, metric, share in COLUMNS:
        score = facts["scores"][metric]
        shown = _number(score["value"], share)
        if score["low"] is not None:
            shown += f" [{_number(score['low'], share)}, {_number(score['high'], share)}]"
        cells.append(shown)
    cells += [_p(facts["permuted"].get(metric)) for metric in ("r1", "cosine")]
    return _row(cells)


def _row(cells: list[str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in cells)}</tr>"


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f}" if share else f"{value:.3g}"


def _p(null: Mapping[str, float] | None) -> str:
    return f"{null['p']:.3f}" if null else ""
