"""MiniLM with its real weights: digests, windows with times, and meaning."""

import numpy as np
import pytest

from triptych.encoders import base, minilm, registry


@pytest.fixture(scope="module")
def encoder():
    made = registry.create("minilm", {"tokens": 32})
    made.load("cpu")
    return made


def words(*texts, video="a"):
    return base.Words(video, [("transcript", [(float(at), at + 1.0, text) for at, text in enumerate(texts)])])


def vectors(encoder, *texts):
    return [one.arrays["embedding"] for one in encoder.encode([words(text) for text in texts])]


def test_similar_sentences_are_closer(encoder):
    dog, hound, money = vectors(
        encoder, "A dog barks in the garden.", "The hound is barking outside.", "Share prices fell on Monday."
    )
    assert dog.shape == (1, 384) and np.linalg.norm(dog) == pytest.approx(1.0, abs=1e-5)
    assert (dog @ hound.T).item() > 0.5 > 0.2 > (dog @ money.T).item()


def test_a_vector_depends_on_its_own_text_alone(encoder):
    texts = ["A dog barks.", "A much longer sentence that tells of trains, of ships and of the sea.", "Hello."]
    together = vectors(encoder, *texts)
    for text, vector in zip(texts, together, strict=True):
        assert (vectors(encoder, text)[0] == vector).all()


def test_long_texts_become_windows_with_times(encoder):
    found = encoder.encode([words(*[f"sentence number {at} of a talk" for at in range(60)])])[0]
    times = found.times["embedding"]
    assert len(found.arrays["embedding"]) == len(times) > 10
    assert times[0, 0] == 0 and times[-1, 1] == 60 and (times[1:, 0] == times[:-1, 1]).all()


def test_fields_have_windows_of_their_own(encoder):
    item = base.Words("a", [("title", [(0.0, 0.0, "A title")]), ("transcript", [(2.0, 3.0, "spoken words")])])
    found = encoder.encode([item])[0]
    assert found.times["embedding"].tolist() == [[0, 0], [2, 3]]


def test_text_without_spaces_is_cut(encoder):
    assert len(encoder.encode([words("漢字" * 300)])[0].arrays["embedding"]) >= 600 // 32
    assert len(encoder.encode([words("x" * 5000)])[0].arrays["embedding"]) >= 1


def test_very_long_texts_are_thinned():
    made = registry.create("minilm", {"tokens": 8, "max_windows": 5})
    made.load("cpu")
    assert len(made.encode([words(*["one two three four five six seven eight"] * 40)])[0].arrays["embedding"]) == 5


def test_another_file_is_not_loaded(tmp_path):
    wrong = tmp_path / "model.safetensors"
    wrong.write_bytes(b"not the weights")
    with pytest.raises(base.EncoderError, match="not the expected file"):
        minilm.check(wrong, minilm.DIGESTS["model.safetensors"])
    with pytest.raises(base.EncoderError, match="is missing"):
        minilm.check(tmp_path / "none", "0" * 64)
    digest = minilm.DIGESTS["model.safetensors"]
    assert digest.startswith("53aa51172d14") and digest.endswith("28d9db")
    assert minilm.weights().is_dir()


def test_the_same_folder_gives_the_same_vectors_as_any_sentence_transformers_model(encoder):
    other = registry.create("sentence-transformers", {"tokens": 32}, model=str(minilm.weights()))
    other.load("cpu")
    item = words(*[f"sentence number {at} of a talk about trains and the sea" for at in range(20)])
    one, two = encoder.encode([item])[0], other.encode([item])[0]
    assert (one.times["embedding"] == two.times["embedding"]).all()
    assert np.abs(one.arrays["embedding"] - two.arrays["embedding"]).max() < 1e-5
    weights = one.arrays["embedding_weights"]
    assert (weights == two.arrays["embedding_weights"]).all() and 0 < weights.max() <= 32
