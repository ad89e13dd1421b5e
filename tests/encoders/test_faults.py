"""What `check` tells of an encoder and of features before any job."""

import subprocess
import sys

import pytest

from triptych.encoders import registry
from triptych.encoders.faults import feature_faults, validate


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ({"use": "clasic-audio"}, "did you mean 'classic-audio'"),
        ({"use": "no_such_module:Thing"}, "cannot import no_such_module"),
        ({"use": "triptych.core.files:Thing"}, "has no class 'Thing'"),
        ({"use": "triptych.core.files:digest_file"}, "not an encoder"),
        ({"use": "classic-audio", "params": {"windw": 1}}, "did you mean 'window'"),
        ({"use": "classic-audio", "params": {"window": 0}}, "must be at least 0.1 (given: 0)"),
        ({"use": "classic-audio", "params": {"window": "long"}}, "must be a number"),
        ({"use": "classic-audio", "params": {"hop": float("nan")}}, "must be finite"),
        ({"use": "classic-image", "params": {"side": 3}}, "it has no parameters"),
        ({"use": "minilm", "params": {"tokens": 12.5}}, "must be a whole number"),
        ({"use": "minilm", "params": {"tokens": 1000}}, "must be at most 254"),
        ({"use": "minilm", "text": []}, "name at least one field"),
    ],
)
def test_faults_are_told_with_their_place(encoder, told):
    faults = validate("mine", encoder, short_side=288)
    assert len(faults) == 1 and faults[0].startswith("encoders.mine.") and told in faults[0]


def test_all_parameter_faults_at_once():
    assert len(validate("mine", {"use": "classic-audio", "params": {"window": 0, "hop": -1, "x": 1}})) == 3


def test_small_frames_and_missing_extras(monkeypatch):
    assert validate("i", {"use": "classic-image"}, short_side=288) == []
    assert "raise it to 64" in validate("i", {"use": "classic-image"}, short_side=32)[0]
    monkeypatch.setitem(registry.find("minilm").card.__dict__, "packages", ("no_such_package",))
    fault = validate("t", {"use": "minilm"})[0]
    assert "needs no_such_package" in fault and 'pip install "triptych[minilm]"' in fault


def test_features_name_arrays_that_exist():
    encoders = {"sound": {"use": "classic-audio"}}
    assert feature_faults({"heard": {"from": "sound.clip"}}, encoders) == []
    fault = feature_faults({"heard": {"from": "sound.embedding"}}, encoders)
    assert fault == ["features.heard.from: sound gives no array 'embedding'; it gives clip, window, mel"]


def test_checking_imports_nothing_heavy():
    code = (
        "import sys; from triptych.encoders import registry; from triptych.encoders.faults import validate; "
        "[validate(name, {'use': name}, 288) for name in registry.REGISTRY]; "
        "[registry.signature({'use': name}) for name in registry.REGISTRY if not registry.find(name).card.has_model]; "
        "heavy = ('torch', 'cv2', 'scipy', 'sklearn', 'h5py', 'av', 'transformers'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("use", [":Class", "..module:Class", "module:"])
def test_an_import_path_that_is_none_is_a_fault_of_the_study(use):
    assert validate("mine", {"use": use})[0].startswith("encoders.mine.use: ")


@pytest.mark.parametrize(
    ("use", "told"),
    [
        ("clip", "holds no preprocessor_config.json or processor_config.json"),
        ("vivit", "holds no preprocessor_config.json"),
        ("ast", "holds no preprocessor_config.json"),
        ("rt-detr", "holds no preprocessor_config.json"),
        ("text-transformers", "holds no tokenizer.json"),
        ("sentence-transformers", "holds no modules.json, so it is no model of sentence-transformers"),
    ],
)
def test_a_folder_that_is_not_whole_is_told_before_any_job(use, told, tmp_path):
    import json
    import struct

    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    faults = validate("mine", {"use": use, "model": str(tmp_path)}, 288, 32)
    assert len(faults) == 1 and told in faults[0] and faults[0].startswith("encoders.mine.model: ")
