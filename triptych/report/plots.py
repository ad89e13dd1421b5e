"""The picture of a comparison: each model's score with its interval, for a README or a paper."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from triptych.core.files import replace_bytes
from triptych.evaluate.confusion import shorten
from triptych.report.tables import read_rows

#: The colours of the page: what a model reads, several modalities, choices and baselines.
COLOURS = {
    "heard": "#c0722a",
    "said": "#2f8f6b",
    "seen": "#3b6fb6",
    "fusion": "#6a4fa3",
    "choice": "#b3377f",
    "baseline": "#8a97a3",
}
NAMES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}


def forest(comparison: Path | str, out: Path | str, title: str = "") -> None:
    """Draw `comparison/{task}.csv`: a row a model, its score and 95 % interval, the best single modality as a line.

    Args:
        comparison: the table.
        out: picture to write, `.svg` or `.png`; the same table gives the same bytes.
        title: a line above the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = read_rows(comparison)
    metric = "accuracy" if "accuracy" in rows[0] else "micro_f1"
    out = Path(out)
    settings = {"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": 10, "text.parse_math": False}
    with rc_context(settings):
        figure = Figure(figsize=(7.2, 0.9 + 0.36 * len(rows)), layout="constrained", dpi=160)
        axes = figure.add_subplot()
        reference = next((row for row in rows if row["model"] == row["vs"]), None)
        if reference is not None:
            axes.axvline(100 * reference[metric], color="#5b6873", linewidth=1, linestyle=(0, (3, 3)), zorder=1)
        for place, row in enumerate(rows):
            _row(axes, place, row, metric)
        axes.set_yticks(range(len(rows)), [shorten(row["model"]) for row in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        n, groups = int(rows[0]["n"]), int(rows[0]["groups"])
        dashed = "; dashed: best single modality" if reference is not None else ""
        axes.set_xlabel(f"{NAMES[metric]} in %, 95 % intervals over {groups} groups, n = {n}{dashed}", fontsize=9)
        axes.grid(axis="x", color="#dfe3e6", linewidth=0.7, zorder=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        if title:
            axes.set_title(title, loc="left", fontweight="bold")
        memory = io.BytesIO()
        kind = out.suffix.removeprefix(".") or "svg"
        figure.savefig(memory, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    replace_bytes(out, memory.getvalue())


def panel(row: dict[str, Any]) -> str:
    """What colours a row: the one modality that it reads, `fusion`, `choice` or `baseline`."""
    if row["kind"] in ("baseline", "choice"):
        return row["kind"]
    return row["modalities"] if row["kind"] == "single" and row["modalities"] in COLOURS else "fusion"


def _row(axes, place: int, row: dict[str, Any], metric: str) -> None:
    value, low, high = row[metric], row[f"{metric}_low"], row[f"{metric}_high"]
    colour = COLOURS[panel(row)]
    end = value
    if low is not None and high is not None:
        axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2, solid_capstyle="round", zorder=2)
        end = high
    axes.plot([100 * value], [place], marker="s", markersize=6.5, color=colour, zorder=3)
    # Beside the whisker; on its other side where the axis ends.
    inside = 100 * end < 90
    axes.annotate(
        f"{100 * value:.1f}",
        (100 * (end if inside or low is None else low), place),
        xytext=(7 if inside else -7, 0),
        textcoords="offset points",
        va="center",
        ha="left" if inside else "right",
        fontsize=9,
        color="#1a242d",
    )
