"""The result of an item may not depend on the other items of its batch: a check for every encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from triptych.encoders.base import Encoded, Encoder

#: Largest difference, as a share of the array's largest value.
TOLERANCE = 1e-5


def assert_independent(encoder: Encoder, items: Sequence[Any], tolerance: float = TOLERANCE) -> dict[str, Encoded]:
    """Encode items one by one, by twos, all at once and in reverse order; all must agree.

    Args:
        encoder: loaded.
        items: of different lengths, at least three, each with a `video` of its own.
        tolerance: relative to the largest value of an array.

    Returns:
        The results of one by one, by video.
    """
    assert len({item.video for item in items}) == len(items) > 2
    alone = in_batches(encoder, items, 1)
    assert any(result.arrays for result in alone.values()), "nothing was encoded"
    for how, order, size in (
        ("by twos", items, 2),
        ("all at once", items, len(items)),
        ("in reverse", items[::-1], len(items)),
    ):
        together = in_batches(encoder, order, size)
        for video, result in alone.items():
            assert_same(result, together[video], f"{video} {how}", tolerance)
    return alone


def in_batches(encoder: Encoder, items: Sequence[Any], size: int) -> dict[str, Encoded]:
    """Results by video, in batches of `size`, as the engine gives them: prepared where the encoder prepares."""
    prepare = getattr(encoder, "prepare", lambda item: item)
    found: dict[str, Encoded] = {}
    for start in range(0, len(items), size):
        part = [prepare(item) for item in items[start : start + size]]
        results = encoder.encode(part)
        assert len(results) == len(part)
        found |= {item.video: result for item, result in zip(part, results, strict=True)}
    return found


def assert_same(one: Encoded, other: Encoded, what: str, tolerance: float = TOLERANCE) -> None:
    """Two results of an item agree: outcome, arrays within the tolerance, the likeliest of each row, times."""
    assert one.outcome == other.outcome, what
    assert set(one.arrays) == set(other.arrays), what
    for name, expected in one.arrays.items():
        expected, found = np.asarray(expected, np.float64), np.asarray(other.arrays[name], np.float64)
        assert expected.shape == found.shape, f"{what}: {name}"
        difference = np.abs(expected - found).max(initial=0.0)
        assert difference <= tolerance * max(np.abs(expected).max(initial=0.0), 1e-30), f"{what}: {name} {difference}"
        # Two values that tie within the tolerance may change places.
        if expected.ndim == 2 and expected.shape[1] > 1:
            rows = np.arange(len(expected))
            lost = expected.max(axis=1) - expected[rows, found.argmax(axis=1)]
            assert (lost <= 2 * tolerance * np.abs(expected).max()).all(), f"{what}: {name}"
        assert np.allclose(one.times[name], other.times[name], rtol=0, atol=1e-9), f"{what}: times of {name}"
