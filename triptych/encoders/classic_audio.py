"""Sound without weights: statistics of log-mel, MFCC with deltas, spectral shape and of how all that moves in time.

Arrays:
    clip    (1, 588): over the active frames of the whole sound mean, deviation and percentiles 10, 25, 50, 75, 90 of
            MFCC, deltas, second deltas and spectral shape (7 x 76); then how it moves: modulation spectrum of
            8 mel bands in 6 bands of rate (48), strength and lag of its rhythm (3), bursts (5).
    window  (T, 280): the same sound in windows of 1 s each 0.5 s: mean, deviation and percentiles 10, 50, 90 of MFCC,
            deltas and spectral shape over the window's active frames.
    mel     (T, 40): mean log-mel energies of the same windows.

A frame is active when its energy is within `active_db` of the loudest frame's and above -80 dB of full scale: what
editors pad with digital silence says nothing of the sound. Windows without active frames have no row.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import spectral
from triptych.encoders.base import Encoded, ModelCard, Param, Sound

VERSION = "1"

SILENCE = 1e-4
FRAME_RATE = 16_000 / spectral.HOP
#: Percentiles over the clip, and over a window.
CLIP_PERCENTILES = (10, 25, 50, 75, 90)
WINDOW_PERCENTILES = (10, 50, 90)
#: Frames of a modulation spectrum, its bands in Hz, and the mel bands that are joined for it.
MODULATION = 128
RATES = (0.5, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0)
JOINED = 5
#: Longer sounds are described by this many even excerpts.
EXCERPTS = 60

_SHAPE = len(spectral.SHAPE_NAMES)
_CLIP = (3 * spectral.COEFFICIENTS + _SHAPE) * (2 + len(CLIP_PERCENTILES))
_MOVES = spectral.BANDS // JOINED * (len(RATES) - 1) + 3 + 5
_WINDOW = (2 * spectral.COEFFICIENTS + _SHAPE) * (2 + len(WINDOW_PERCENTILES))

CARD = ModelCard(
    name="classic-audio",
    modality="audio",
    arrays={"clip": _CLIP + _MOVES, "window": _WINDOW, "mel": spectral.BANDS},
    revision="none",
    licence="MIT",
    source="Davis and Mermelstein 1980; Peeters 2004; Jiang et al. 2002; numpy and scipy only",
    version=VERSION,
    parameters={
        "window": Param(1.0, "seconds of a window", low=0.1, high=60),
        "hop": Param(0.5, "seconds from window to window", low=0.05, high=60),
        "active_db": Param(50.0, "frames further below the loudest one, in dB, are left out", low=10, high=100),
        "max_seconds": Param(600.0, "longer sounds are described by 60 even excerpts that sum to this", low=60),
    },
)


class ClassicAudio:
    """The encoder; nothing to load."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params

    def load(self, device: str) -> None:
        """Nothing: there are no weights."""

    def encode(self, batch: Sequence[Sound]) -> list[Encoded]:
        """Arrays `clip`, `window` and `mel` of each sound; `absent: silent` when no frame is active."""
        return [self._one(sound) for sound in batch]

    def _one(self, sound: Sound) -> Encoded:
        if sound.rate != 16_000:
            raise ValueError(f"{sound.video}: classic-audio reads 16 kHz, not {sound.rate} Hz")
        pieces = excerpts(sound.samples, float(self.params["max_seconds"]))
        described = [spectral.describe(samples) for _, samples in pieces]
        loudest = max(frames.rms.max() for frames in described)
        floor = max(loudest * 10 ** (-float(self.params["active_db"]) / 20), SILENCE)
        active = [frames.rms > floor for frames in described]
        if not any(mask.any() for mask in active):
            return Encoded(outcome=Outcome("absent", "silent", "the sound track is silent"))
        length = len(sound.samples) / sound.rate
        clip = np.concatenate([_whole(described, active), moves(described, active)])
        arrays = {"clip": clip[None].astype(np.float32)}
        times = {"clip": np.array([[sound.start, sound.start + length]])}
        rows, mels, spans = [], [], []
        for (offset, samples), frames, mask in zip(pieces, described, active, strict=True):
            for start, end in self._windows(len(frames.rms)):
                chosen = mask[start:end]
                if chosen.any():
                    rows.append(_window(frames, slice(start, end), chosen))
                    mels.append(frames.mel[start:end][chosen].mean(axis=0))
                    last = min((end - 1) * spectral.HOP + spectral.WINDOW, len(samples))
                    seconds = np.array([start * spectral.HOP, last]) / sound.rate
                    spans.append(sound.start + offset + seconds)
        arrays |= {"window": np.array(rows, np.float32), "mel": np.array(mels, np.float32)}
        times |= {"window": np.array(spans), "mel": np.array(spans)}
        return Encoded(arrays, times)

    def _windows(self, count: int) -> list[tuple[int, int]]:
        """Windows over `count` frames; the last one may be shorter, but not below half a window unless it is alone."""
        size = max(1, round(float(self.params["window"]) * FRAME_RATE))
        hop = max(1, round(float(self.params["hop"]) * FRAME_RATE))
        starts = [start for start in range(0, count, hop) if start == 0 or start + size // 2 <= count]
        spans = [(start, min(start + size, count)) for start in starts]
        # A window that ends where the one before it ended says nothing new.
        return [span for number, span in enumerate(spans) if number == 0 or span[1] > spans[number - 1][1]]


def excerpts(samples: np.ndarray, most: float, rate: int = 16_000) -> list[tuple[float, np.ndarray]]:
    """The sound as (offset in s, samples): whole, or `EXCERPTS` even parts that sum to `most` seconds."""
    if len(samples) <= most * rate:
        return [(0.0, samples)]
    length = int(most * rate / EXCERPTS)
    starts = np.linspace(0, len(samples) - length, EXCERPTS).astype(int)
    return [(start / rate, samples[start : start + length]) for start in starts]


def statistics(values: np.ndarray, percentiles: tuple[int, ...]) -> np.ndarray:
    """Mean, deviation and percentiles of the columns of (n, d), one after another: ((2 + p) * d,)."""
    return np.concatenate([values.mean(axis=0), values.std(axis=0), *np.percentile(values, percentiles, axis=0)])


def _whole(described: list[spectral.Frames], active: list[np.ndarray]) -> np.ndarray:
    parts = []
    for name in ("mfcc", "delta", "delta2", "shape"):
        pairs = zip(described, active, strict=True)
        values = np.concatenate([getattr(frames, name)[mask] for frames, mask in pairs])
        parts.append(statistics(values, CLIP_PERCENTILES))
    return np.concatenate(parts)


def _window(frames: spectral.Frames, span: slice, active: np.ndarray) -> np.ndarray:
    described = (frames.mfcc, frames.delta, frames.shape)
    return np.concatenate([statistics(values[span][active], WINDOW_PERCENTILES) for values in described])


def moves(described: list[spectral.Frames], active: list[np.ndarray]) -> np.ndarray:
    """How a sound moves: modulation spectrum, rhythm and bursts; (8 x 6 + 3 + 5,) values."""
    loudest = max(frames.mel.max() for frames in described)
    bands = []
    for frames, mask in zip(described, active, strict=True):
        if mask.any():
            first, last = np.flatnonzero(mask)[[0, -1]]
            mel = np.maximum(frames.mel[first : last + 1], loudest - 12.0)
            bands.append(mel.reshape(len(mel), -1, JOINED).mean(axis=2))
    return np.concatenate([_modulation(bands), _rhythm(bands), _bursts(described, active)])


def _modulation(bands: list[np.ndarray]) -> np.ndarray:
    """Log power of each joined band's course in each band of `RATES`, averaged over half-overlapping segments."""
    spectra = []
    rates = np.arange(MODULATION // 2 + 1) * FRAME_RATE / MODULATION
    window = np.hanning(MODULATION)[None, :, None]
    for band in bands:
        if len(band) < MODULATION:
            mode = "reflect" if len(band) > MODULATION // 2 + 1 else "edge"
            band = np.pad(band, ((0, MODULATION - len(band)), (0, 0)), mode=mode)
        starts = range(0, len(band) - MODULATION + 1, MODULATION // 2)
        segments = np.stack([band[start : start + MODULATION] for start in starts])
        segments = segments - segments.mean(axis=1, keepdims=True)
        power = np.abs(np.fft.rfft(segments * window, axis=1)) ** 2 / MODULATION
        spectra.append(
            np.stack(
                [power[:, (rates >= low) & (rates < high)].mean(axis=1) for low, high in itertools.pairwise(RATES)], 1
            )
        )
    return np.log(np.concatenate(spectra).mean(axis=0) + 1e-3).ravel()


def _rhythm(bands: list[np.ndarray]) -> np.ndarray:
    """Autocorrelation of the onsets: its peak from 0.1 to 1.1 s, the lag of that in s, and its peak below 0.1 s."""
    from scipy.signal import correlate

    total = np.zeros(110)
    for band in bands:
        onset = np.maximum(np.diff(band, axis=0), 0.0).mean(axis=1)
        if len(onset) > 1:
            onset = onset - onset.mean()
            lags = correlate(onset, onset, mode="full")[len(onset) - 1 :][:110]
            total[: len(lags)] += lags
    if total[0] <= 0:
        return np.zeros(3)
    total = total / total[0]
    slow = total[10:]
    return np.array([slow.max(), (10 + slow.argmax()) / FRAME_RATE, total[3:10].max()])


def _bursts(described: list[spectral.Frames], active: list[np.ndarray]) -> np.ndarray:
    """Share of active frames, bursts a second, log of their mean length and its deviation, peak over mean energy."""
    lengths: list[int] = []
    for mask in active:
        edges = np.diff(np.concatenate([[0], mask.astype(int), [0]]))
        lengths.extend(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1))
    frames = sum(len(mask) for mask in active)
    energy = spectral.SHAPE_NAMES.index("energy")
    loud = np.concatenate([one.shape[mask, energy] for one, mask in zip(described, active, strict=True)])
    return np.array(
        [
            sum(mask.sum() for mask in active) / frames,
            len(lengths) / frames * FRAME_RATE,
            np.log(np.mean(lengths) + 1),
            np.log(np.std(lengths) + 1),
            loud.max() - loud.mean(),
        ]
    )
