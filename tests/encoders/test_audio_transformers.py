"""AST, CLAP and wav2vec 2.0 as tiny checkpoints: windows, times, no randomness, nothing of another item."""

import shutil

import numpy as np
import pytest
from tiny import audio

from triptych.core import torchvision
from triptych.encoders import audio_transformers, base, registry
from triptych.encoders.faults import validate


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    torchvision.mend()
    folder = tmp_path_factory.mktemp("sound-transformers")
    return {
        "ast": audio.build_ast(folder / "ast"),
        "clap": audio.build_clap(folder / "clap"),
        "audio-transformers": audio.build_wav2vec2(folder / "wav2vec2"),
    }


@pytest.fixture(scope="module")
def loaded(models):
    found = {use: registry.create(use, model=str(path)) for use, path in models.items()}
    for made in found.values():
        made.load("cpu")
    return found


USES = ["ast", "clap", "audio-transformers"]


def noise(seconds, seed=0, video="a", start=0.0):
    samples = np.random.default_rng(seed).uniform(-1, 1, int(16_000 * seconds)).astype(np.float32)
    return base.Sound(video, samples * np.linspace(0.1, 1, len(samples), dtype=np.float32), start=start)


@pytest.mark.parametrize("use", USES)
def test_windows_have_times_and_the_last_ends_with_the_sound(loaded, use):
    long, short = loaded[use].encode([noise(23.0, start=1.0), noise(2.0)])
    window = loaded[use].params["window"]
    times = long.times["embedding"]
    assert len(long.arrays["embedding"]) == 3 and np.allclose(times[:, 1] - times[:, 0], window)
    assert times[0, 0] == 1.0 and times[-1, 1] == 24.0
    assert short.times["embedding"].tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize("use", USES)
def test_results_do_not_depend_on_the_batch_and_are_the_same_again(loaded, use):
    batch = [noise(seconds, seed=at, video=str(at)) for at, seconds in enumerate((2.0, 25.0, 0.01, 10.0, 3.0))]
    together = loaded[use].encode(batch)
    prepared = loaded[use].encode([loaded[use].prepare(item) for item in batch])
    for one, again, item in zip(together, prepared, batch, strict=True):
        alone = loaded[use].encode([item])[0]
        for name, values in one.arrays.items():
            assert np.abs(values - alone.arrays[name]).max() <= 1e-5 * np.abs(values).max()
            assert (values == again.arrays[name]).all()


@pytest.mark.parametrize("use", USES)
def test_silence_is_absent_and_long_sounds_are_thinned(models, loaded, use):
    nothing = loaded[use].encode([base.Sound("a", np.zeros(16_000, np.float32))])[0]
    assert (nothing.outcome.status, nothing.outcome.reason) == ("absent", "silent")
    made = registry.create(use, {"window": 1.0, "hop": 1.0, "max_windows": 3}, model=str(models[use]))
    made.load("cpu")
    found = made.encode([noise(9.0)])[0]
    assert found.times["embedding"].tolist() == [[0, 1], [4, 5], [8, 9]]


def test_ast_gives_what_its_classifier_reads_and_says(models, loaded):
    import torch
    from transformers import ASTForAudioClassification

    network = ASTForAudioClassification.from_pretrained(models["ast"]).eval()
    found = loaded["ast"].encode([noise(4.0)])[0]
    features = torch.from_numpy(loaded["ast"].prepare(noise(4.0)).features[0][None])
    with torch.inference_mode():
        logits = network(features).logits
        hidden = network.audio_spectrogram_transformer(features).last_hidden_state
    assert found.arrays["embedding"].shape == (1, 16) and found.arrays["scores"].shape == (1, 5)
    assert np.allclose(found.arrays["scores"], logits.sigmoid().numpy(), atol=1e-6)
    assert np.allclose(found.arrays["embedding"], hidden[:, :2].mean(dim=1).numpy(), atol=1e-6)
    best = int(found.arrays["scores"].argmax())
    assert found.notes["likeliest sounds"][0][0] == f"Class {best}" and len(found.notes["likeliest sounds"]) == 5


def test_ast_without_classifier_has_no_scores(tmp_path):
    made = registry.create("ast", model=str(audio.build_ast(tmp_path / "bare", classifier=False)))
    made.load("cpu")
    found = made.encode([noise(1.0)])[0]
    assert set(found.arrays) == {"embedding"} and not found.notes


def test_clap_gives_unit_vectors_without_random_crops(models, tmp_path):
    fused = registry.create("clap", model=str(audio.build_clap(tmp_path / "fused", fused=True)))
    plain = registry.create("clap", model=str(models["clap"]))
    for made in (fused, plain):
        made.load("cpu")
        first = made.encode([noise(31.0), noise(2.0, seed=1)])
        np.random.seed(7)
        second = made.encode([noise(31.0), noise(2.0, seed=1)])
        for one, two in zip(first, second, strict=True):
            assert (one.arrays["embedding"] == two.arrays["embedding"]).all()
            assert np.allclose(np.linalg.norm(one.arrays["embedding"], axis=1), 1, atol=1e-5)
    faults = validate("c", {"use": "clap", "model": str(models["clap"]), "params": {"window": 20.0}})
    assert len(faults) == 1 and "at most 10 s" in faults[0]


def test_clap_hears_at_its_own_rate():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    upsampled = audio_transformers.resampled(tone, 16_000, 48_000)
    expected = np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)
    assert len(upsampled) == 48_000 and np.abs(upsampled - expected)[500:-500].max() < 0.01
    assert audio_transformers.resampled(tone, 16_000, 16_000) is tone


def test_the_mean_of_hidden_states_is_the_embedding(models, loaded):
    import torch
    from transformers import Wav2Vec2Model

    item = noise(1.0)
    samples = item.samples
    normal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        network = Wav2Vec2Model.from_pretrained(models["audio-transformers"]).eval()
        expected = network(torch.from_numpy(normal[None])).last_hidden_state.mean(dim=1).numpy()
    found = loaded["audio-transformers"].encode([item])[0].arrays["embedding"]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_checkpoint_of_another_kind_or_without_weights_is_not_used(models, tmp_path):
    with pytest.raises(base.EncoderError, match="it is clap, not an Audio Spectrogram Transformer"):
        registry.create("ast", model=str(models["clap"])).load("cpu")
    with pytest.raises(base.EncoderError, match="not CLAP"):
        registry.create("clap", model=str(models["ast"])).load("cpu")
    from safetensors.numpy import load_file, save_file

    damaged = tmp_path / "damaged"
    shutil.copytree(models["ast"], damaged)
    weights = load_file(damaged / "model.safetensors")
    removed = next(name for name in weights if "layernorm" in name.lower())
    save_file({name: one for name, one in weights.items() if name != removed}, damaged / "model.safetensors")
    with pytest.raises(base.EncoderError, match="lacks weights of"):
        registry.create("ast", model=str(damaged)).load("cpu")
