"""Even choices: which frames are shown at even times, and a clip of a fixed number of frames from more or fewer."""

from __future__ import annotations

import numpy as np


def shown_at(marks: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames that are on the screen in the middle of each of `number` equal spans of a video.

    The last frame is taken to last as long as the mean one. A video of at most `number` frames at a constant rate gives
    all of them; at a variable rate a frame that is shown long stands for several of the times.

    Args:
        marks: (N,) rising times of frames, in any unit.
        number: even times.

    Returns:
        Rising positions among the frames, each once, and at how many of the times each is shown.
    """
    if not len(marks):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    clock = np.asarray(marks, np.float64) - marks[0]
    length = clock[-1] * len(clock) / max(1, len(clock) - 1)
    middles = (np.arange(number) + 0.5) / number * length
    # A time that falls on the start of a frame, to rounding, belongs to that frame.
    positions = (np.searchsorted(clock, middles + 1e-9 * max(length, 1.0), side="right") - 1).clip(0)
    return np.unique(positions, return_counts=True)


def clip(number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Exactly `count` of `number` frames: fewer are repeated evenly in the order of time, more are thinned evenly.

    Returns:
        (count,) positions, and (count,) True for the first of each frame's repetitions, False for the others.
    """
    if number >= count:
        positions = np.linspace(0, number - 1, count).round().astype(np.int64)
    else:
        positions = np.arange(count) * number // count
    return positions, np.concatenate([[True], positions[1:] != positions[:-1]])
