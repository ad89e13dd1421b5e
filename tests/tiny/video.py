"""Tiny random checkpoints of video models, with the image processors that their hubs' folders have."""

from __future__ import annotations

from pathlib import Path

from tiny.image import LAYERS, PATCHES, SIDE, _save, _square
from triptych.encoders.pretrained import libraries


def build_vivit(folder: Path) -> Path:
    """As google/vivit-b-16x2-kinetics400: a classifier without a pooling layer, and its processor's mistyped name."""
    transformers = libraries()
    sizes = {key: value for key, value in PATCHES.items() if key != "patch_size"}
    config = transformers.VivitConfig(**sizes, num_frames=8, tubelet_size=[2, 16, 16], num_labels=3)
    more = {"crop_size": _square(), "do_center_crop": True, "size": {"shortest_edge": SIDE}}
    more |= {"rescale_factor": 1 / 127.5, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    return _save(folder, transformers.VivitForVideoClassification, config, "ViViTImageProcessor", **more)


def build_videomae(folder: Path) -> Path:
    """As MCG-NJU/videomae-base-finetuned-kinetics: no class token."""
    transformers = libraries()
    config = transformers.VideoMAEConfig(**PATCHES, num_frames=6, tubelet_size=2, num_labels=3)
    more = {"crop_size": _square(), "do_center_crop": True, "size": {"shortest_edge": SIDE}}
    return _save(folder, transformers.VideoMAEForVideoClassification, config, "VideoMAEImageProcessor", **more)


def build_xclip(folder: Path) -> Path:
    """As microsoft/xclip-base-patch32, with its text tower."""
    transformers = libraries()
    text = {**LAYERS, "vocab_size": 50, "max_position_embeddings": 8}
    mit = {"mit_hidden_size": 12, "mit_intermediate_size": 24, "mit_num_hidden_layers": 1, "mit_num_attention_heads": 2}
    vision = {**PATCHES, **mit, "num_frames": 4}
    config = transformers.XCLIPConfig(
        text_config=text, vision_config=vision, projection_dim=12, prompt_num_attention_heads=2
    )
    more = {"crop_size": _square(), "do_center_crop": True, "size": {"shortest_edge": SIDE}}
    return _save(folder, transformers.XCLIPModel, config, "VideoMAEImageProcessor", **more)


def build_timesformer(folder: Path) -> Path:
    """As facebook/timesformer-base-finetuned-k400."""
    transformers = libraries()
    config = transformers.TimesformerConfig(**PATCHES, num_frames=4, num_labels=3)
    more = {"crop_size": _square(), "do_center_crop": True, "size": {"shortest_edge": SIDE}}
    return _save(folder, transformers.TimesformerForVideoClassification, config, "VideoMAEImageProcessor", **more)


#: Preset -> builder of its tiny checkpoint, the length of its vectors, and the frames of its clips.
PRESETS = {
    "vivit": (build_vivit, 16, 8),
    "videomae": (build_videomae, 16, 6),
    "xclip": (build_xclip, 12, 4),
    "timesformer": (build_timesformer, 16, 4),
    "video-transformers": (build_vivit, 16, 8),
}
