"""Confusion matrices: counts and shares of the true class, as a table and as a picture.

With several labels a video counts in the row of each of its true labels: a cell tells how many videos with the row's
label were given the column's.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from triptych.core.files import replace_bytes, replace_text
from triptych.evaluate.guard import formula_safe
from triptych.evaluate.predictions import Predictions

#: Classes up to which cells carry their numbers.
NUMBERED = 20
LONGEST_NAME = 28


def counts(found: Predictions) -> np.ndarray:
    """Videos by true (rows) and decided class (columns), (K, K), mean over the repeats."""
    truth = found.truth.astype(float)
    return np.mean([truth.T @ repeat.decision.astype(float) for repeat in found.repeats], axis=0)


def shares(matrix: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Counts as shares of the videos of each true class (K, K); rows without videos are 0."""
    return matrix / np.maximum(support, 1)[:, None]


def write_csv(path: Path | str, found: Predictions, heads: tuple[str, str] = ("truth", "predicted")) -> None:
    """Write the matrix in long form: `truth, predicted, count, share`, a row for each pair of classes."""
    matrix = counts(found)
    part = shares(matrix, found.truth.sum(axis=0))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*heads, "count", "share"])
    for row, true in enumerate(found.classes):
        for column, decided in enumerate(found.classes):
            cells = [formula_safe(true), formula_safe(decided)]
            writer.writerow([*cells, f"{matrix[row, column]:.12g}", f"{part[row, column]:.6f}"])
    replace_text(path, out.getvalue())


def draw(
    path: Path | str, found: Predictions, title: str = "", axes_named: tuple[str, str] = ("true", "predicted")
) -> None:
    """Draw the matrix as an SVG: colour is the share of the true class, cells carry counts up to 20 classes.

    The same numbers give the same bytes. Class names are data: nothing in them is read as mark-up or mathematics.
    """
    import warnings

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    matrix = counts(found)
    part = shares(matrix, found.truth.sum(axis=0))
    size = len(found.classes)
    names = [shorten(name) for name in found.classes]
    cell = 0.62 if size <= 6 else 0.45 if size <= NUMBERED else 0.17
    font = 9 if size <= NUMBERED else 6.5
    margin = 0.075 * max(len(name) for name in names) * font / 9
    settings = {"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": font, "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():
        # Text stays text in the SVG: what shows it has the glyphs that the drawing font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(size * cell + margin + 1.7, size * cell + margin + 1.0), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(part, cmap="Blues", vmin=0, vmax=1, interpolation="none", aspect="equal")
        axes.set_xticks(range(size), names, rotation=90 if size > 6 else 40, ha="center" if size > 6 else "right")
        if size <= 6:
            for label in axes.get_xticklabels():
                label.set_rotation_mode("anchor")
        axes.set_yticks(range(size), names)
        axes.set_xlabel(axes_named[1])
        axes.set_ylabel(axes_named[0])
        axes.tick_params(length=0)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2 if size <= NUMBERED else 0.3)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        if size <= NUMBERED:
            for row, column in np.ndindex(size, size):
                shade = "white" if part[row, column] > 0.55 else "#8a97a3" if matrix[row, column] == 0 else "#1c2b36"
                axes.text(column, row, f"{matrix[row, column]:.3g}", ha="center", va="center", color=shade)
        bar = figure.colorbar(image, ax=axes, shrink=0.7 if size > 3 else 1.0, pad=0.02)
        bar.set_label(f"share of the {axes_named[0]} class")
        bar.outline.set_visible(False)
        if title:
            axes.set_title(title, loc="left")
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "Triptych"})
    replace_bytes(path, out.getvalue())


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line of at most `longest` characters; characters that do not print become a box."""
    shown = "".join(char if char.isprintable() else "\N{WHITE SQUARE}" for char in name)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
