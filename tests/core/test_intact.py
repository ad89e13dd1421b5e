"""Files of weights that are cut short, incomplete or carry code are told without being loaded."""

import json
import os
import pickle
import subprocess
import sys

import pytest

from triptych.core import intact


class Payload:
    def __reduce__(self):
        return (os.system, ("touch canary",))


def safetensors(numbers: bytes, length: int | None = None) -> bytes:
    told = {"t": {"dtype": "U8", "shape": [len(numbers)], "data_offsets": [0, length or len(numbers)]}}
    header = json.dumps(told).encode()
    return len(header).to_bytes(8, "little") + header + numbers


@pytest.mark.fault(31)
def test_safetensors_must_be_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(b"numbers"))
    assert intact.faults(tmp_path, ["model.safetensors"]) == []
    whole = path.read_bytes()
    for data, told in [
        (whole[:-1], "is not whole"),
        (whole + b"!", "is not whole"),
        (b"", "no whole safetensors"),
        (b"\xff" * 64, "no whole safetensors"),
        ((5).to_bytes(8, "little") + b"[1,2]", "header cannot be read"),
        ((2).to_bytes(8, "little") + b"{}", None),
    ]:
        path.write_bytes(data)
        faults = intact.faults(tmp_path, ["model.safetensors"])
        assert (told is None and not faults) or (told in faults[0] and str(path) in faults[0])


def test_every_shard_that_an_index_names_must_be_there(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    (tmp_path / "one.safetensors").write_bytes(safetensors(b"numbers"))
    (fault,) = intact.faults(tmp_path, [index.name, "one.safetensors"])
    assert "names two.safetensors, which is missing" in fault
    index.write_text(json.dumps({"weight_map": {"a": "../../secret"}}))
    assert "outside of its folder" in intact.faults(tmp_path, [index.name])[0]
    index.write_text("[]")
    assert "is damaged" in intact.faults(tmp_path, [index.name])[0]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.fault(31)
def test_plain_tensors_pass_and_a_payload_is_named(tmp_path, zipped, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    numbers = {"weight": torch.ones(2, 3), "half": torch.ones(2, dtype=torch.float16), "size": torch.Size([1])}
    torch.save(numbers, path, _use_new_zipfile_serialization=zipped)
    assert intact.faults(tmp_path, [path.name]) == []
    torch.save({"weight": torch.ones(2), "more": Payload()}, path, _use_new_zipfile_serialization=zipped)
    (fault,) = intact.faults(tmp_path, [path.name])
    assert "posix.system" in fault and str(path) in fault and "not loaded" in fault
    assert not (tmp_path / "canary").exists()
    (tmp_path / "model.safetensors").write_bytes(safetensors(b"numbers"))
    assert intact.faults(tmp_path, [path.name, "model.safetensors"]) == [], "it is not what would be read"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.fault(31)
def test_a_bare_pickle_of_every_protocol_tells_its_imports(tmp_path, protocol):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(pickle.dumps({"a": Payload()}, protocol))
    assert "posix.system" in intact.faults(tmp_path, [path.name])[0]


@pytest.mark.fault(31)
def test_a_pickle_that_hides_its_imports_is_refused(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    # The name `torch.Size` is pushed and dropped again, above the names that are really taken.
    hidden = b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x05torch\x8c\x04Size00\x93."
    path.write_bytes(hidden)
    assert "carries more than numbers" in intact.faults(tmp_path, [path.name])[0]
    # Lengths of terabytes, and of a few MB more than there are.
    claims = (b"\x8e" + (1 << 56).to_bytes(8, "little"), b"B" + (5 << 20).to_bytes(4, "little") + b"x")
    for data in (b"", b"words", b"PK\x03\x04 no archive", *claims):
        path.write_bytes(data)
        assert "cannot be read as weights" in intact.faults(tmp_path, [path.name])[0]


def test_all_that_torch_reads_as_plain_passes():
    reader = pytest.importorskip("torch._weights_only_unpickler")
    program = "import torch._weights_only_unpickler as r; print(*sorted(r._get_allowed_globals()))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = ran.stdout.split()
    assert reader and len(names) > 50
    assert [name for name in names if not intact._PLAIN.fullmatch(name)] == []


def test_parts_of_a_sentence_transformers_model_are_the_library_s_own(tmp_path):
    path = tmp_path / "modules.json"
    path.write_text(json.dumps([{"type": "sentence_transformers.models.Transformer", "path": ""}]))
    assert intact.faults(tmp_path, ["modules.json"]) == []
    path.write_text(json.dumps([{"type": "modeling_evil.Evil", "path": ""}]))
    assert "outside of sentence-transformers (modeling_evil.Evil)" in intact.faults(tmp_path, [path.name])[0]
    path.write_text("{")
    assert "is damaged" in intact.faults(tmp_path, [path.name])[0]
