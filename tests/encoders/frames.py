"""Frames of noise, as a video's stored ones."""

import numpy as np

from triptych.encoders import base


def pictures(count: int, seed: int = 0, video: str = "a", height: int = 72, width: int = 96) -> base.Pictures:
    """Smooth coloured noise, so that resizing does not average it to grey."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, height // 12, width // 12, 3), dtype=np.uint8)
    frames = [np.kron(one, np.ones((12, 12, 1), np.uint8)) for one in coarse]
    times = 0.5 + np.arange(count, dtype=float)
    return base.Pictures(video, frames, times, np.ones(count) / count, np.zeros((1, 36, 64), np.uint8), np.zeros(1))


def close(one: np.ndarray, two: np.ndarray, relative: float = 1e-5) -> bool:
    """Equal to a share of the vectors' own length."""
    return bool((np.linalg.norm(one - two, axis=-1) <= relative * np.linalg.norm(two, axis=-1)).all())
