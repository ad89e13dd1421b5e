"""Tiny random detectors of the true classes, saved as their makers save them."""

from pathlib import Path

NAMES = ("person", "dog", "<b>bus</b>", "kite", "cup")


def _saved(folder, network, processor) -> Path:
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)


def _names() -> dict:
    return {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}


def _loud(layer, scale: float) -> None:
    """Random heads say the same of every frame; larger weights tell frames apart, and few are of "no object"."""
    import torch

    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.uniform_(-1.0, 1.0)
        layer.bias[len(NAMES) :] = -1.0


def build_rt_detr(folder: Path) -> Path:
    """RT-DETR: 5 classes, 20 queries, frames of 64 x 64."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_indices=[2, 3, 4]
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        feat_strides=[8, 16, 32],
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        hidden_expansion=1.0,
        d_model=16,
        num_queries=20,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_denoising=0,
        **_names(),
    )
    network = RTDetrForObjectDetection(config)
    for layer in network.model.decoder.class_embed:
        _loud(layer, 4.0)
    return _saved(folder, network, RTDetrImageProcessor(size={"height": 64, "width": 64}))


def build_yolos(folder: Path) -> Path:
    """YOLOS: 5 classes, 10 detection tokens, shortest edge 64; weights as safetensors."""
    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    torch.manual_seed(1)
    config = YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[64, 96],
        patch_size=16,
        num_detection_tokens=10,
        **_names(),
    )
    network = YolosForObjectDetection(config)
    _loud(network.class_labels_classifier.layers[-1], 100.0)
    return _saved(folder, network, YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}))


def build_detr(folder: Path) -> Path:
    """DETR on a ResNet of transformers: 5 classes, 10 queries, shortest edge 64."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    torch.manual_seed(2)
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )
    config = DetrConfig(
        use_timm_backbone=False,
        backbone_config=backbone,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=10,
        **_names(),
    )
    network = DetrForObjectDetection(config)
    _loud(network.class_labels_classifier, 100.0)
    return _saved(folder, network, DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}))


def build_yolo(path: Path) -> Path:
    """YOLO11n as ultralytics builds it from its own description, saved as a .pt (5.5 MB); 5 classes."""
    import torch
    import yaml

    from triptych.encoders.yolo import quiet

    quiet()
    from ultralytics import YOLO
    from ultralytics.nn.tasks import yaml_model_load

    torch.manual_seed(3)
    described = yaml_model_load("yolo11n.yaml") | {"nc": len(NAMES)}
    small = Path(path).with_name("yolo11n.yaml")  # the letter of the name chooses the size
    small.write_text(yaml.safe_dump({key: value for key, value in described.items() if key != "yaml_file"}))
    model = YOLO(str(small), task="detect", verbose=False)
    small.unlink()
    model.model.names = dict(enumerate(NAMES))
    with torch.no_grad():
        for branch in model.model.model[-1].cv3:  # the heads' class layers
            branch[-1].weight.mul_(30.0)
            branch[-1].bias.uniform_(-3.0, 1.0)
    model.save(str(path))
    return Path(path)


def trust(path: Path, lock: Path) -> None:
    """List a file in a `models.lock`."""
    from triptych.core import weights

    lock.write_text('{"models": {}}') if not lock.exists() else None
    found = weights.locate(str(path), kind="file")
    weights.write_lock(weights.read_lock(lock) | {str(path): weights.entry_of(found)}, lock)


def booby_trapped(path: Path, canary: Path) -> Path:
    """A .pt that makes the file `canary` when its pickle is read as a pickle."""
    import torch

    torch.save({"model": Trap(str(canary)), "train_args": {}}, path)
    return Path(path)


class Trap:
    """What a pickle of it does: `open(canary, "w")`."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self):
        return open, (self.canary, "w")
