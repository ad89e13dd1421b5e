"""Prints of pictures and sounds: short codes that a copy shares with its original, whatever way it was encoded.

A picture's print is the perceptual hash of its grey values: which of the 64 lowest frequencies of a cosine transform
are above their median. Dark bars at the edges are cut off first, so that a letterboxed copy has the same print; a
picture of one colour, or of next to nothing but bars, has none. Pictures of one kind (a person in front of a plain
wall) may share a print, so that the small grey picture goes with it, for a closer look.

A sound's prints are words of 32 bits, one each 64 ms: the signs of how the step of energy from one band to the next
changes with time (Haitsma and Kalker, A highly robust audio fingerprinting system, ISMIR 2002). Loudness cancels, and
coding moves few of the bits. Silence, and sound that does not change (hum, a steady tone), have none: what is left of
them is noise.
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np

#: Side of the small picture that is transformed, and how many low frequencies beside the mean are taken each way.
SIDE = 32
#: Side of the square in which bars are looked for.
MIDDLE = 128
#: Grey value up to which a row or a column at the edge is a dark bar.
BAR = 32
#: Share of the picture that must be left without its bars.
LEFT = 0.2
#: Spread of grey values (of 256) below which a picture is flat.
FLAT = 6.0
#: Samples a second of sounds, samples of a frame, and from frame to frame.
RATE = 16_000
WINDOW = 4096
HOP = 1024
#: Frequencies in Hz between which 33 bands lie, evenly in pitch.
LOW, HIGH = 300.0, 3000.0
BANDS = 33
#: Frames that a change is taken over.
LAG = 2
#: Root mean square below which a frame is silent (-60 dB of full scale).
SILENT = 1e-3
#: What counts of a band, as a share of the energy of the frame's loudest one: below lies the noise of coding.
DEPTH = 1e-5
#: Mean change in decibels below which a frame is steady.
STEADY = 1.0
#: Seconds of a sound that are read.
SECONDS = 900.0
#: Frames that are worked on at once.
BLOCK = 1024


def picture_print(jpeg: bytes) -> tuple[int, np.ndarray] | None:
    """Print of a picture, 64 bits, and the small grey picture that it was taken from; None when there is none.

    Args:
        jpeg: the picture as it is stored.

    Returns:
        The print, and (32, 32) uint8.
    """
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        # Decoded no larger than needed.
        image.draft("L", (MIDDLE, MIDDLE))
        middle = image.convert("L").resize((MIDDLE, MIDDLE), Image.Resampling.BOX)
    inner = without_bars(np.asarray(middle))
    if inner is None:
        return None
    small = np.asarray(Image.fromarray(inner).resize((SIDE, SIDE), Image.Resampling.BOX))
    if small.std() < FLAT:
        return None
    waves = _cosines()
    low = (waves @ small.astype(np.float64) @ waves.T).ravel()[_order()]
    return int(np.packbits(low > np.median(low)).view(">u8")[0]), small


def without_bars(grey: np.ndarray) -> np.ndarray | None:
    """(H, W) grey values without dark rows and columns at the edges; None when too little is left."""
    # Of a bar single pixels may be light (a channel's mark, noise of coding).
    rows = np.flatnonzero(np.quantile(grey, 0.95, axis=1) > BAR)
    columns = np.flatnonzero(np.quantile(grey, 0.95, axis=0) > BAR)
    if not len(rows) or not len(columns):
        return None
    inner = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(inner) if inner.size >= LEFT * grey.size else None


@cache
def _cosines() -> np.ndarray:
    """(12, 32) the lowest functions of the cosine transform."""
    place = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    return np.cos(np.arange(12)[:, None] * place)


@cache
def _order() -> np.ndarray:
    """(64,) places of the lowest frequencies in a (12, 12) transform but the mean, by the sum of both."""
    rows, columns = np.divmod(np.arange(144), 12)
    return np.lexsort([rows, rows + columns])[1:65]


def sound_prints(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prints of a sound.

    Args:
        samples: (n,) float32 in [-1, 1], mono at 16 kHz.

    Returns:
        (T,) uint32 words, one each 64 ms, and (T,) bool: whether the sound has something to tell there.
    """
    samples = samples[: int(SECONDS * RATE)]
    count = 1 + (len(samples) - WINDOW) // HOP if len(samples) >= WINDOW else 0
    if count <= LAG:
        return np.zeros(0, np.uint32), np.zeros(0, bool)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    hann, matrix = np.hanning(WINDOW).astype(np.float32), _bands()
    energy, loud = np.zeros((count, BANDS)), np.zeros(count)
    for start in range(0, count, BLOCK):
        block = frames[start : start + BLOCK]
        power = np.abs(np.fft.rfft(block * hann, axis=1)) ** 2
        energy[start : start + BLOCK] = power @ matrix
        loud[start : start + BLOCK] = np.sqrt(np.mean(block**2, axis=1, dtype=np.float64))
    decibels = 10 * np.log10(energy + DEPTH * energy.max(axis=1, keepdims=True) + 1e-12)
    steps = decibels[:, :-1] - decibels[:, 1:]
    change = steps[LAG:] - steps[:-LAG]
    words = np.packbits(change > 0, axis=1).view(">u4").ravel().astype(np.uint32)
    told = (np.minimum(loud[LAG:], loud[:-LAG]) > SILENT) & (np.abs(change).mean(axis=1) > STEADY)
    return words, told


@cache
def _bands() -> np.ndarray:
    """(WINDOW / 2 + 1, 33) which frequencies belong to which band."""
    edges = LOW * (HIGH / LOW) ** (np.arange(BANDS + 1) / BANDS)
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
    return ((frequencies[:, None] >= edges[:-1]) & (frequencies[:, None] < edges[1:])).astype(np.float64)
