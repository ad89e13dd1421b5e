"""Descriptors of a picture: colour, texture and edges; and of the motion between two small grey pictures.

Methods: colour histograms in HSV (Swain and Ballard 1991), moments in Lab; local binary patterns, uniform, 8 neighbours
(Ojala, Pietikainen, Maenpaa 2002); oriented gradients in cells with clipped L2 norm (Dalal and Triggs 2005); Gabor
energies (Manjunath and Ma 1996); Canny edge density; variance of the Laplacian as sharpness (Pech-Pacheco et al. 2000);
colourfulness (Hasler and Suesstrunk 2003); dense optical flow (Farneback 2003).
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np

#: Short side in pixels at which pictures are described.
SIDE = 144
GRID = 4
HUES, SATURATIONS, VALUES = 12, 3, 3
GRADIENTS = 9
GABOR_SCALES = (4.0, 8.0, 16.0)
GABOR_ANGLES = 4
RADIAL = 8
FLOW_ANGLES = 8

COLOUR = HUES * SATURATIONS * VALUES + 9 + GRID * GRID * 6 + 1
TEXTURE = 59 * 2 + GABOR_ANGLES * len(GABOR_SCALES) * 2 + RADIAL + 2
EDGES = GRID * GRID * GRADIENTS + GRID * GRID + 2
PICTURE = COLOUR + TEXTURE + EDGES
MOTION = GRID * GRID + 4 + GRID * GRID + FLOW_ANGLES + 6


def picture(frame: np.ndarray) -> np.ndarray:
    """(PICTURE,) float32 descriptors of an (H, W, 3) uint8 RGB picture of any size."""
    import cv2

    small = _resized(frame)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return np.concatenate([colour(small), texture(grey), edges(grey)]).astype(np.float32)


def _resized(frame: np.ndarray) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    scale = SIDE / min(height, width)
    # Very long pictures are not blown up beyond 4:1.
    size = (max(16, min(round(width * scale), 4 * SIDE)), max(16, min(round(height * scale), 4 * SIDE)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def colour(small: np.ndarray) -> np.ndarray:
    """Joint HSV histogram (square roots of shares), Lab moments, Lab means and deviations in a grid, colourfulness."""
    import cv2

    half = cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(half, cv2.COLOR_RGB2HSV)
    bins = [HUES, SATURATIONS, VALUES]
    joint = cv2.calcHist([hsv], [0, 1, 2], None, bins, [0, 180, 0, 256, 0, 256]).ravel()
    lab = cv2.cvtColor(half.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB) / 100.0
    flat = lab.reshape(-1, 3)
    mean, deviation = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
    skew = np.cbrt(((flat - mean.astype(np.float32)) ** 3).mean(axis=0, dtype=np.float64))
    cells, squares = _means(lab), _means(lab * lab)
    spreads = np.sqrt(np.maximum(squares - cells * cells, 0.0))
    red, green, blue = (half[..., channel].astype(np.float32) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std()) + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
    parts = [np.sqrt(joint / joint.sum()), mean, deviation, skew, cells.ravel(), spreads.ravel(), [spread / 255.0]]
    return np.concatenate(parts)


def texture(grey: np.ndarray) -> np.ndarray:
    """Local binary patterns at distances 1 and 3, Gabor energies, radial spectrum, contrast and entropy of grey."""
    patterns = [_patterns(grey, distance) for distance in (1, 3)]
    share = np.bincount(grey.ravel() >> 3, minlength=32) / grey.size
    entropy = -np.sum(share * np.log(share + 1e-12)) / np.log(32)
    return np.concatenate([*patterns, _gabor(grey), _radial(grey), [grey.std() / 128.0, entropy]])


def edges(grey: np.ndarray) -> np.ndarray:
    """Oriented gradients in a grid, Canny edge density in a grid, sharpness and share of edges."""
    import cv2

    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    strength, angle = cv2.cartToPolar(across, down)
    bins = np.minimum((angle % np.pi) / np.pi * GRADIENTS, GRADIENTS - 1e-3).astype(np.int64)
    histograms = []
    for one, amount in zip(_cells(bins), _cells(strength), strict=True):
        histograms.append(np.bincount(one.ravel(), weights=amount.ravel(), minlength=GRADIENTS))
    oriented = np.concatenate(histograms)
    oriented = np.minimum(oriented / (np.linalg.norm(oriented) + 1e-6), 0.2)
    oriented = oriented / (np.linalg.norm(oriented) + 1e-6)
    drawn = cv2.Canny(grey, 80, 160) > 0
    density = _means(drawn.astype(np.float32)).ravel()
    sharpness = np.log1p(cv2.Laplacian(grey, cv2.CV_32F).var()) / 10.0
    return np.concatenate([oriented, density, [sharpness, drawn.mean()]])


def motion(thumbs: np.ndarray) -> np.ndarray:
    """(M - 1, MOTION) float32 descriptors of what changes from each to the next of (M, h, w) uint8 grey pictures.

    Mean absolute difference in a grid; mean, deviation, 90th percentile and signed mean of the difference; mean flow in
    a grid; directions of the flow weighted by its length; length (mean, deviation, 90th percentile), divergence of
    the flow (zoom), and its mean across and down. Lengths are pixels of the small picture.
    """
    import cv2

    rows = []
    for before, after in itertools.pairwise(thumbs):
        change = (after.astype(np.float32) - before.astype(np.float32)) / 255.0
        size = np.abs(change)
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 2, 9, 2, 5, 1.1, 0)
        length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
        bins = np.minimum(angle / (2 * np.pi) * FLOW_ANGLES, FLOW_ANGLES - 1e-3).astype(np.int64)
        directions = np.bincount(bins.ravel(), weights=length.ravel(), minlength=FLOW_ANGLES)
        zoom = np.gradient(flow[..., 0], axis=1) + np.gradient(flow[..., 1], axis=0)
        rows.append(
            np.concatenate(
                [
                    _means(size).ravel(),
                    [size.mean(), size.std(), np.percentile(size, 90), change.mean()],
                    _means(length).ravel(),
                    directions / (directions.sum() + 1e-6),
                    [length.mean(), length.std(), np.percentile(length, 90), zoom.mean()],
                    flow.mean(axis=(0, 1)),
                ]
            )
        )
    return np.array(rows, dtype=np.float32).reshape(-1, MOTION)


def _cells(values: np.ndarray) -> list[np.ndarray]:
    """The cells of a `GRID` x `GRID` grid over a picture, row by row."""
    return [cell for row in np.array_split(values, GRID, axis=0) for cell in np.array_split(row, GRID, axis=1)]


def _means(values: np.ndarray) -> np.ndarray:
    """(GRID, GRID, ...) means of float32 values over a grid; cells may share the pixels on their borders."""
    import cv2

    return cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA)


@cache
def _uniform() -> np.ndarray:
    """Code of 8 neighbours -> bin: the 58 codes of at most two changes around the circle, and one for all others."""
    table = np.full(256, 58, dtype=np.uint8)
    number = 0
    for code in range(256):
        around = [(code >> bit) & 1 for bit in range(8)]
        if sum(around[bit] != around[bit - 1] for bit in range(8)) <= 2:
            table[code] = number
            number += 1
    return table


def _patterns(grey: np.ndarray, distance: int) -> np.ndarray:
    """Histogram (square roots of shares) of uniform local binary patterns with 8 neighbours at a distance in pixels."""
    centre = grey[distance:-distance, distance:-distance]
    height, width = centre.shape
    code = np.zeros_like(centre)
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for bit, (row, column) in enumerate(around):
        top, left = row * distance, column * distance
        code |= (grey[top : top + height, left : left + width] >= centre).astype(np.uint8) << np.uint8(bit)
    return np.sqrt(np.bincount(_uniform()[code].ravel(), minlength=59) / code.size)


@cache
def _filters() -> tuple[tuple[float, tuple[np.ndarray, ...]], ...]:
    """Per wavelength in pixels: real Gabor filters of zero sum, one an angle."""
    import cv2

    found = []
    for wavelength in GABOR_SCALES:
        kernels = []
        for number in range(GABOR_ANGLES):
            # All scales are filtered at a wavelength of 4 pixels of a picture made smaller.
            angle = np.pi * number / GABOR_ANGLES
            kernel = cv2.getGaborKernel((11, 11), 2.0, angle, GABOR_SCALES[0], 0.7, 0.0, cv2.CV_32F)
            kernel -= kernel.mean()
            kernels.append(kernel / np.abs(kernel).sum())
        found.append((wavelength / GABOR_SCALES[0], tuple(kernels)))
    return tuple(found)


def _gabor(grey: np.ndarray) -> np.ndarray:
    """Mean and deviation of the size of the answers, by scale and angle."""
    import cv2

    values = []
    for scale, kernels in _filters():
        size = (max(8, round(grey.shape[1] / scale)), max(8, round(grey.shape[0] / scale)))
        scaled = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
        for kernel in kernels:
            answer = np.abs(cv2.filter2D(scaled, cv2.CV_32F, kernel))
            values += [answer.mean() * 10, answer.std() * 10]
    return np.array(values)


def _radial(grey: np.ndarray) -> np.ndarray:
    """Log power of the spectrum in rings of frequency, evenly spaced in octaves, of a 128 x 128 copy."""
    import cv2

    square = cv2.resize(grey, (128, 128), interpolation=cv2.INTER_AREA).astype(np.float64) / 255.0
    window = np.hanning(128)
    power = np.abs(np.fft.fft2((square - square.mean()) * window[:, None] * window[None, :])) ** 2
    rings = _rings()
    sums = np.bincount(rings.ravel(), weights=power.ravel(), minlength=RADIAL + 2)[1 : RADIAL + 1]
    counts = np.bincount(rings.ravel(), minlength=RADIAL + 2)[1 : RADIAL + 1]
    return np.log(sums / counts + 1e-4) / 10.0


@cache
def _rings() -> np.ndarray:
    """Ring of each frequency of a 128 x 128 spectrum, from 1 to `RADIAL`; 0 is the mean, beyond are the corners."""
    rows = np.minimum(np.arange(128), 128 - np.arange(128))
    radius = np.hypot(rows[:, None], rows[None, :])
    edges_ = np.geomspace(1.0, 64.0, RADIAL + 1)
    return np.digitize(radius, edges_)
