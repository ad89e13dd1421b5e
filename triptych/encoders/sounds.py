"""What the encoders of sound share: silence, windows over a sound, names of classes and the likeliest of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders.base import Encoded, EncoderError, Sound

#: Samples that are looked at together for silence, and the root mean square below which they are silent (-80 dB of
#: full scale): the frames and the threshold of classic-audio, so that all encoders call the same sounds silent.
FRAME, HOP = 400, 160
SILENCE = 1e-4
#: Classes that a video's note lists.
LIKELIEST = 10

SILENT = Outcome("absent", "silent", "the sound track is silent")
TOO_SHORT = Outcome("absent", "too_short", "the sound is too short")


def unusable(sound: Sound, least: int = 1) -> Encoded | None:
    """The result for a sound that cannot be encoded: too short, or silent throughout; else None.

    Args:
        sound: of any length.
        least: samples that the network needs.

    Raises:
        ValueError: not 16 kHz.
    """
    if sound.rate != 16_000:
        raise ValueError(f"{sound.video}: the encoder reads 16 kHz, not {sound.rate} Hz")
    if len(sound.samples) < least:
        seconds = len(sound.samples) / sound.rate
        message = f"{seconds:.3f} s of sound; the network needs {least / sound.rate:.3f} s"
        return Encoded(outcome=Outcome("absent", TOO_SHORT.reason, message))
    return Encoded(outcome=SILENT) if silent(sound.samples) else None


def silent(samples: np.ndarray) -> bool:
    """Whether no frame of (n,) samples is louder than `SILENCE`; single parts may be silent in a sound that is not."""
    samples = np.asarray(samples, np.float32)
    if len(samples) < FRAME:
        samples = np.pad(samples, (0, FRAME - len(samples)))
    # Frames and their step are whole numbers of blocks of 80 samples: no frame is laid out in memory.
    block = gcd(FRAME, HOP)
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    energy = np.einsum("ij,ij->i", blocks, blocks)
    frames = np.lib.stride_tricks.sliding_window_view(energy, FRAME // block)[:: HOP // block]
    return bool(frames.sum(axis=1, dtype=np.float64).max() / FRAME <= SILENCE**2)


def stretches(samples: np.ndarray, patch: int, step: int, count: int, most: int) -> Iterator[np.ndarray]:
    """Parts of a sound that hold at most `most` of its `count` patches each, so that memory has a bound.

    Args:
        samples: (n,), padded to whole patches where the network pads.
        patch: samples of a patch.
        step: samples from patch to patch.
        count: patches of the whole sound.
        most: patches of a part.
    """
    for first in range(0, count, most):
        last = min(first + most, count) - 1
        yield samples[first * step : last * step + patch]


def windows(count: int, size: int, hop: int, most: int, least: int = 0) -> np.ndarray:
    """(n, 2) first and last sample of windows over `count` samples, all of the same length where the sound has it.

    The last window ends where the sound ends and may overlap the one before it by more than the others do; a sound that
    is shorter than a window is a window of its own. An end of less than `least` new samples has no window.

    Args:
        count: samples of the sound.
        size: of a window.
        hop: from window to window.
        most: of longer sounds so many windows, evenly chosen, are taken.
        least: new samples that are worth a window.
    """
    if count <= size:
        return np.array([[0, count]])
    starts = list(range(0, count - size + 1, hop))
    if count - (starts[-1] + size) > least:
        starts.append(count - size)
    if len(starts) > most:
        chosen = np.linspace(0, len(starts) - 1, most).round().astype(int)
        starts = [starts[number] for number in chosen]
    return np.stack([starts, np.array(starts) + size], axis=1)


def read_names(path: Path | str) -> list[str]:
    """Names of classes of a map such as `yamnet_class_map.csv`: columns `index` and `display_name`.

    Raises:
        EncoderError: not such a table.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        numbered = {int(row["index"]): row["display_name"].strip() for row in rows}
        return [numbered[number] for number in range(len(numbered))]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"{path} is no map of classes ({error!r}); it needs columns index and display_name"
        ) from error


def likeliest(scores: np.ndarray, names: Sequence[str] | Mapping[int, str], heading: str) -> dict[str, Any]:
    """Note of the classes with the highest mean score over a sound, best first.

    Args:
        scores: (T, classes).
        names: of the classes; one without a name is told by its number.
        heading: of the note in the report.
    """
    mean = scores.mean(axis=0, dtype=np.float64)
    best = np.argsort(-mean, kind="stable")[:LIKELIEST]
    known = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    return {heading: [[known.get(int(number), f"class {number}"), round(float(mean[number]), 4)] for number in best]}


def threads() -> int:
    """Threads that the job gave to numeric libraries; 1 when it told none."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else 1
