"""Log-mel front ends of YAMNet and VGGish, in numpy and scipy: what the networks see of a sound.

Both (tensorflow/models, research/audioset, `features.py` and `mel_features.py`): 16 kHz mono in [-1, 1], magnitude
(not power) of the short-time Fourier transform in frames of 400 samples each 160 under a periodic Hann window, FFT of
512; 64 triangular filters on the HTK mel scale, 1127 ln(1 + f/700), from 125 to 7500 Hz, none at frequency 0; natural
logarithm of the energy plus an offset. A patch is 96 frames. They differ in the offset, in the step from patch to
patch, and at the end of a sound: YAMNet pads it with zeros to whole steps, VGGish drops what does not fill a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

RATE = 16_000
WINDOW = 400
HOP = 160
FFT = 512
BANDS = 64
LOW, HIGH = 125.0, 7500.0
#: Frames of a patch, and the samples that they are computed from.
FRAMES = 96
PATCH = WINDOW + (FRAMES - 1) * HOP
#: Frames that are worked on at once.
BLOCK = 4096


@dataclass(frozen=True)
class FrontEnd:
    """How a sound becomes patches.

    Attributes:
        offset: added to mel energies before the logarithm.
        step: frames from patch to patch.
        pads: the end of a sound is padded with zeros to a whole patch, else dropped.
    """

    offset: float
    step: int
    pads: bool

    def count(self, samples: int) -> int:
        """Number of patches of a sound of so many samples."""
        if self.pads:
            return 1 + -(-max(0, samples - PATCH) // (self.step * HOP))
        return 0 if samples < PATCH else 1 + (samples - PATCH) // (self.step * HOP)

    def padded(self, samples: np.ndarray) -> np.ndarray:
        """The sound, with zeros to its last patch where the front end pads."""
        wanted = PATCH + (self.count(len(samples)) - 1) * self.step * HOP
        return np.pad(samples, (0, wanted - len(samples))) if self.pads and wanted > len(samples) else samples

    def log_mel(self, samples: np.ndarray) -> np.ndarray:
        """(n, 64) float32 of (N,) samples: all whole frames, n = 1 + (N - 400) // 160."""
        return np.log(mel_energies(samples) + self.offset).astype(np.float32)

    def patches(self, samples: np.ndarray) -> np.ndarray:
        """(count, 96, 64) float32 of (N,) samples."""
        found = self.log_mel(self.padded(samples))
        starts = self.step * np.arange(self.count(len(samples)))
        return found[starts[:, None] + np.arange(FRAMES)]

    def spans(self, samples: int, start: float = 0.0) -> np.ndarray:
        """(count, 2) seconds from which the patches are computed; padding is not counted."""
        first = np.arange(self.count(samples)) * self.step * HOP
        return start + np.stack([first, np.minimum(first + PATCH, max(samples, 1))], axis=1) / RATE


YAMNET = FrontEnd(offset=0.001, step=48, pads=True)
VGGISH = FrontEnd(offset=0.01, step=96, pads=False)


def mel_energies(samples: np.ndarray) -> np.ndarray:
    """(n, 64) float64 mel energies of the frames of (N,) samples at 16 kHz."""
    from scipy.fft import rfft

    samples = np.asarray(samples, dtype=np.float64)
    if len(samples) < WINDOW:
        return np.zeros((0, BANDS))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    blocks = (frames[start : start + BLOCK] * window for start in range(0, len(frames), BLOCK))
    return np.concatenate([np.abs(rfft(block, FFT, axis=1)) @ mel_filters() for block in blocks])


def hz_to_mel(hz):
    """Mel of a frequency in Hz, as the HTK book has it."""
    return 1127.0 * np.log(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


@cache
def mel_filters() -> np.ndarray:
    """(257, 64) weights of the bins of the spectrum in each band: triangles in mel, of unit peak."""
    bins = hz_to_mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    edges = np.linspace(hz_to_mel(LOW), hz_to_mel(HIGH), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    weights[0] = 0.0
    weights.setflags(write=False)
    return weights
