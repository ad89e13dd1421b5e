"""Encoders of text with tiny models of the true classes: lengths, pooling, windows, fields, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from tiny import text as tiny

from triptych.encoders import base, pooling, registry
from triptych.encoders.faults import feature_faults, validate
from triptych.encoders.text_encoder import Windowed


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "sentence-transformers": tiny.build_sentence(folder / "sentence"),
        "text-transformers": tiny.build_distilbert(folder / "distilbert"),
        "mpnet": tiny.build_mpnet(folder / "mpnet"),
    }


def loaded(use, path, **params):
    made = registry.create(use, params, model=str(path))
    made.load("cpu")
    return made


def words(*texts, video="a", field="transcript"):
    return base.Words(video, [(field, [(float(at), at + 1.0, text) for at, text in enumerate(texts)])])


BOTH = pytest.mark.parametrize("use", ["sentence-transformers", "text-transformers"])


@BOTH
def test_a_vector_depends_on_its_own_text_alone(models, use):
    encoder = loaded(use, models[use])
    texts = [*tiny.SENTENCES, "dog", " ".join(tiny.SENTENCES), "words that the tokenizer has never seen"] * 3
    together = encoder.encode([words(text) for text in texts])
    for text, found in zip(texts[:8], together, strict=False):
        alone = encoder.encode([words(text)])[0].arrays["embedding"]
        gap = np.linalg.norm(alone - found.arrays["embedding"], axis=1) / np.linalg.norm(alone, axis=1)
        assert alone.shape[1] == tiny.WIDTH and alone.dtype == np.float32 and gap.max() < 1e-5


@BOTH
def test_windows_have_times_and_tokens(models, use):
    encoder = loaded(use, models[use], tokens=16)
    item = words(*[f"number {one} of a talk" for one in ("one", "two", "three", "four", "five", "six")])
    found = encoder.encode([item])[0]
    times = found.times["embedding"]
    assert len(times) == 2 and times.tolist() == [[0, 3], [3, 6]]
    assert found.arrays["embedding_weights"].tolist() == [[15], [15]]
    assert (found.times["embedding_weights"] == times).all()
    # What is prepared ahead gives the same.
    prepared = encoder.prepare(item)
    assert isinstance(prepared, Windowed) and prepared.video == "a"
    again = encoder.encode([prepared, item])[0].arrays["embedding"]
    assert np.allclose(again, found.arrays["embedding"], rtol=1e-5, atol=1e-6)


@BOTH
def test_fields_are_apart_or_in_one_array(models, use):
    item = base.Words("a", [("my title", [(0.0, 0.0, "a dog")]), ("transcript", [(2.0, 3.0, "the sea was calm")])])
    joined = loaded(use, models[use]).encode([item])[0]
    assert joined.times["embedding"].tolist() == [[0, 0], [2, 3]]
    apart = loaded(use, models[use], fields="separate").encode([item])[0]
    assert sorted(apart.arrays) == ["my_title", "my_title_weights", "transcript", "transcript_weights"]
    np.testing.assert_allclose(apart.arrays["my_title"][0], joined.arrays["embedding"][0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(apart.arrays["transcript"][0], joined.arrays["embedding"][1], rtol=1e-4, atol=1e-6)


def test_mean_and_cls_are_those_of_the_last_layer(models):
    import torch
    from transformers import AutoModel, AutoTokenizer

    path = models["text-transformers"]
    network, tokenizer = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    text = "the ships sailed"
    with torch.inference_mode():
        hidden = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
    item = words(text)
    # A longer text beside it, so that this one is padded.
    other = words(" ".join(tiny.SENTENCES[:2]), video="b")
    mean = loaded("text-transformers", path).encode([item, other])[0].arrays["embedding"][0]
    first = loaded("text-transformers", path, pool="cls").encode([item, other])[0].arrays["embedding"][0]
    np.testing.assert_allclose(mean, hidden.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first, hidden[0], rtol=1e-4, atol=1e-5)
    assert np.abs(mean - first).max() > 0.01


def test_a_pooler_that_the_file_lacks_changes_nothing(models, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = shutil.copytree(models["mpnet"], tmp_path / "bare")
    weights = load_file(path / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "pooler" not in k}, path / "model.safetensors", {"format": "pt"})
    whole, bare = (loaded("text-transformers", one).encode([words("a dog")])[0] for one in (models["mpnet"], path))
    assert len(weights) > len(load_file(path / "model.safetensors"))
    assert (whole.arrays["embedding"] == bare.arrays["embedding"]).all()


def test_sentence_vectors_are_as_the_models_files_say(models):
    found = loaded("sentence-transformers", models["sentence-transformers"]).encode([words("a dog barks")])[0]
    assert np.linalg.norm(found.arrays["embedding"][0]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "use", "most"),
    [
        ("sentence-transformers", "sentence-transformers", 46),  # its files say 48, with CLS and SEP
        ("text-transformers", "text-transformers", 62),
        ("mpnet", "text-transformers", 62),  # 66 rows of positions, of which two are never used
    ],
)
def test_windows_are_as_long_as_the_model_can_read_and_no_longer(models, name, use, most):
    assert loaded(use, models[name]).limit == most
    encoder = loaded(use, models[name], tokens=most)
    found = encoder.encode([words("dog " * 300)])[0]
    assert found.arrays["embedding_weights"].max() <= most and found.arrays["embedding_weights"].sum() == 300
    with pytest.raises(base.EncoderError, match=rf"{most + 1} tokens are asked for, but .* can read {most} beside"):
        loaded(use, models[name], tokens=most + 1)


def test_long_texts_keep_at_most_64_rows_and_their_weighted_mean(models):
    encoder = loaded("text-transformers", models["text-transformers"], tokens=8)
    found = encoder.encode([words(*(["dog " * 8] * 70 + ["cat"]))])[0]
    assert found.arrays["embedding"].shape == (64, tiny.WIDTH)
    assert found.arrays["embedding_weights"].sum() == 70 * 8 + 1
    dog, cat = (encoder.encode([words(one)])[0].arrays["embedding"][0] for one in ("dog " * 8, "cat"))
    pooled = pooling.pool(found.arrays["embedding"], "wmean", found.arrays["embedding_weights"])
    np.testing.assert_allclose(pooled, (70 * 8 * dog + cat) / (70 * 8 + 1), rtol=1e-4, atol=1e-5)


def test_text_without_words_gives_nothing(models):
    encoder = loaded("text-transformers", models["text-transformers"])
    nothing, something = encoder.encode([base.Words("a", [("title", [(0.0, 0.0, "  ")])]), words("a dog")])
    assert not nothing.arrays and len(something.arrays["embedding"]) == 1


def test_what_is_no_model_of_this_kind_is_refused(models, tmp_path):
    with pytest.raises(base.EncoderError, match=r"holds no modules.json.*use: text-transformers"):
        loaded("sentence-transformers", models["text-transformers"])
    foreign = shutil.copytree(models["sentence-transformers"], tmp_path / "foreign")
    modules = json.loads((foreign / "modules.json").read_text())
    (foreign / "modules.json").write_text(
        json.dumps([*modules, {"idx": 9, "name": "9", "path": "", "type": "os.Thing"}])
    )
    with pytest.raises(base.EncoderError, match=r"code outside of sentence-transformers \(os\.Thing\)"):
        loaded("sentence-transformers", foreign)
    (foreign / "modules.json").write_text("[")
    with pytest.raises(base.EncoderError, match="is damaged"):
        loaded("sentence-transformers", foreign)
    with pytest.raises(base.EncoderError, match="there is no such folder"):
        loaded("text-transformers", tmp_path / "none" / "there" / "is")


def test_weights_that_lack_a_layer_are_refused(models, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = shutil.copytree(models["text-transformers"], tmp_path / "lacking")
    weights = load_file(path / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "layer.1" not in k}, path / "model.safetensors", {"format": "pt"})
    with pytest.raises(base.EncoderError, match=r"lacks 16 of them .*would be random"):
        loaded("text-transformers", path)


def test_parameters_are_checked_before_any_job(models):
    section = {"use": "text-transformers", "model": str(models["text-transformers"])}
    assert validate("e", section) == []
    for params, told in (
        ({"pool": "max"}, "pool: must be one of mean, cls"),
        ({"fields": "both"}, "fields: must be one of joined, separate"),
        ({"tokens": 3}, "tokens: must be 0 (all that the model can read) or at least 8"),
        ({"mask": "channel"}, "mask: must be a list of columns (given: 'channel')"),
    ):
        (fault,) = validate("e", section | {"params": params})
        assert told in fault
    twice = section | {"text": ["a b", "a_b"], "params": {"fields": "separate"}}
    assert "have the same array 'a_b'" in validate("e", twice)[0]


def test_features_name_fields_and_weights(models):
    section = {"use": "text-transformers", "model": str(models["text-transformers"]), "text": ["title", "transcript"]}
    apart = section | {"params": {"fields": "separate"}}
    encoders = {"e": section, "s": apart, "sound": {"use": "classic-audio"}}

    def faults(**feature):
        return feature_faults({"f": feature}, encoders)

    assert faults(**{"from": "e.embedding", "pool": "wmean+max"}) == []
    assert faults(**{"from": "s.title", "pool": "wmean"}) == []
    assert faults(**{"from": "s.embedding"}) == [
        "features.f.from: s gives no array 'embedding'; it gives title, transcript"
    ]
    assert faults(**{"from": "e.title"}) == ["features.f.from: e gives no array 'title'; it gives embedding"]
    weightless = faults(**{"from": "sound.clip", "pool": "wmean"})
    assert weightless == ["features.f.pool: sound gives no weights of 'clip'; use mean"]
