"""Near-duplicates in the report: which videos are the same or nearly, and what became of them in each task."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.cells import count
from triptych.core.paths import Paths
from triptych.core.refused import read_refused
from triptych.learn.pairs import Pair, read_pairs
from triptych.report.tables import read_cells, unguarded

#: Pairs that the page lists; all are in the tables.
LISTED = 200


def section(study: Mapping[str, Any], paths: Paths) -> str:
    """The section as HTML, all text escaped; "" when near-duplicates were not looked for.

    Args:
        study: the complete study file as a mapping.
        paths: its files.
    """
    if not Path(paths.duplicates).is_file():
        return ""
    pairs = read_pairs(paths.duplicates)
    parts = ['<section id="duplicates"><h2>Near-duplicates</h2>', _summary(pairs)]
    if pairs:
        parts.append(_table(("video", "other", "found by", "score"), map(_words, pairs[:LISTED])))
        parts += [_more(len(pairs), "duplicates/pairs.csv")]
    for task in study["tasks"]:
        parts += _task(task, study["tasks"][task], paths)
    return "\n".join(part for part in [*parts, "</section>"] if part)


def _summary(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "<p>No two videos are the same or nearly.</p>"
    ways = Counter(pair.by for pair in pairs)
    told = ", ".join(f"{number} by {way}" for way, number in sorted(ways.items()))
    videos = len({video for pair in pairs for video in (pair.video, pair.other)})
    return f"<p>{videos} videos have a near-duplicate ({html.escape(told)}).</p>"


def _words(pair: Pair) -> tuple[str, ...]:
    return pair.video, pair.other, pair.by, f"{pair.score:.2f}"


def _task(name: str, task: Mapping[str, Any], paths: Paths) -> list[str]:
    """What near-duplicates mean for a task: refused videos, contradicting labels."""
    if task["duplicates"] == "ignore":
        told = (
            "near-duplicates are listed only (<code>duplicates: ignore</code>); they may lie on both sides of a split."
        )
        return [f"<p>Task <b>{html.escape(name)}</b>: {told}</p>"]
    path = Path(paths.task_duplicates(name))
    if not path.is_file():
        return []
    rows = [unguarded(row) for row in read_cells(path)]
    refused, _ = read_refused(paths.refused(name))
    odd = [row for row in rows if row["contradiction"]]
    tied = sum(row["outcome"] == "same fold" for row in rows)
    told = f"{count(len(rows), 'pair')} of labelled videos"
    if tied:
        told += f"; for {tied} of them two groups were put into one fold"
    if refused:
        told += f"; {count(len(refused), 'video')} left out, since near-duplicates lie in other folds"
    parts = [f"<p>Task <b>{html.escape(name)}</b>: {told}.</p>"]
    if refused:
        shown = [(one, two["duplicate_of"], two["by"], f"{two['score']:.2f}") for one, two in sorted(refused.items())]
        parts.append(_table(("left out", "near-duplicate of", "found by", "score"), shown[:LISTED]))
        parts.append(_more(len(refused), f"tasks/{name}/refused.json"))
    if odd:
        parts.append("<p>Near-duplicates with different labels; one of them is wrong, or the pictures do not tell:</p>")
        cells = ("video", "labels", "other", "other_labels", "by")
        parts.append(_table(cells, ([row[cell] for cell in cells] for row in odd[:LISTED])))
        parts.append(_more(len(odd), f"tasks/{name}/duplicates.csv"))
    return parts


def _more(rows: int, file: str) -> str:
    return f"<p>The first {LISTED} of {rows}; all are in <code>{html.escape(file)}</code>.</p>" if rows > LISTED else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    named = [head.replace("_", " ") for head in heads]
    return f'<div class="scroll"><table><thead>{line(named, "th")}</thead><tbody>{body}</tbody></table></div>'
