"""Weights: found without a download, held against models.lock, named when they are not what they must be."""

import json

import pytest

from triptych.core import weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text("words")
    return folder


def test_a_local_folder_is_known_by_its_content(model):
    found = weights.locate("tiny")
    assert found.path == model and found.bytes == 9 and found.safetensors
    (model / "README.md").write_text("other words")
    assert weights.locate("tiny").identity == found.identity
    (model / "model.safetensors").write_bytes(b"others.")
    assert weights.locate("tiny").identity != found.identity


def test_a_file_that_differs_from_the_lock_is_named_with_both_digests(model):
    weights.write_lock({"tiny": weights.entry_of(weights.locate("tiny"))})
    assert weights.locate("tiny").bytes == 9
    expected = json.loads((model.parent / "models.lock").read_text())["models"]["tiny"]["files"]
    (model / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(weights.WeightsError) as told:
        weights.locate("tiny")
    assert expected["model.safetensors"]["sha256"] in str(told.value) and "model.safetensors" in str(told.value)
    (model / "model.safetensors").unlink()
    with pytest.raises(weights.WeightsError, match="is missing"):
        weights.locate("tiny")


def test_a_hub_model_needs_a_pinned_revision_and_its_files(model):
    with pytest.raises(weights.WeightsError, match="no revision of this id is pinned"):
        weights.locate("org/name")
    with pytest.raises(weights.WeightsError, match="must be a commit"):
        weights.locate("org/name", "main")
    with pytest.raises(weights.WeightsError, match="is not here; bring it: triptych models --fetch"):
        weights.locate("org/name", COMMIT)
    folder = weights.hub_folder("org/name", COMMIT)
    folder.parent.mkdir(parents=True)
    model.rename(folder)
    assert weights.locate("org/name", COMMIT).identity == f"org/name@{COMMIT}"
    weights.write_lock({"org/name": weights.entry_of(weights.locate("org/name", COMMIT))})
    assert weights.locate("org/name").path == folder


def test_files_that_may_carry_code_must_be_listed(model):
    (model.parent / "net.pt").write_bytes(b"pickle")
    with pytest.raises(weights.WeightsError, match=r"models.lock must list it \(its sha256 is [0-9a-f]{64}\)"):
        weights.locate("net.pt", kind="file", listed=True)
    weights.write_lock({"net.pt": weights.entry_of(weights.locate("net.pt", kind="file"))})
    assert weights.locate("net.pt", kind="file", listed=True).files == {"": 6}


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("", "folder", "name the model"),
        ("./nowhere", "folder", "no such folder"),
        ("tiny", "file", "must be a file"),
        ("nowhere.pt", "file", "no such file"),
        ("a b/c", "folder", "neither a folder"),
        ("https://tfhub.dev/google/yamnet/1", "tfhub", "is not here"),
    ],
)
def test_what_cannot_be_found_is_told(model, name, kind, told):
    with pytest.raises(weights.WeightsError, match=told):
        weights.locate(name, kind=kind)


@pytest.mark.parametrize("text", ["", "[]", '{"models": []}', '{"models": {"a": 1}}', '{"models": {"a": {}}}'])
def test_a_damaged_lock_is_told(model, text):
    (model.parent / "models.lock").write_text(text)
    with pytest.raises(weights.WeightsError, match=r"models.lock is damaged"):
        weights.locate("tiny")
