"""Descriptors of sound, frame by frame: log-mel, MFCC with deltas, spectral shape, zero crossings, energy.

Formulas. Mel scale of O'Shaughnessy (1987), mel = 2595 log10(1 + f/700), triangular filters with unit peaks. MFCC
after Davis and Mermelstein (1980): orthonormal DCT-II of the log-mel energies. Deltas: the regression over +-`width`
frames of the HTK book, sum_n n (c[t+n] - c[t-n]) / (2 sum_n n^2), edges repeated. Spectral shape after Peeters, "A
large set of audio features" (CUIDADO, 2004); contrast after Jiang et al., "Music type classification by spectral
contrast feature" (ICME 2002): the mean of the strongest fifth against that of the weakest fifth of the bins of each
octave band.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

WINDOW = 400
HOP = 160
FFT = 512
BANDS = 40
COEFFICIENTS = 20
#: Frames that are worked on at once.
BLOCK = 4096
#: Edges in Hz of the bands of spectral contrast.
OCTAVES = (0.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, 8000.0)
#: Smallest power that is told from silence (-100 dB of full scale).
FLOOR = 1e-10

SHAPE_NAMES = (
    "centroid",
    "bandwidth",
    "rolloff_25",
    "rolloff_85",
    "flatness",
    "entropy",
    "flux",
    "zero_crossings",
    "energy",
    *(f"contrast_{int(low)}" for low in OCTAVES[:-1]),
)


@dataclass(frozen=True)
class Frames:
    """Descriptors of a sound, a row a frame of `WINDOW` samples each `HOP` samples.

    Attributes:
        mel: (n, BANDS) natural logarithm of mel energies.
        mfcc: (n, COEFFICIENTS).
        delta: (n, COEFFICIENTS) first differences a frame.
        delta2: (n, COEFFICIENTS) second differences.
        shape: (n, len(SHAPE_NAMES)).
        rms: (n,) root mean square of the samples.
    """

    mel: np.ndarray
    mfcc: np.ndarray
    delta: np.ndarray
    delta2: np.ndarray
    shape: np.ndarray
    rms: np.ndarray


def describe(samples: np.ndarray, rate: int = 16_000) -> Frames:
    """Describe (n,) float samples in [-1, 1]; sounds shorter than a frame are padded with zeros to one.

    Memory beyond the result is bounded: frames are worked on in blocks, each with the frame before it for the flux.
    """
    pieces = framed(samples)
    mels, shapes, energies = [], [], []
    for start in range(0, len(pieces), BLOCK):
        before = min(start, 1)
        block = pieces[start - before : start + BLOCK]
        power = spectrum(block)
        rms = np.sqrt((block**2).mean(axis=1))
        mels.append(np.log(power @ mel_filters(rate).T + FLOOR)[before:])
        shapes.append(shape_of(power, block, rms, rate)[before:])
        energies.append(rms[before:])
    mel = np.concatenate(mels)
    mfcc = dct(mel)[:, :COEFFICIENTS]
    delta = deltas(mfcc)
    return Frames(mel, mfcc, delta, deltas(delta), np.concatenate(shapes), np.concatenate(energies))


def framed(samples: np.ndarray) -> np.ndarray:
    """(n, WINDOW) float64 overlapping frames."""
    samples = np.asarray(samples, dtype=np.float64)
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]


def spectrum(pieces: np.ndarray) -> np.ndarray:
    """(n, FFT/2+1) power of Hann-windowed frames; scaled so that a full-scale sine peaks at 1/4."""
    from scipy.fft import rfft

    window = np.hanning(WINDOW + 1)[:-1]
    return np.abs(rfft(pieces * window, FFT, axis=1)) ** 2 / np.sum(window) ** 2


def hz_to_mel(hz):
    """Mel of a frequency in Hz."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel):
    """Frequency in Hz of a mel."""
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


@cache
def mel_filters(rate: int, bands: int = BANDS, low: float = 20.0) -> np.ndarray:
    """(bands, FFT/2+1) triangular filters from `low` Hz to half the rate, evenly spaced in mel, each of unit peak."""
    edges = mel_to_hz(np.linspace(hz_to_mel(low), hz_to_mel(rate / 2), bands + 2))
    bins = np.arange(FFT // 2 + 1) * rate / FFT
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    # The lowest bands are narrower than a bin: such a filter takes the bin nearest to its centre.
    for number in np.flatnonzero(filters.sum(axis=1) == 0):
        filters[number, np.argmin(np.abs(bins - centre[number]))] = 1.0
    filters.setflags(write=False)
    return filters


def dct(values: np.ndarray) -> np.ndarray:
    """Orthonormal DCT-II along the last axis."""
    from scipy.fft import dct as transform

    return transform(values, type=2, norm="ortho", axis=-1)


def deltas(values: np.ndarray, width: int = 2) -> np.ndarray:
    """Regression slope a frame over +-`width` frames of (n, d) values; edges are repeated."""
    count = len(values)
    padded = np.pad(values, ((width, width), (0, 0)), mode="edge")
    total = sum(
        step * (padded[width + step : width + step + count] - padded[width - step : width - step + count])
        for step in range(1, width + 1)
    )
    return total / (2 * sum(step * step for step in range(1, width + 1)))


def shape_of(power: np.ndarray, pieces: np.ndarray, rms: np.ndarray, rate: int) -> np.ndarray:
    """(n, len(SHAPE_NAMES)) spectral shape; frequencies as fractions of half the rate, energy in natural log."""
    floored = power + FLOOR / power.shape[1]
    share = floored / floored.sum(axis=1, keepdims=True)
    places = np.linspace(0.0, 1.0, power.shape[1])
    centroid = share @ places
    bandwidth = np.sqrt(np.maximum(share @ places**2 - centroid**2, 0.0))
    risen = np.cumsum(share, axis=1)
    rolloff = [places[np.argmax(risen >= part, axis=1)] for part in (0.25, 0.85)]
    logs = np.log(floored)
    flatness = np.exp(logs.mean(axis=1)) / floored.mean(axis=1)
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(power.shape[1])
    root = np.sqrt(share)
    flux = np.concatenate([[0.0], np.sqrt(((root[1:] - root[:-1]) ** 2).sum(axis=1))])
    crossings = (np.diff(np.signbit(pieces), axis=1) != 0).mean(axis=1)
    energy = np.log(rms**2 + FLOOR)
    columns = [centroid, bandwidth, *rolloff, flatness, entropy, flux, crossings, energy, *_contrast(logs, rate)]
    return np.stack(columns, axis=1)


def _contrast(logs: np.ndarray, rate: int) -> list[np.ndarray]:
    """Peaks against valleys of each octave band, in natural log."""
    bins = np.arange(logs.shape[1]) * rate / (2 * (logs.shape[1] - 1))
    found = []
    for low, high in itertools.pairwise(OCTAVES):
        band = np.sort(logs[:, (bins >= low) & (bins <= high)], axis=1)
        few = max(1, round(0.2 * band.shape[1]))
        found.append(band[:, -few:].mean(axis=1) - band[:, :few].mean(axis=1))
    return found
