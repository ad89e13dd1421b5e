"""Vision models of transformers, tiny ones of the true classes: which vector, which pixels, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from encoders.frames import close, pictures
from tiny import image

from triptych.encoders import base, registry
from triptych.encoders.faults import validate
from triptych.encoders.pixels import Processor
from triptych.encoders.pretrained import libraries


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("image")
    builders = {build for build, _ in image.PRESETS.values()} | {image.build_swin}
    return {build: build(root / build.__name__) for build in builders}


def loaded(use, folder, **params):
    made = registry.create(use, params, model=str(folder))
    made.load("cpu")
    return made


def pixels_of(folder, item):
    """What the processor of the folder itself gives."""
    made = libraries().AutoImageProcessor.from_pretrained(str(folder), backend="pil")
    return made(item.frames, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("use", image.PRESETS)
def test_a_vector_for_each_frame(folders, use):
    build, length = image.PRESETS[use]
    made = loaded(use, folders[build])
    items = [pictures(3, 1, "a"), pictures(0, 2, "b"), pictures(5, 3, "c")]
    found = made.encode(items)
    assert [one.outcome.status for one in found] == ["ok", "absent", "ok"]
    assert found[0].arrays["embedding"].shape == (3, length) and found[0].arrays["embedding"].dtype == np.float32
    assert found[2].times["embedding"].tolist() == [[time, time] for time in items[2].times]
    distinct = found[2].arrays["embedding"]
    assert np.linalg.norm(distinct[0] - distinct[1]) > 1e-4 * np.linalg.norm(distinct[0])


@pytest.mark.parametrize("use", image.PRESETS)
def test_neither_other_frames_nor_other_videos_matter(folders, use):
    made = loaded(use, folders[image.PRESETS[use][0]])
    items = [pictures(count, count, str(count), height=72 + 12 * (count % 2)) for count in (1, 4, 40, 7)]
    together = made.encode(items)
    prepared = made.encode([made.prepare(item) for item in reversed(items)])
    for item, one, two in zip(items, together, reversed(prepared), strict=True):
        alone = made.encode([item])[0].arrays["embedding"]
        assert close(one.arrays["embedding"], alone) and close(two.arrays["embedding"], alone)
    first = pictures(4, 4, "one")
    lone = base.Pictures("one", first.frames[2:3], first.times[2:3], *[np.zeros(1)] * 3)
    assert close(made.encode([lone])[0].arrays["embedding"], together[1].arrays["embedding"][2:3])


def reference(use, folder, pixels):
    """The vectors, by the classes of transformers that a user would write."""
    transformers = libraries()
    path = str(folder)
    if use == "clip":
        return transformers.CLIPModel.from_pretrained(path).eval().get_image_features(pixels).pooler_output
    if use == "siglip2":
        return transformers.SiglipModel.from_pretrained(path).eval().get_image_features(pixels).pooler_output
    if use in ("resnet50", "mobilenet-v2"):
        return transformers.AutoModel.from_pretrained(path).eval()(pixels).pooler_output.flatten(1)
    if use == "image-transformers":
        whole = transformers.ViTForImageClassification.from_pretrained(path).eval()
        return whole.vit(pixels).last_hidden_state[:, 0]
    return transformers.AutoModel.from_pretrained(path).eval()(pixels).last_hidden_state[:, 0]


@pytest.mark.parametrize("use", ["clip", "siglip2", "resnet50", "mobilenet-v2", "dinov2", "image-transformers"])
def test_vectors_are_those_of_the_library(folders, use):
    import torch

    folder, item = folders[image.PRESETS[use][0]], pictures(3)
    found = loaded(use, folder).encode([item])[0].arrays["embedding"]
    with torch.inference_mode():
        assert close(found, reference(use, folder, pixels_of(folder, item)).numpy(), 1e-4)


def test_masked_autoencoder_sees_all_patches_in_their_order(folders):
    """Its own forward leaves out three quarters at random; the encoder gives the same again, and reads every patch."""
    folder = folders[image.build_vit_mae]
    made = loaded("vit-mae", folder)
    item = pictures(1)
    before = made.encode([item])[0].arrays["embedding"]
    assert (made.encode([item])[0].arrays["embedding"] == before).all()
    for row, column in ((0, 0), (71, 95), (30, 60)):
        changed = item.frames[0].copy()
        changed[max(0, row - 9) : row + 9, max(0, column - 12) : column + 12] ^= 255
        other = base.Pictures("a", [changed], item.times, *[np.zeros(1)] * 3)
        assert not close(made.encode([other])[0].arrays["embedding"], before, 1e-4)


def test_pixels_are_the_processors_own(folders):
    for build, folder in folders.items():
        made = Processor(folder)
        item = pictures(2, height=60, width=84)
        ready = made.prepare(item.frames)
        assert made.plain and ready.dtype == np.uint8, build.__name__
        if build is not image.build_dinov3:  # no PIL class of its own
            wanted = pixels_of(folder, item).numpy()
            assert np.abs(made.scaled(ready, "cpu").numpy() - wanted).max() < 1e-5, build.__name__
        assert ready.shape == (2, 3, image.SIDE, image.SIDE)


def test_processor_whose_steps_are_others_is_used_as_it_is(folders, tmp_path):
    folder = shutil.copytree(folders[image.build_vit], tmp_path / "vit")
    told = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(told | {"do_resize": True, "do_rescale": False}))
    made = Processor(folder)
    item = pictures(2)
    assert np.abs(made.scaled(made.prepare(item.frames), "cpu").numpy() - pixels_of(folder, item).numpy()).max() < 1e-3
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(base.EncoderError, match=r"no image processor \(preprocessor_config.json\)"):
        Processor(folder)


def test_token_zero_and_mean(folders):
    import torch

    folder, item = folders[image.build_dinov3], pictures(2)
    with torch.inference_mode():
        whole = libraries().AutoModel.from_pretrained(str(folder)).eval()
        made = loaded("dinov3", folder)
        hidden = whole(made.processor.scaled(made.prepare(item).pixels, "cpu")).last_hidden_state.numpy()
    assert hidden.shape[1] == 1 + 4 + 16
    assert close(made.encode([item])[0].arrays["embedding"], hidden[:, 0])
    mean = loaded("dinov3", folder, pool="mean").encode([item])[0].arrays["embedding"]
    assert close(mean, hidden[:, 5:].mean(axis=1)) and not close(mean, hidden[:, 0], 1e-2)


def test_without_a_class_token_tokens_are_averaged(folders):
    folder, item = folders[image.build_swin], pictures(2)
    found = loaded("image-transformers", folder).encode([item])[0].arrays["embedding"]
    assert close(found, loaded("image-transformers", folder, pool="mean").encode([item])[0].arrays["embedding"])
    with pytest.raises(base.EncoderError, match="has no class token"):
        loaded("image-transformers", folder, pool="cls")


def test_weights_that_are_missing_are_never_random(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(base.EncoderError, match=r"lacks 2 of the weights.*pooler.*would be random"):
        loaded("image-transformers", folders[image.build_vit], pool="pooler")
    folder = shutil.copytree(folders[image.build_dinov2], tmp_path / "dinov2")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.mlp.fc1.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(base.EncoderError, match=r"lacks 1 of the weights that Dinov2Model reads \(.*fc1.weight\)"):
        loaded("dinov2", folder)
    # The decoder of a masked autoencoder and the text tower of CLIP are not read, so nothing asks for them.
    clip = shutil.copytree(folders[image.build_clip], tmp_path / "clip")
    tensors = {name: one for name, one in load_file(clip / "model.safetensors").items() if "text" not in name}
    save_file(tensors, clip / "model.safetensors", metadata={"format": "pt"})
    assert loaded("clip", clip).encode([pictures(1)])[0].outcome.ok


def test_half_precision_of_a_checkpoint_is_not_computed_in(folders, tmp_path):
    transformers = libraries()
    folder = shutil.copytree(folders[image.build_dinov2], tmp_path / "half")
    transformers.AutoModel.from_pretrained(str(folder)).half().save_pretrained(str(folder))
    made = loaded("dinov2", folder)
    assert {str(one.dtype) for one in made.network.parameters()} == {"torch.float32"}


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_of_a_checkpoint_is_executed(folders, tmp_path):
    import torch

    folder = shutil.copytree(folders[image.build_dinov2], tmp_path / "hostile")
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings.cls_token": Payload(tmp_path / "canary")}, folder / "pytorch_model.bin")
    with pytest.raises(base.EncoderError, match=r"carries more than numbers \(it wants to call io\.open\); not loaded"):
        loaded("dinov2", folder)
    assert not (tmp_path / "canary").exists()
    whole = (folders[image.build_dinov2] / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(base.EncoderError, match="is not whole"):
        loaded("dinov2", folder)


def test_models_of_another_kind_are_told(folders, tmp_path):
    with pytest.raises(base.EncoderError, match="there is no such folder"):
        loaded("clip", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(base.EncoderError, match="holds no weights"):
        loaded("clip", tmp_path / "empty")
    with pytest.raises(base.EncoderError, match="name the model"):
        made = registry.create("image-transformers")
        made.load("cpu")
    assert "must be one of auto, cls, mean, pooler" in validate("a", {"use": "clip", "params": {"pool": "max"}})[0]
