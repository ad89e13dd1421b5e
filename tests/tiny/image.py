"""Tiny random checkpoints of vision models, with the image processors that their hubs' folders have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from triptych.encoders.pretrained import libraries

SIDE = 32
#: What vision transformers share: two small layers.
LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PATCHES = {"image_size": SIDE, "patch_size": 8, **LAYERS}


def build_resnet(folder: Path) -> Path:
    """As microsoft/resnet-50: a classifier, so that its head is not read."""
    transformers = libraries()
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 1, 1], layer_type="bottleneck", num_labels=3
    )
    return _save(folder, transformers.ResNetForImageClassification, config, "ConvNextImageProcessor", crop_pct=0.875)


def build_mobilenet(folder: Path) -> Path:
    """As google/mobilenet_v2_1.0_224."""
    transformers = libraries()
    config = transformers.MobileNetV2Config(
        image_size=SIDE, depth_multiplier=0.25, finegrained_output=False, num_labels=3
    )
    more = {"size": {"shortest_edge": 37}, "crop_size": _square(), "do_center_crop": True}
    return _save(folder, transformers.MobileNetV2ForImageClassification, config, "MobileNetV2ImageProcessor", **more)


def build_clip(folder: Path) -> Path:
    """As openai/clip-vit-base-patch32, with its text tower."""
    transformers = libraries()
    text = {**LAYERS, "vocab_size": 50, "max_position_embeddings": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=dict(PATCHES), projection_dim=12)
    more = {"size": {"shortest_edge": SIDE}, "crop_size": _square(), "do_center_crop": True, "resample": 3}
    return _save(folder, transformers.CLIPModel, config, "CLIPImageProcessor", **more)


def build_siglip(folder: Path) -> Path:
    """As google/siglip2-base-patch16-224, whose network is that of SigLIP."""
    transformers = libraries()
    text = {**LAYERS, "vocab_size": 50, "max_position_embeddings": 8, "projection_size": 16}
    config = transformers.SiglipConfig(text_config=text, vision_config=dict(PATCHES))
    return _save(folder, transformers.SiglipModel, config, "SiglipImageProcessor", image_mean=[0.5] * 3)


def build_dinov2(folder: Path) -> Path:
    """As facebook/dinov2-base."""
    transformers = libraries()
    config = transformers.Dinov2Config(**PATCHES)
    more = {"size": {"shortest_edge": 37}, "crop_size": _square(), "do_center_crop": True}
    return _save(folder, transformers.Dinov2Model, config, "BitImageProcessor", **more)


def build_dinov3(folder: Path) -> Path:
    """As facebook/dinov3-vitb16-pretrain-lvd1689m: four registers, and a processor without a PIL class."""
    transformers = libraries()
    config = transformers.DINOv3ViTConfig(**PATCHES, num_register_tokens=4)
    return _save(folder, transformers.DINOv3ViTModel, config, "DINOv3ViTImageProcessorFast")


def build_vit_mae(folder: Path) -> Path:
    """As facebook/vit-mae-base: with its decoder."""
    transformers = libraries()
    decoder = {"decoder_num_attention_heads": 2, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1}
    config = transformers.ViTMAEConfig(**PATCHES, **decoder, decoder_intermediate_size=32)
    return _save(folder, transformers.ViTMAEForPreTraining, config, "ViTImageProcessor")


def build_vit(folder: Path) -> Path:
    """As google/vit-base-patch16-224: a classifier, its checkpoint without a pooling layer."""
    transformers = libraries()
    config = transformers.ViTConfig(**PATCHES, num_labels=3)
    return _save(folder, transformers.ViTForImageClassification, config, "ViTImageProcessor")


def build_swin(folder: Path) -> Path:
    """A transformer without a class token."""
    transformers = libraries()
    config = transformers.SwinConfig(
        image_size=SIDE, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    return _save(folder, transformers.SwinModel, config, "ViTImageProcessor")


#: Preset -> builder of its tiny checkpoint and the length of its vectors.
def build_mobilenet_litert(folder: Path, side: int = SIDE, classes: int = 7) -> Path:
    """A LiteRT file of floats with the input, the output and the name of the inner tensor of MobileNetV2."""
    from triptych.encoders.tfhub import tensorflow

    tf = tensorflow()
    random = np.random.default_rng(7)
    kernel = tf.constant(random.normal(0, 0.3, (4, 4, 3, 16)).astype(np.float32))
    classify = tf.constant(random.normal(0, 1, (16, classes)).astype(np.float32))

    class Toy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, side, side, 3], tf.float32)])
        def __call__(self, pixels):
            hidden = tf.nn.relu6(tf.nn.conv2d(pixels, kernel, 4, "VALID"))
            with tf.name_scope("MobilenetV2"), tf.name_scope("Logits"):
                pooled = tf.nn.avg_pool2d(hidden, side // 4, 1, "VALID", name="AvgPool")
            return tf.nn.softmax(tf.matmul(tf.reshape(pooled, [1, 16]), classify))

    toy = Toy()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([toy.__call__.get_concrete_function()], toy)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mobilenet.tflite"
    path.write_bytes(converter.convert())
    return path


PRESETS = {
    "resnet50": (build_resnet, 24),
    "resnet152": (build_resnet, 24),
    "mobilenet-v2": (build_mobilenet, 320),
    "clip": (build_clip, 12),
    "siglip2": (build_siglip, 16),
    "dinov2": (build_dinov2, 16),
    "dinov3": (build_dinov3, 16),
    "vit-mae": (build_vit_mae, 16),
    "image-transformers": (build_vit, 16),
}


def _square(side: int = SIDE) -> dict[str, int]:
    return {"height": side, "width": side}


def _save(folder: Path, kind: Any, config: Any, processor: str, **more: Any) -> Path:
    """Random weights that depend on nothing but the configuration, and preprocessor_config.json."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = kind(config)
        _unsettle(made)
    made.save_pretrained(str(folder))
    told = {
        "image_processor_type": processor,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "size": {"shortest_edge": SIDE} if "crop_pct" in more else _square(),
        "resample": 2,
        "rescale_factor": 1 / 255,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        **more,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def _unsettle(made: Any) -> None:
    """Parameters that start as zeros or tiny numbers would hide what is read."""
    import torch

    for parameter in made.parameters():
        if parameter.ndim < 2 or parameter.abs().max() < 0.1:
            parameter.data += 0.2 * torch.randn_like(parameter)
