"""The two distributions of a comparison of pairs, as a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.files import replace_bytes
from triptych.evaluate.confusion import shorten

MATCHED, MISMATCHED = "#3b6fb6", "#aab4bc"


def distributions(path: Path | str, parts: Sequence[tuple[str, Mapping[str, Any]]], axis: str) -> None:
    """Draw matched and mismatched pairs of each part as steps, one part above the other.

    The same numbers give the same bytes. Titles are data: nothing in them is read as mark-up or mathematics.

    Args:
        path: the SVG.
        parts: title, and what `match_scores.compare` gives; a part without distributions says why.
        axis: what is measured.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(6.4, 0.5 + 1.5 * max(1, len(parts))), layout="constrained")
        for place, (title, told) in enumerate(parts, start=1):
            axes = figure.add_subplot(len(parts), 1, place)
            axes.set_title(shorten(title, 70), loc="left", fontsize=9)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.set_yticks([])
            if "bars" not in told:
                axes.text(0.5, 0.5, told["why"], ha="center", va="center", transform=axes.transAxes)
                axes.set_xticks([])
                continue
            steps = told["bars"]
            axes.stairs(steps["mismatched"], steps["edges"], fill=True, color=MISMATCHED, label="mismatched")
            axes.stairs(steps["matched"], steps["edges"], color=MATCHED, linewidth=1.6, label="matched")
            for name, colour in (("mismatched", "#5b6873"), ("matched", MATCHED)):
                axes.axvline(told[name], color=colour, linewidth=1, linestyle=(0, (3, 2)))
            axes.margins(y=0.12)
            if place == 1:
                axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2)
            if place == len(parts):
                axes.set_xlabel(f"{axis}; share of the pairs; dashed: means")
        memory = io.BytesIO()
        figure.savefig(memory, format="svg", metadata={"Date": None, "Creator": "Triptych"})
    replace_bytes(path, memory.getvalue())
