"""Weights: found without a download, held against models.lock, named when they are not what they must be."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from triptych.core import digests, weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def safetensors(numbers: bytes) -> bytes:
    """A whole safetensors file of one tensor of bytes."""
    told = {"t": {"dtype": "U8", "shape": [len(numbers)], "data_offsets": [0, len(numbers)]}}
    header = json.dumps(told).encode()
    return len(header).to_bytes(8, "little") + header + numbers


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors(b"weights"))
    (folder / "README.md").write_text("words")
    return folder


def test_a_local_folder_is_known_by_its_content(model):
    found = weights.locate("tiny")
    assert found.path == model and found.bytes == 2 + len(safetensors(b"weights")) and found.safetensors
    (model / "README.md").write_text("other words")
    assert weights.locate("tiny").identity == found.identity
    (model / "model.safetensors").write_bytes(safetensors(b"others."))
    assert weights.locate("tiny").identity != found.identity


def test_a_file_that_differs_from_the_lock_is_named_with_both_digests(model):
    weights.write_lock({"tiny": weights.entry_of(weights.locate("tiny"))})
    assert weights.locate("tiny").safetensors
    expected = json.loads((model.parent / "models.lock").read_text())["models"]["tiny"]["files"]
    (model / "model.safetensors").write_bytes(safetensors(b"changed"))
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
        ("/" + "a" * 5000, "folder", "is no path"),
        ("~nobody-of-this-name/net", "folder", "is no path"),
        ("https://tfhub.dev/google/yamnet/1", "tfhub", "is not here"),
    ],
)
def test_what_cannot_be_found_is_told(model, name, kind, told):
    with pytest.raises(weights.WeightsError, match=told):
        weights.locate(name, kind=kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"models": []}',
        '{"models": {"a": 1}}',
        '{"models": {"a": {}}}',
        '{"models": {"a": {"files": {}, "revision": 1}}}',
    ],
)
def test_a_damaged_lock_is_told(model, text):
    (model.parent / "models.lock").write_text(text)
    with pytest.raises(weights.WeightsError, match=r"models.lock is damaged"):
        weights.locate("tiny")


def test_a_digest_is_read_again_when_the_file_changed_behind_its_times(model):
    path = model / "model.safetensors"
    past = path.stat().st_mtime - 1000
    os.utime(path, (past, past))
    before = digests.of(path)
    with path.open("r+b") as handle:  # the same inode and size
        handle.seek(-1, 2)
        handle.write(b"S")
    os.utime(path, (past, past))
    assert digests.of(path) != before


def test_digests_are_remembered_from_process_to_process(model, monkeypatch):
    monkeypatch.setattr(digests, "YOUNG", -1.0)
    path = model / "model.safetensors"
    first = digests.of(path)
    kept = json.loads((model.parent / "cache" / "triptych" / "digests.json").read_text())
    assert list(kept.values()) == [first]
    program = "import sys; from triptych.core import digests as d; d.digest_file = None; print(d.of(sys.argv[1]))"
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == first
    (model.parent / "cache" / "triptych" / "digests.json").write_text("{damaged")
    digests._known.clear()
    assert digests.of(path) == first


def test_a_locked_folder_may_not_hold_more(model):
    weights.write_lock({"tiny": weights.entry_of(weights.locate("tiny"))})
    (model / "adapter_config.json").write_text("{}")
    with pytest.raises(weights.WeightsError, match=r"adapter_config.json is not listed in models.lock"):
        weights.locate("tiny")


@pytest.mark.parametrize("name", ["./tiny", "tiny/", "{}"])
def test_the_lock_holds_for_every_way_to_write_a_path(model, name):
    weights.write_lock({"tiny": weights.entry_of(weights.locate("tiny"))})
    (model / "model.safetensors").write_bytes(safetensors(b"changed"))
    with pytest.raises(weights.WeightsError, match=r"is not the file of models.lock"):
        weights.locate(name.format(model))


def test_a_folder_may_not_hide_a_pinned_model(model):
    (model.parent / "org").mkdir()
    model.rename(model.parent / "org" / "name")
    weights.write_lock({"org/name": {"revision": COMMIT, "files": {}}})
    with pytest.raises(weights.WeightsError, match=r"write \./org/name for the folder"):
        weights.locate("org/name")
    assert weights.locate("./org/name").identity.startswith("sha256:")


def test_the_caches_own_names_tell_a_damaged_file_that_no_lock_lists(model):
    data = (model / "model.safetensors").read_bytes()
    store = weights.hub_folder("org/name", COMMIT).parents[1] / "blobs"
    store.mkdir(parents=True)
    folder = weights.hub_folder("org/name", COMMIT)
    folder.mkdir(parents=True)
    names = {
        "model.safetensors": hashlib.sha256(data).hexdigest(),
        "config.json": weights.git_digest(model / "config.json"),
    }
    for name, blob in names.items():
        (store / blob).write_bytes((model / name).read_bytes())
        (folder / name).symlink_to(f"../../blobs/{blob}")
    assert weights.locate("org/name", COMMIT).path == folder
    for name, blob in names.items():
        whole = (store / blob).read_bytes()
        (store / blob).write_bytes(whole[:-1] + b" ")
        with pytest.raises(weights.WeightsError, match=f"{name} is damaged .*expected {blob}"):
            weights.locate("org/name", COMMIT)
        (store / blob).write_bytes(whole)
    (store / names["config.json"]).unlink()
    with pytest.raises(weights.WeightsError, match="leads nowhere"):
        weights.locate("org/name", COMMIT)


def test_another_revision_of_the_study_has_its_own_place_in_the_lock(model):
    other = "f" * 40
    for commit in (COMMIT, other):
        folder = weights.hub_folder("org/name", commit)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(safetensors(commit.encode()))
        weights.add_to_lock(weights.find("org/name", commit), commit)
    assert set(weights.read_lock()) == {"org/name", f"org/name@{other}"}
    assert weights.locate("org/name").commit == COMMIT and weights.locate("org/name", other).commit == other
    (weights.hub_folder("org/name", other) / "model.safetensors").write_bytes(safetensors(b"x" * 40))
    assert weights.locate("org/name")
    with pytest.raises(weights.WeightsError, match=r"is not the file of models.lock"):
        weights.locate("org/name", other)


def test_a_folder_of_anything_is_no_model(model, monkeypatch):
    monkeypatch.setattr(weights, "MOST_FILES", 1)
    with pytest.raises(weights.WeightsError, match="more than 1 files"):
        weights.locate("tiny")


def test_writers_at_the_same_time_lose_nothing(model):
    program = (
        "import sys; from pathlib import Path; from triptych.core import weights\n"
        "for number in range(5):\n"
        "    name = f'm{sys.argv[1]}{number}.pt'; Path(name).write_bytes(name.encode())\n"
        "    weights.add_to_lock(weights.find(name, kind='file'))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, one], cwd=model.parent) for one in "abc"]
    assert [one.wait() for one in running] == [0, 0, 0]
    assert len(weights.read_lock()) == 15


def test_a_folder_without_weights_is_told(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(weights.WeightsError, match="holds no weights"):
        weights.locate("./tiny")


def test_a_lock_that_leaves_the_folder_is_damaged(model):
    lock = {"models": {"tiny": {"files": {"../secret": {"sha256": "0" * 64, "bytes": 1}}}}}
    (model.parent / "models.lock").write_text(json.dumps(lock))
    with pytest.raises(weights.WeightsError, match="lies outside"):
        weights.locate("./tiny")
