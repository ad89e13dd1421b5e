"""Balancing of classes inside a training fold: which rows are trained on, how often, and with which weight.

Only indices are made, and only of training rows: resampling before the split puts copies of one video on both sides
(random labels then score .95).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from triptych.core.files import replace_bytes


def resample(targets: np.ndarray, seed: int) -> np.ndarray:
    """Indices of `under+over`: each class gets as many rows as the median class has.

    Larger classes lose random rows; smaller ones keep theirs and repeat random ones (with replacement). With several
    labels a row counts for its rarest one, so that drawing it serves that label.

    Args:
        targets: (n, K) bool classes of the training rows.
        seed: of the draw.

    Returns:
        Sorted indices into the rows.
    """
    counts = targets.sum(axis=0)
    # The rarest label of each row; rows without any label keep to themselves.
    rarity = np.where(targets, counts, np.iinfo(np.int64).max)
    own = np.where(targets.any(axis=1), rarity.argmin(axis=1), -1)
    sizes = {int(one): int((own == one).sum()) for one in np.unique(own) if one >= 0}
    goal = int(np.ceil(np.median(list(sizes.values()))))
    random = np.random.default_rng(seed)
    chosen = [np.flatnonzero(own == -1)]
    for one, size in sorted(sizes.items()):
        rows = np.flatnonzero(own == one)
        if size > goal:
            chosen.append(random.choice(rows, goal, replace=False))
        else:
            chosen.extend([rows, random.choice(rows, goal - size, replace=True)])
    return np.sort(np.concatenate(chosen)).astype(int)


def class_weights(targets: np.ndarray) -> np.ndarray:
    """Weight of each row so that all classes weigh the same: n / (K n_c); several labels give their mean (n,)."""
    counts = targets.sum(axis=0)
    per_class = np.where(counts > 0, len(targets) / (max(1, int((counts > 0).sum())) * np.maximum(counts, 1)), 0.0)
    of_row = targets.sum(axis=1)
    return np.where(of_row > 0, targets @ per_class / np.maximum(of_row, 1), 1.0)


def counted(targets: np.ndarray, classes: Sequence[str], weights: np.ndarray | None = None) -> dict[str, float]:
    """Rows (or their weights) of each class."""
    sums = targets.sum(axis=0) if weights is None else np.round((targets * weights[:, None]).sum(axis=0), 6)
    return {name: float(value) for name, value in zip(classes, sums, strict=True)}


def mean_of(folds: Sequence[Mapping], key: str) -> dict[str, float]:
    """Mean over folds of the distributions `before` or `after`."""
    names = folds[0][key]
    return {name: float(np.mean([fold[key][name] for fold in folds])) for name in names}


def draw(before: Mapping[str, float], after: Mapping[str, float], path_svg: Path | str, title: str = "") -> None:
    """Draw the label distribution of a training fold before and after balancing, as an SVG.

    Args:
        before: class -> videos.
        after: class -> videos or weights, the same classes.
        path_svg: where to write; whole or not at all, the same bytes for the same numbers.
        title: a line above the picture.
    """
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = sorted(before, key=lambda name: (-before[name], name))
    place = np.arange(len(names))
    with rc_context({"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(6.4, max(1.8, 0.9 + 0.34 * len(names))), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(place - 0.2, [before[name] for name in names], 0.38, label="before", color="#b8c4ce")
        axes.barh(place + 0.2, [after[name] for name in names], 0.38, label="after", color="#1f6f8b")
        for shift, values in ((-0.2, before), (0.2, after)):
            for index, name in enumerate(names):
                axes.annotate(
                    f"{values[name]:.4g}",
                    (values[name], index + shift),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                )
        axes.set_yticks(place, [name if len(name) <= 40 else name[:39] + "…" for name in names])
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel("training videos a fold (mean)")
        axes.spines[["top", "right"]].set_visible(False)
        # Above the bars: inside, the legend would lie on them where classes are nearly equal.
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
        if title:
            axes.set_title(title, loc="left")
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    replace_bytes(path_svg, out.getvalue())
