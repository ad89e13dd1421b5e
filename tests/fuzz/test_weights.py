"""Files of weights: looked at without being loaded; nothing of a pickle is ever imported."""

import json
import pickle
import zipfile

import pytest
from fuzz.damage import SPLICES, damaged, json_files
from fuzz.target import target, tried
from hypothesis import strategies as st

from triptych.core import intact

HEADER = {"t": {"dtype": "U8", "shape": [7], "data_offsets": [0, 7]}, "__metadata__": {"format": "pt"}}
INDEX = {"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
PICKLES = tuple(pickle.dumps({"a": [1, 2.5, "x", complex(1, 2)], "b": print}, protocol) for protocol in range(6))


@target(share=2, header=json_files(HEADER), length=st.none() | st.integers(0, 2**64 - 1))
def test_headers_of_safetensors_are_judged(folder, header, length):
    path = folder / "model.safetensors"
    size = len(header) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + header + b"numbers")
    for fault in intact.faults(folder, [path.name]):
        assert str(path) in fault


@target(share=2, index=json_files(INDEX), modules=json_files(MODULES))
def test_lists_of_parts_are_judged(folder, index, modules):
    for name, content in (("model.safetensors.index.json", index), ("modules.json", modules)):
        (folder / name).write_bytes(content)
        for fault in intact.faults(folder, [name]):
            assert str(folder / name) in fault


@target(share=2, content=st.one_of(damaged(*PICKLES), st.binary(max_size=100)), zipped=st.booleans())
def test_pickles_tell_their_imports_without_running_them(folder, content, zipped):
    path = folder / "pytorch_model.bin"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        path.write_bytes(content)
    names = tried((ValueError, OSError, zipfile.BadZipFile), (), intact.imports, path)
    faults = intact.faults(folder, [path.name])
    if names is None:
        assert faults and str(path) in faults[0]


@target(content=damaged(*(b"PK\x03\x04" + one for one in SPLICES), b"PK\x03\x04" + bytes(40)))
def test_archives_that_are_none(folder, content):
    path = folder / "pytorch_model.bin"
    path.write_bytes(content)
    for fault in intact.faults(folder, [path.name]):
        assert str(path) in fault


def test_a_whole_header_has_no_fault(tmp_path):
    text = json.dumps(HEADER).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"numbers")
    assert intact.faults(tmp_path, ["model.safetensors"]) == []
    with pytest.raises(ValueError, match="not enough data"):
        (tmp_path / "x").write_bytes(b"\x80\x04\x95")
        intact.imports(tmp_path / "x")
