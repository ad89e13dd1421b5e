"""Detectors of transformers: tiny random checkpoints of the true classes."""

import importlib.util
import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny import objects

from triptych.core import torchvision
from triptych.encoders import base, registry
from triptych.encoders.faults import validate

BUILDERS = {"rt-detr": objects.build_rt_detr, "yolos": objects.build_yolos, "detr": objects.build_detr}


@pytest.fixture(scope="module", params=list(BUILDERS))
def model(request, tmp_path_factory):
    torchvision.mend()
    return request.param, str(BUILDERS[request.param](tmp_path_factory.mktemp(request.param)))


def pictures(video, count, height, width):
    random = np.random.default_rng(sum(map(ord, video)))
    coarse = random.integers(0, 255, (count, height // 8, width // 8, 3), dtype=np.uint8)
    frames = list(coarse.repeat(8, axis=1).repeat(8, axis=2))
    return base.Pictures(video, frames, np.arange(count) * 1.0, np.ones(count), [], np.zeros(0))


def loaded(use, model, **params):
    made = registry.create(use, {"confidence": 0.2, **params}, model=model)
    made.load("cpu")
    return made


def test_a_checkpoint_gives_all_arrays(model):
    encoder = loaded(*model, max_detections=7)
    found = encoder.encode([pictures("a", 9, 72, 96)])[0]
    assert found.arrays["classes"].shape == (9, 5) and found.arrays["classes"].max() > 0.2
    rows = found.arrays["boxes"]
    assert rows.shape[1] == 7 and 0 < len(rows) <= 9 * 7 and (rows[:, 2] >= 0.2).all()
    assert (rows[:, 3:] >= 0).all() and (rows[:, 3:] <= 1).all() and (rows[:, 5] >= rows[:, 3]).all()
    assert {name for name, _ in found.notes["class numbers"]} <= set(objects.NAMES)


def test_no_frame_changes_another_ones_boxes(model):
    encoder = loaded(*model)
    batch = [pictures("a", 3, 72, 96), pictures("b", 11, 96, 72), pictures("c", 2, 72, 96), pictures("d", 2, 64, 64)]
    for item, together in zip(batch, encoder.encode(batch), strict=True):
        alone = encoder.encode([item])[0]
        for name in ("classes", "boxes"):
            assert together.arrays[name] == pytest.approx(alone.arrays[name], rel=1e-5, abs=1e-6), name


def test_scores_and_boxes_are_those_of_the_library(model):
    import torch

    encoder = loaded(*model)
    item = pictures("a", 2, 72, 96)
    own = encoder.encode([item])[0].arrays["boxes"]
    with torch.inference_mode():
        given = encoder.processor(images=item.frames, return_tensors="pt")
        told = encoder.network(**given)
        told = encoder.processor.post_process_object_detection(told, threshold=0.2, target_sizes=[(72, 96)] * 2)
    for number, one in enumerate(told):
        rows = own[own[:, 0] == number]
        order = np.argsort(-one["scores"].numpy(), kind="stable")
        assert rows[:, 2] == pytest.approx(one["scores"].numpy()[order], rel=1e-4)
        assert set(rows[:, 1]) == set(one["labels"].tolist())
        mine, theirs = rows[:, 3:] * [96, 72, 96, 72], one["boxes"].numpy().clip(0, [96, 72, 96, 72])
        assert np.sort(mine, axis=0) == pytest.approx(np.sort(theirs, axis=0), rel=1e-3, abs=1e-3)


def test_any_detector_by_its_folder(model):
    use, folder = model
    item = pictures("a", 2, 72, 96)
    one, other = (loaded(name, folder).encode([item])[0] for name in (use, "detector"))
    assert (one.arrays["boxes"] == other.arrays["boxes"]).all()
    assert registry.find("detector").card.model == ""


def test_weights_of_another_model_are_refused(tmp_path):
    torchvision.mend()
    from safetensors.numpy import load_file, save_file

    folder = objects.build_detr(tmp_path)
    kept = {name: value for name, value in load_file(folder / "model.safetensors").items() if "bbox" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(base.EncoderError, match="not those of a detector"):
        loaded("detr", str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(base.EncoderError, match="cannot be loaded as a detector"):
        loaded("detr", str(folder))


def test_a_backbone_of_timm_is_told_before_any_job(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "timm" else real(name, *more))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", "use_timm_backbone": True}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    save_file({"a": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    (fault,) = validate("objects", {"use": "detr", "model": str(tmp_path)})
    assert fault.startswith("encoders.objects.model: ") and "pip install timm" in fault
    with pytest.raises(base.EncoderError, match="pip install timm"):
        loaded("detr", str(tmp_path))
