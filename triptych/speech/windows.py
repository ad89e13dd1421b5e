"""Cuts of a long sound: at its quietest places for models that write text, with overlaps for those that mark frames."""

from __future__ import annotations

import numpy as np

#: Seconds before the end of a window in which the quietest place is looked for.
SEARCH = 6.0
#: Seconds of sound whose loudness is compared.
STEP = 0.1


def quiet_cuts(samples: np.ndarray, rate: int, seconds: float) -> list[tuple[int, int]]:
    """Stretches of at most `seconds`, cut where the sound is quietest near their ends, so that few words are cut.

    Args:
        samples: (n,) numbers.
        rate: samples a second.
        seconds: longest stretch.

    Returns:
        First and last (exclusive) sample of each; together they are the whole sound.
    """
    longest, step = int(seconds * rate), max(1, int(STEP * rate))
    found, start = [], 0
    while len(samples) - start > longest:
        first = start + max(step, longest - int(min(SEARCH, seconds / 2) * rate))
        near = samples[first : start + longest]
        blocks = near[: len(near) // step * step].reshape(-1, step).astype(np.float64)
        quietest = int(np.argmin((blocks**2).mean(axis=1)))
        end = first + quietest * step + step // 2
        found.append((start, end))
        start = end
    return [*found, (start, len(samples))] if len(samples) > start else found


def overlapping(length: int, window: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Windows of a sequence, and the part of each that counts: its middle, so that each element has a context.

    Args:
        length: of the sequence.
        window: elements of a window.
        overlap: elements at either side that belong to the neighbour; less than half a window.

    Returns:
        (first, last, first that counts, last that counts), last ones exclusive; what counts is the whole sequence.
    """
    step = window - 2 * overlap
    found, start = [], 0
    while True:
        last = min(start + window, length)
        is_last = last >= length
        found.append((start, last, start + overlap if start else 0, length if is_last else last - overlap))
        if is_last:
            return found
        start += step
