"""The picture of a mapping: a matrix of sources and targets for each method; colour is recall above permuted pairs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import replace_bytes
from triptych.evaluate.confusion import shorten

#: Most matrices side by side.
ACROSS = 3
#: Features up to which cells carry their numbers.
NUMBERED = 8


def excess(told: Mapping[str, Any], method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of sources (rows) and targets (columns): recall at 1, the same above permuted pairs, and p; NaN without."""
    names = list(told["features"])
    recall, above, p = (np.full((len(names), len(names)), np.nan) for _ in range(3))
    for pair in told["pairs"]:
        facts = pair["methods"].get(method)
        if facts is None or not facts["permuted"]:
            continue
        place = names.index(pair["source"]), names.index(pair["target"])
        recall[place] = facts["scores"]["r1"]["value"]
        above[place] = recall[place] - facts["permuted"]["r1"]["mean"]
        p[place] = facts["permuted"]["r1"]["p"]
    return recall, above, p


def draw(path: Path | str, told: Mapping[str, Any], title: str = "") -> None:
    """Draw what `mapping.measure` tells as an SVG. The same numbers give the same bytes."""
    import warnings

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    methods, names = list(told["methods"]), [shorten(name, 18) for name in told["features"]]
    found = {method: excess(told, method) for method in methods}
    top = max([0.1, *(float(np.nanmax(one[1])) for one in found.values() if np.isfinite(one[1]).any())])
    across, down = min(ACROSS, len(methods)), -(-len(methods) // ACROSS)
    side = (0.62 if len(names) <= NUMBERED else 0.3) * len(names)
    margin = 0.075 * max(map(len, names))
    settings = {"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        size = (across * (side + margin + 0.5) + 1.0, down * (side + margin + 0.7) + 0.8)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(down, across, squeeze=False)
        image = None
        for place, axes in enumerate(grid.flat):
            if place >= len(methods):
                axes.set_axis_off()
                continue
            recall, above, p = found[methods[place]]
            image = axes.imshow(above, cmap="RdBu", vmin=-top, vmax=top, interpolation="none", aspect="equal")
            axes.set_title(methods[place], loc="left")
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_yticks(range(len(names)), names if place % across == 0 else [""] * len(names))
            axes.set_xlabel("target")
            if place % across == 0:
                axes.set_ylabel("source")
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            for row, column in np.ndindex(*above.shape) if len(names) <= NUMBERED else ():
                if np.isfinite(above[row, column]):
                    star = "*" if p[row, column] <= 0.05 else ""
                    shade = "white" if abs(above[row, column]) > 0.6 * top else "#1c2b36"
                    number = f"{100 * recall[row, column]:.0f}{star}"
                    axes.text(column, row, number, ha="center", va="center", color=shade)
        bar = figure.colorbar(image, ax=grid, shrink=0.8, pad=0.02)
        bar.set_label("recall at 1 above permuted pairs")
        bar.outline.set_visible(False)
        if title:
            figure.suptitle(title, x=0.01, ha="left")
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "Triptych"})
    replace_bytes(path, out.getvalue())
