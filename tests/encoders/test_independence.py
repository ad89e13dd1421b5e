"""Results do not depend on batches, for the encoders of the core and minilm; and the check itself sees what does."""

import numpy as np
import pytest
from encoders.independence import assert_independent

from triptych.encoders import base, registry


def pictures():
    random = np.random.default_rng(0)
    for number, count in enumerate((1, 4, 2, 3)):
        frames = [random.integers(0, 256, (72, 96, 3), dtype=np.uint8) for _ in range(count)]
        thumbs = random.integers(0, 256, (2 * count, 36, 64), dtype=np.uint8)
        yield base.Pictures(
            f"v{number}", frames, np.arange(count) / 2, np.full(count, 1 / count), thumbs, np.arange(2 * count) / 4
        )


def sounds():
    random = np.random.default_rng(0)
    for number, seconds in enumerate((0.4, 3.0, 1.0, 7.3)):
        samples = (0.1 * random.standard_normal(int(16_000 * seconds))).astype(np.float32)
        yield base.Sound(f"v{number}", samples, start=0.25)


def texts():
    for number, length in enumerate((1, 40, 7, 200)):
        said = " ".join(f"word {number * place % 17} of the story" for place in range(length))
        yield base.Words(f"v{number}", [("transcript", [(0.0, 1.0, said)])])


@pytest.mark.parametrize(("use", "items"), [("classic-image", pictures), ("classic-audio", sounds), ("minilm", texts)])
def test_batches_change_nothing(use, items):
    encoder = registry.create(use)
    encoder.load("cpu")
    found = assert_independent(encoder, list(items()))
    assert all(result.outcome.ok for result in found.values())


class Leaning:
    """Subtracts the mean of the batch: what must not be."""

    def encode(self, batch):
        mean = np.mean([one.samples.mean() for one in batch])
        return [
            base.Encoded({"mean": np.array([[one.samples.mean() - mean]])}, {"mean": np.zeros((1, 2))}) for one in batch
        ]


def test_the_check_sees_an_encoder_that_mixes_items():
    with pytest.raises(AssertionError, match="v0 by twos: mean"):
        assert_independent(Leaning(), list(sounds()))
