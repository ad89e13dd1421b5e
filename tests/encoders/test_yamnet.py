"""YAMNet through LiteRT and TensorFlow Hub, and VGGish: toys with the real signatures, and the real LiteRT file."""

import numpy as np
import pytest
from tiny import audio

from triptych.encoders import base, registry, vggish, yamnet
from triptych.encoders.faults import validate
from triptych.encoders.logmel import VGGISH, YAMNET


def noise(seconds, seed=0, video="a", start=0.0):
    samples = np.random.default_rng(seed).uniform(-1, 1, int(16_000 * seconds)).astype(np.float32)
    return base.Sound(video, samples * np.linspace(0.1, 1, len(samples), dtype=np.float32), start=start)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound-models")
    return {
        "yamnet": audio.build_yamnet(folder / "yamnet"),
        "vggish": audio.build_vggish(folder / "vggish"),
        "yamnet-litert": audio.build_yamnet_litert(folder / "litert"),
        "pca": audio.build_pca(folder / "vggish_pca_params.npz"),
    }


@pytest.fixture(scope="module")
def loaded(models):
    found = {}
    for use in ("yamnet", "vggish", "yamnet-litert"):
        params = {"pca": str(models["pca"])} if use == "vggish" else {}
        found[use] = registry.create(use, params, model=str(models[use]))
        found[use].load("cpu")
    return found


@pytest.mark.parametrize("use", ["yamnet", "yamnet-litert"])
def test_two_arrays_of_one_pass_with_times_and_the_likeliest_sounds(loaded, use):
    result = loaded[use].encode([noise(3.0, start=1.5)])[0]
    shapes = {name: values.shape for name, values in result.arrays.items()}
    assert shapes == {"embedding": (6, 1024), "scores": (6, 521)}
    assert (result.times["scores"] == YAMNET.spans(48_000, 1.5)).all() and result.times["scores"][-1, 1] == 4.5
    note = result.notes["likeliest sounds"]
    mean = result.arrays["scores"].mean(axis=0)
    assert len(note) == 10 and note[0][1] == pytest.approx(mean.max(), abs=1e-4)
    best = int(mean.argmax())
    assert note[0][0] == (audio.NAMES[best] if best < len(audio.NAMES) else f"Sound {best}")


def test_embeddings_of_the_hub_come_from_the_front_end(loaded):
    """The toy's embedding is a fixed map of the mean patch, so that the order of outputs and the padding are seen."""
    sound = noise(2.0)
    result = loaded["yamnet"].encode([sound])[0]
    patches = YAMNET.patches(sound.samples).mean(axis=1)
    expected = np.maximum(0, patches @ audio.weights(64, 1024, 0))
    assert np.abs(result.arrays["embedding"] - expected).max() < 1e-3
    embedding = loaded["vggish"].encode([sound])[0].arrays["embedding"]
    assert np.abs(embedding - VGGISH.patches(sound.samples).mean(axis=1) @ audio.weights(64, 128, 2)).max() < 1e-3


@pytest.mark.parametrize("use", ["yamnet", "yamnet-litert", "vggish"])
def test_results_do_not_depend_on_the_batch(loaded, use):
    batch = [noise(seconds, seed=at, video=str(at)) for at, seconds in enumerate((2.0, 1.0, 5.3, 3.0))]
    together = loaded[use].encode(batch)
    for one, sound in zip(together, batch, strict=True):
        alone = loaded[use].encode([sound])[0]
        for name, values in one.arrays.items():
            assert np.abs(values - alone.arrays[name]).max() <= 1e-5 * np.abs(values).max()


@pytest.mark.parametrize("use", ["yamnet", "yamnet-litert", "vggish"])
def test_silence_and_short_sounds(loaded, use):
    silence, short, least = loaded[use].encode(
        [base.Sound("a", np.zeros(48_000, np.float32)), noise(0.97), noise(0.975)]
    )
    assert (silence.outcome.status, silence.outcome.reason) == ("absent", "silent") and not silence.arrays
    assert len(least.arrays["embedding"]) == 1
    if use == "vggish":
        assert (short.outcome.status, short.outcome.reason) == ("absent", "too_short")
        assert "0.970 s of sound; the network needs 0.975 s" in short.outcome.message
    else:
        assert len(short.arrays["embedding"]) == 1 and short.times["embedding"].tolist() == [[0, 0.97]]


def test_long_sounds_in_parts_are_the_same(loaded, monkeypatch):
    sound = noise(9.0)
    whole = [loaded[use].encode([sound])[0] for use in ("yamnet", "vggish")]
    monkeypatch.setattr(yamnet, "PATCHES", 4)
    monkeypatch.setattr(vggish, "PATCHES", 2)
    for use, before in zip(("yamnet", "vggish"), whole, strict=True):
        after = loaded[use].encode([sound])[0]
        for name, values in before.arrays.items():
            assert values.shape == after.arrays[name].shape
            assert np.abs(values - after.arrays[name]).max() <= 1e-5 * np.abs(values).max()


def test_post_processing_whitens_clips_and_truncates(loaded, models):
    matrix, mean = vggish.read_pca(models["pca"])
    raw = np.random.default_rng(1).normal(size=(5, 128))
    expected = np.empty((5, 128))
    for row in range(5):
        for column in range(128):
            value = sum(matrix[column, k] * (raw[row, k] - mean[k]) for k in range(128))
            expected[row, column] = int((min(max(value, -2), 2) + 2) * 255 / 4)
    post = vggish.postprocess(raw, matrix, mean)
    assert post.dtype == np.uint8 and (post == expected).mean() > 0.999
    eye = np.eye(128)
    ends = vggish.postprocess(np.stack([eye[0] * 9, eye[0] * -9, eye[0] * 0]), eye, np.zeros(128))
    assert ends[:, 0].tolist() == [255, 0, 127]
    result = loaded["vggish"].encode([noise(3.0)])[0]
    assert set(result.arrays) == {"embedding", "post"} and result.arrays["post"].shape == (3, 128)
    assert (result.arrays["post"] == vggish.postprocess(result.arrays["embedding"], matrix, mean)).all()


def test_without_pca_there_is_no_post(models):
    made = registry.create("vggish", model=str(models["vggish"]))
    made.load("cpu")
    assert set(made.encode([noise(1.0)])[0].arrays) == {"embedding"}


def test_faults_name_the_file(models, tmp_path):
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, pca_eigen_vectors=np.eye(3), pca_means=np.zeros(3))
    with pytest.raises(base.EncoderError, match=r"wrong\.npz does not hold"):
        vggish.read_pca(wrong)
    np.savez(wrong, pca_eigen_vectors=np.array([object()]), pca_means=np.zeros(3))
    with pytest.raises(base.EncoderError, match=r"wrong\.npz does not hold"):
        vggish.read_pca(wrong)
    (tmp_path / "no.tflite").write_bytes(b"nothing")
    with pytest.raises(base.EncoderError, match=r"no\.tflite is no LiteRT model"):
        registry.create("yamnet-litert", model=str(tmp_path / "no.tflite")).load("cpu")
    other = audio.build_yamnet_litert(tmp_path / "other", samples=8000)
    with pytest.raises(base.EncoderError, match=r"is not YAMNet .* inputs are \[\(1, 8000\)\]"):
        registry.create("yamnet-litert", model=str(other)).load("cpu")
    with pytest.raises(base.EncoderError, match="no SavedModel"):
        registry.create("yamnet", model=str(tmp_path)).load("cpu")
    assert "name the model" in validate("y", {"use": "yamnet-litert"})[0]
    assert "bring it: triptych models --fetch" in validate("y", {"use": "yamnet"})[0]


@pytest.mark.shared
def test_the_real_yamnet_hears_what_is_there(shared):
    made = registry.create("yamnet-litert", model=str(shared / "weights/yamnet.tflite"))
    made.load("cpu")
    told = made.encode([base.Sound("jfk", audio.decoded(shared / "data/speech/jfk.flac"))])[0]
    print(f"\nspeech/jfk.flac: {told.notes['likeliest sounds'][:3]}")
    assert told.notes["likeliest sounds"][0][0] == "Speech"
    assert told.notes["likeliest sounds"][0][1] == pytest.approx(0.94, abs=0.01)
    # The sounds of yamnet_test.py in tensorflow/models. The 8-bit file hears a dial tone in 440 Hz: `Sine wave`, among
    # the ten likeliest of the full network, comes twelfth.
    hum = np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)
    hiss = np.random.RandomState(51773).uniform(-1, 1, 48_000)
    for samples, name in ((np.zeros(48_000), "Silence"), (hiss, "White noise"), (hum, "Dial tone")):
        note = made._one(base.Sound("a", samples.astype(np.float32))).notes["likeliest sounds"]
        assert name in [label for label, _ in note], note
    # The inner tensor is what the scores are computed from, of the same pass.
    inner = {one["name"]: one for one in made.network.get_tensor_details()}
    dense = inner["yamnet_frames/dense/MatMul"]
    scale = dense["quantization_parameters"]["scales"]
    weights = made.network.get_tensor(dense["index"]).astype(float) * scale.reshape(-1, 1)
    bias = made.network.get_tensor(inner["yamnet_frames/dense/BiasAdd/ReadVariableOp/resource"]["index"])
    again = 1 / (1 + np.exp(-(told.arrays["embedding"] @ weights.T + bias)))
    assert np.abs(again - told.arrays["scores"]).max() < 0.05
