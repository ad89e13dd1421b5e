"""MobileNetV2 through LiteRT: its file, its labels, and with the real weights what it sees."""

import numpy as np
import pytest
from encoders.frames import pictures
from PIL import Image
from tiny import image

from triptych.encoders import base, registry
from triptych.encoders.faults import validate


def loaded(shared, **params):
    weights = shared / "weights"
    params = {"labels": str(weights / "imagenet_labels.txt")} | params
    made = registry.create("mobilenet-litert", params, model=str(weights / "mobilenet_v2_1.0_224_quant.tflite"))
    made.load("cpu")
    return made


def test_the_file_must_be_named_and_be_a_network(tmp_path):
    assert "name the model" in validate("m", {"use": "mobilenet-litert"}, 288)[0]
    assert "there is no such file" in validate("m", {"use": "mobilenet-litert", "model": "./none.tflite"}, 288)[0]
    (tmp_path / "text.tflite").write_text("no network")
    made = registry.create("mobilenet-litert", model=str(tmp_path / "text.tflite"))
    with pytest.raises(base.EncoderError, match="no network of LiteRT"):
        made.load("cpu")


def test_a_network_of_this_form_gives_both_arrays_frame_by_frame(tmp_path):
    path = image.build_mobilenet_litert(tmp_path)
    (tmp_path / "labels.txt").write_text("".join(f"{number}  thing {number}\n" for number in range(7)))
    params = {"labels": str(tmp_path / "labels.txt"), "likeliest": 2}
    made = registry.create("mobilenet-litert", params, model=str(path))
    made.load("cpu")
    items = [pictures(3, 1, "a", 64, 96), pictures(0, 2, "b"), pictures(2, 3, "c", 96, 64)]
    found = made.encode([made.prepare(items[0]), *items[1:]])
    assert [one.outcome.status for one in found] == ["ok", "absent", "ok"]
    assert {name: values.shape for name, values in found[0].arrays.items()} == {"embedding": (3, 16), "scores": (3, 7)}
    assert np.allclose(found[0].arrays["scores"].sum(axis=1), 1, atol=1e-5)
    assert found[0].arrays["embedding"].min() >= 0 and found[0].arrays["embedding"].max() <= 6
    best = int(found[0].arrays["scores"].mean(axis=0).argmax())
    assert found[0].notes["likeliest labels"][0][0] == f"thing {best}" and len(found[0].notes["likeliest labels"]) == 2
    for name in ("embedding", "scores"):
        assert np.array_equal(made.encode([items[2]])[0].arrays[name], found[2].arrays[name])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "seen"), [("cat.bmp", "Egyptian cat"), ("parrot.jpg", "macaw"), ("sunflower.bmp", "daisy")]
)
def test_pictures_are_what_they_show(shared, name, seen):
    made = loaded(shared)
    frame = np.asarray(Image.open(shared / "weights/images" / name).convert("RGB"))
    item = base.Pictures(name, [frame], np.zeros(1), *[np.zeros(1)] * 3)
    found = made.encode([item])[0]
    assert found.notes["likeliest labels"][0][0] == seen and found.notes["likeliest labels"][0][1] > 0.9
    assert len(found.notes["likeliest labels"]) == 10
    assert found.arrays["scores"].shape == (1, 1001) and found.arrays["scores"].sum() == pytest.approx(1, abs=0.05)
    # Means over the last feature map, behind a ReLU6.
    vector = found.arrays["embedding"]
    assert vector.shape == (1, 1280) and vector.min() == 0 and 0 < vector.max() <= 6


@pytest.mark.shared
def test_each_frame_on_its_own(shared):
    made = loaded(shared, labels="", likeliest=3)
    items = [pictures(3, 1, "a", 160, 240), pictures(0, 2, "b"), pictures(2, 3, "c", 240, 160)]
    found = made.encode([made.prepare(items[0]), *items[1:]])
    assert [one.outcome.status for one in found] == ["ok", "absent", "ok"]
    for item, one in zip(items, found, strict=True):
        if one.outcome.ok:
            alone = made.encode([item])[0]
            assert all((one.arrays[name] == alone.arrays[name]).all() for name in ("embedding", "scores"))
            assert one.times["scores"][:, 0].tolist() == item.times.tolist()
    assert found[0].notes["likeliest labels"][0][0].startswith("class ")
    assert len(found[0].notes["likeliest labels"]) == 3


@pytest.mark.shared
def test_labels_must_fit(shared, tmp_path):
    with pytest.raises(base.EncoderError, match="there is no such file"):
        loaded(shared, labels=str(tmp_path / "none.txt"))
    (tmp_path / "two.txt").write_text("cat\ndog\n")
    with pytest.raises(base.EncoderError, match="has 2 labels, the network 1001 classes"):
        loaded(shared, labels=str(tmp_path / "two.txt"))
    yamnet = registry.create("mobilenet-litert", model=str(shared / "weights/yamnet.tflite"))
    with pytest.raises(base.EncoderError, match="no MobileNetV2 of pictures"):
        yamnet.load("cpu")
