"""Arrays of an encoder are brought to the number of rows that is stored."""

import numpy as np

from triptych.encoders import base


def test_reduce_averages_even_segments():
    values, times = np.arange(200.0)[:, None], np.stack([np.arange(200.0), np.arange(200.0) + 1], 1)
    few, spans = base.reduce(values, times)
    assert few.shape == (64, 1) and spans.shape == (64, 2)
    assert spans[0, 0] == 0 and spans[-1, 1] == 200 and (spans[1:, 0] == spans[:-1, 1]).all()
    np.testing.assert_allclose(few[:, 0], spans.mean(axis=1) - 0.5)
    same, _ = base.reduce(values[:64], times[:64])
    assert same is values[:64] or (same == values[:64]).all()
