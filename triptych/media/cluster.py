"""Choosing keyframes: a small colour and texture description of each candidate, and k-means over them.

Nothing here depends on the number of threads: sums run in numpy's own loops, not in a threaded BLAS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Side of the square thumbnail that is described.
SIDE = 64
#: Two frames are the same to the eye when no value of their descriptions differs more (in units of CIE L*).
SAME = 0.5
#: A frame whose brightest cell has a lower L* is black.
DARK = 4.0

_LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
)
# sRGB to XYZ (D65), each row divided by the white point.
_XYZ = ((0.433953, 0.376219, 0.189828), (0.212671, 0.715160, 0.072169), (0.017758, 0.109477, 0.872766))


@dataclass(frozen=True)
class Choice:
    """Chosen candidates, in the order of the candidates (time).

    Attributes:
        indices: (n,) candidate of each keyframe.
        weights: (n,) share of the candidates that it stands for; the sum is 1.
    """

    indices: np.ndarray
    weights: np.ndarray


def lab(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 sRGB as CIE L*a*b* (D65), float64."""
    red, green, blue = (_LINEAR[rgb[..., channel]] for channel in range(3))
    x, y, z = (_curve(row[0] * red + row[1] * green + row[2] * blue) for row in _XYZ)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _curve(value: np.ndarray) -> np.ndarray:
    return np.where(value > 216 / 24389, np.cbrt(value), (24389 / 27 * value + 16) / 116)


def describe(thumbnail: np.ndarray) -> tuple[np.ndarray, bool]:
    """Description of a thumbnail, and whether it is black.

    Mean colour (L*a*b*) of 8 x 8 cells, and mean steps of lightness in four directions in 4 x 4 cells.

    Args:
        thumbnail: (64, 64, 3) uint8 RGB.

    Returns:
        (256,) float64, and a flag.
    """
    values = lab(thumbnail)
    colour = values.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    light = values[..., 0]
    steps = np.zeros((SIDE, SIDE, 4))
    steps[:, 1:, 0] = np.abs(light[:, 1:] - light[:, :-1])
    steps[1:, :, 1] = np.abs(light[1:] - light[:-1])
    steps[1:, 1:, 2] = np.abs(light[1:, 1:] - light[:-1, :-1])
    steps[1:, 1:, 3] = np.abs(light[1:, :-1] - light[:-1, 1:])
    texture = steps.reshape(4, 16, 4, 16, 4).mean(axis=(1, 3))
    return np.concatenate([colour.ravel(), texture.ravel()]), bool(colour[..., 0].max() < DARK)


def choose(features: np.ndarray, usable: np.ndarray, count: int, seed: int) -> Choice:
    """The candidates nearest to the centroids of a k-means, each different to the eye from the others.

    Args:
        features: (M, D) descriptions in the order of time, M at least 1.
        usable: (M,) False for black and corrupt candidates; they are left out unless all are.
        count: clusters.
        seed: of the k-means.

    Returns:
        At most `count` candidates, at least one.
    """
    kept = np.flatnonzero(usable) if usable.any() else np.arange(len(features))
    points = np.ascontiguousarray(features[kept], dtype=np.float64)
    labels, centres = kmeans(points, min(count, len(points)), seed)
    gaps = ((points - centres[labels]) ** 2).sum(axis=1)
    chosen: list[int] = []
    shares: list[int] = []
    for cluster in range(len(centres)):
        members = np.flatnonzero(labels == cluster)
        chosen.append(int(members[np.argmin(gaps[members])]))
        shares.append(len(members))
    order = np.argsort(chosen)
    distinct: list[int] = []
    weight: list[int] = []
    for position in order:
        candidate = chosen[position]
        twin = next((at for at, one in enumerate(distinct) if _same(points[one], points[candidate])), None)
        if twin is None:
            distinct.append(candidate)
            weight.append(shares[position])
        else:
            weight[twin] += shares[position]
    return Choice(kept[distinct], np.asarray(weight, dtype=np.float64) / len(points))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() < SAME)


def kmeans(points: np.ndarray, count: int, seed: int, rounds: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's k-means from greedy k-means++ seeds (Arthur and Vassilvitskii 2007); no cluster ends empty.

    Args:
        points: (N, D) float64, N at least `count`.
        count: clusters wanted; fewer when fewer points differ.
        seed: of the random seeds.
        rounds: most iterations.

    Returns:
        Labels (N,) and centroids (K, D), K <= count.
    """
    generator = np.random.default_rng(seed)
    norms = np.einsum("nd,nd->n", points, points)
    centres = _seeds(points, norms, count, generator)
    labels = np.full(len(points), -1)
    for _ in range(rounds):
        gaps = _gaps(points, norms, centres)
        nearest = gaps.argmin(axis=1)
        _fill(nearest, gaps, len(centres))
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        centres = np.stack([points[labels == cluster].mean(axis=0) for cluster in range(len(centres))])
    return labels, centres


def _gaps(points: np.ndarray, norms: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, K) squared distances."""
    cross = np.einsum("nd,kd->nk", points, centres)
    return np.maximum(norms[:, None] - 2 * cross + np.einsum("kd,kd->k", centres, centres)[None], 0)


def _seeds(points: np.ndarray, norms: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """First centroids: each the best of a few draws with probability proportional to the squared distance."""
    first = int(generator.integers(len(points)))
    chosen = [first]
    nearest = _gaps(points, norms, points[[first]])[:, 0]
    trials = 2 + int(np.log(max(2, count)))
    while len(chosen) < count:
        nearest[chosen] = 0.0
        total = np.cumsum(nearest)
        if total[-1] <= 1e-9:
            break
        draws = np.searchsorted(total, generator.random(trials) * total[-1], side="right").clip(max=len(points) - 1)
        gaps = np.minimum(nearest[:, None], _gaps(points, norms, points[draws]))
        best = int(gaps.sum(axis=0).argmin())
        chosen.append(int(draws[best]))
        nearest = gaps[:, best]
    return points[chosen]


def _fill(labels: np.ndarray, gaps: np.ndarray, count: int) -> None:
    """Give each empty cluster the point that is worst off where it is, in place."""
    sizes = np.bincount(labels, minlength=count)
    for cluster in np.flatnonzero(sizes == 0):
        own = np.where(sizes[labels] > 1, gaps[np.arange(len(labels)), labels], -1.0)
        point = int(own.argmax())
        sizes[labels[point]] -= 1
        labels[point] = cluster
        sizes[cluster] += 1
