"""Log-mel, MFCC, deltas and spectral shape against their formulas, written out slowly, and against known sounds."""

import numpy as np
import pytest

from triptych.encoders import base, registry, spectral
from triptych.encoders.classic_audio import ClassicAudio, excerpts, statistics

RATE = 16_000


def tone(hz, seconds=1.0, level=0.5):
    return (level * np.sin(2 * np.pi * hz * np.arange(int(RATE * seconds)) / RATE)).astype(np.float32)


def encode(samples, start=0.0, **params):
    encoder = registry.create("classic-audio", params)
    encoder.load("cpu")
    return encoder.encode([base.Sound("a", samples, RATE, start)])[0]


def test_log_mel_and_mfcc_are_their_formulas():
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, RATE // 4)
    found = spectral.describe(samples)
    filters = spectral.mel_filters(RATE)
    size = spectral.WINDOW
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)])
    for number in (0, 3, len(found.mel) - 1):
        piece = samples[number * spectral.HOP : number * spectral.HOP + size] * window
        bins = np.arange(spectral.FFT // 2 + 1)
        turn = np.exp(-2j * np.pi * bins[:, None] * np.arange(size)[None, :] / spectral.FFT)
        power = np.abs(turn @ piece) ** 2 / window.sum() ** 2
        mel = np.log(filters @ power + spectral.FLOOR)
        np.testing.assert_allclose(found.mel[number], mel, rtol=1e-9, atol=1e-9)
        bands = spectral.BANDS
        for order in (0, 1, 7):
            scale = np.sqrt((1 if order == 0 else 2) / bands)
            mfcc = scale * sum(mel[m] * np.cos(np.pi * order * (m + 0.5) / bands) for m in range(bands))
            assert found.mfcc[number, order] == pytest.approx(mfcc, abs=1e-9)


def test_mel_scale_and_filters():
    assert spectral.hz_to_mel(1000.0) == pytest.approx(1000, abs=0.1)
    np.testing.assert_allclose(spectral.mel_to_hz(spectral.hz_to_mel([20.0, 440.0, 8000.0])), [20, 440, 8000])
    filters = spectral.mel_filters(RATE)
    assert filters.shape == (spectral.BANDS, spectral.FFT // 2 + 1)
    assert (filters >= 0).all() and (filters.max(axis=1) <= 1).all() and (filters.sum(axis=1) > 0).all()
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()


def test_deltas_are_slopes():
    line = np.outer(np.arange(20), [1.0, -2.0])
    np.testing.assert_allclose(spectral.deltas(line)[2:-2], np.tile([1.0, -2.0], (16, 1)))
    np.testing.assert_allclose(spectral.deltas(np.ones((5, 3))), 0)
    values = np.random.default_rng(1).normal(size=(9, 1))
    expected = sum(n * (values[4 + n] - values[4 - n]) for n in (1, 2)) / 10
    np.testing.assert_allclose(spectral.deltas(values)[4], expected)


def test_shape_of_known_sounds():
    names = spectral.SHAPE_NAMES
    low, high = spectral.describe(tone(500)).shape, spectral.describe(tone(4000)).shape
    noise = spectral.describe(np.random.default_rng(0).normal(0, 0.1, RATE)).shape

    def middle(shape, name):
        return np.median(shape[:, names.index(name)])

    assert middle(low, "centroid") == pytest.approx(500 / 8000, abs=0.005)
    assert middle(high, "centroid") == pytest.approx(4000 / 8000, abs=0.005)
    assert middle(high, "rolloff_85") == pytest.approx(0.5, abs=0.01)
    assert middle(low, "zero_crossings") == pytest.approx(2 * 500 / RATE, abs=0.005)
    assert middle(noise, "flatness") > 0.4 > 0.01 > middle(low, "flatness")
    assert middle(noise, "entropy") > 0.9 > 0.4 > middle(low, "entropy")
    assert middle(low, "energy") == pytest.approx(np.log(0.125), abs=0.01)
    assert middle(low, "flux") < 0.1 < middle(noise, "flux")


def test_blocks_change_nothing(monkeypatch):
    samples = np.random.default_rng(0).normal(0, 0.1, RATE)
    whole = spectral.describe(samples)
    monkeypatch.setattr(spectral, "BLOCK", 7)
    for name in ("mel", "delta2", "shape", "rms"):
        np.testing.assert_allclose(getattr(spectral.describe(samples), name), getattr(whole, name), atol=1e-9)


def test_arrays_times_and_offset():
    found = encode(tone(440, 3.0), start=0.5)
    assert {name: values.shape[1] for name, values in found.arrays.items()} == dict(ClassicAudio.card.arrays)
    assert found.times["clip"].tolist() == [[0.5, 3.5]]
    np.testing.assert_allclose(found.times["window"][:3, 0], [0.5, 1.0, 1.5])
    assert found.times["window"].max() <= 3.5 and len(found.arrays["window"]) == len(found.times["window"])
    assert all(np.isfinite(values).all() for values in found.arrays.values())


def test_padding_with_silence_says_nothing_of_the_sound():
    sound = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    padded = np.concatenate([sound, np.zeros(3 * RATE, np.float32)])
    one, other = encode(sound).arrays["clip"][0], encode(padded).arrays["clip"][0]
    means = slice(0, spectral.COEFFICIENTS)
    np.testing.assert_allclose(one[means], other[means], atol=0.35)
    # Windows that are silent throughout have no row.
    assert len(encode(padded).arrays["window"]) == 2
    assert len(encode(np.concatenate([sound] * 4)).arrays["window"]) == 7


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.zeros(0), np.full(RATE, 1e-5)])
def test_silence_is_absent(samples):
    found = encode(samples.astype(np.float32))
    assert (found.outcome.status, found.outcome.reason) == ("absent", "silent")


@pytest.mark.parametrize("count", [1, 10, 399, 400, 401, 3000])
def test_very_short_sounds(count):
    found = encode(tone(1000, 1.0)[:count] + 0.1)
    assert found.outcome.ok and all(np.isfinite(values).all() for values in found.arrays.values())
    assert (found.times["window"][:, 1] <= count / RATE + 1e-9).all()


def test_long_sounds_are_read_in_excerpts():
    samples = np.arange(200 * RATE)
    parts = excerpts(samples, 60)
    assert len(parts) == 60 and sum(len(part) for _, part in parts) == 60 * RATE
    assert parts[0][0] == 0 and parts[-1][1][-1] == samples[-1]
    assert all(part[0] == round(offset * RATE) for offset, part in parts)
    assert len(excerpts(samples, 200)) == 1


def test_statistics():
    values = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0]])
    expected = [3, 30, np.std([1, 3, 5]), np.std([10, 30, 50]), 3, 30]
    np.testing.assert_allclose(statistics(values, (50,)), expected)


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="16 kHz, not 8000"):
        registry.create("classic-audio").encode([base.Sound("a", tone(440), 8000)])
