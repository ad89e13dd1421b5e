"""Frames by networks of transformers: convolutional ones, vision transformers, and the image towers of CLIP and SigLIP.

Arrays:
    embedding   (n, D): a vector for each stored frame, with the frame's time.

What the vector is, by architecture (`pool: auto`): of convolutional networks the mean over the last feature map (or
their own trained pooling of it), of CLIP the projected one that is compared with text, of SigLIP its attention pooling,
of transformers with a class token that token, of others the mean over tokens. A pooling layer whose weights are not in
the checkpoint is never read. ViT-MAE sees all patches in their order, nothing masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import pretrained, registry
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Pictures
from triptych.encoders.pixels import Pixels, Processor

VERSION = "1"

#: Frames that go through the network at once, on the CPU and on a graphics card.
FRAMES = {"cpu": 8, "cuda": 64}

PARAMETERS = {
    "pool": Param(
        "auto",
        "what stands for a frame: `cls` (class token), `mean` (of tokens, or of the feature map), `pooler` (the "
        "model's own pooling, when its weights are in the checkpoint), or the architecture's choice",
        choices=("auto", "cls", "mean", "pooler"),
    )
}


class ImageTransformers:
    """Any vision model of transformers; presets below name a checkpoint."""

    card = ModelCard(
        name="image-transformers",
        modality="image",
        arrays={"embedding": 0},
        revision="pinned by models.lock",
        licence="of the model",
        source="a model of the Hugging Face hub or a local folder, by `model:`",
        version=VERSION,
        extra="models",
        packages=("torch", "transformers"),
        parameters=PARAMETERS,
        frame_side=224,
        weights="folder",
        memory_mb=4000,
        threads=2,
        gpu=True,
    )
    model = ""
    revision: str | None = None

    prepare_parallel = True

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.device = "cpu"
        self.processor: Any = None
        self.network: Any = None
        self.pool = str(params["pool"])
        self._tokens, self._special = "mean", 0

    def lacks(self, folder: Path) -> list[str]:
        """What the model's folder must hold and does not, told before any job."""
        return pretrained.lacking(folder)

    def load(self, device: str) -> None:
        """Load processor and network from the folder that `models.lock` was held against.

        Raises:
            EncoderError: no such model, weights that are missing from the checkpoint, a pooling that it has not.
        """
        located = registry.weights_of(self)
        config = pretrained.config_of(located)
        self.device = device
        self.processor = Processor(located.path)
        self.network = self._network(located, config, device)
        own = pretrained.has_class_token(self.network)
        if self.pool == "cls" and not own:
            raise EncoderError(f"{located.model} has no class token; choose another `pool`")
        if self.pool == "auto":
            self._tokens = "cls" if own else "mean"
        # Tokens that are no patches stand first: the class token, and registers.
        self._special = int(own) + int(getattr(config, "num_register_tokens", 0) or 0)

    def prepare(self, item: Pictures) -> Pixels:
        """Frames resized and cropped."""
        if not len(item.frames):
            return Pixels(item.video, np.zeros((0, 3, 1, 1), np.uint8), np.zeros(0))
        return Pixels(item.video, self.processor.prepare(item.frames), np.asarray(item.times, np.float64))

    def encode(self, batch: Sequence[Pictures | Pixels]) -> list[Encoded]:
        """Array `embedding` of each video, from what `prepare` gave (or from pictures)."""
        import torch

        items = [item if isinstance(item, Pixels) else self.prepare(item) for item in batch]
        pixels = [item.pixels for item in items if len(item.pixels)]
        vectors = []
        with torch.inference_mode():
            for chunk in _chunks(pixels, FRAMES[self.device.split(":")[0]]):
                found = self._vectors(self.processor.scaled(chunk, self.device))
                vectors.append(found.float().cpu().numpy())
        rows = np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)
        results, start = [], 0
        for item in items:
            end = start + len(item.pixels)
            results.append(_encoded(rows[start:end], item.times))
            start = end
        return results

    def _family(self, config: Any) -> str:
        """How a model's output is read: `projected`, `pooled` (trained), `features` (of a tower) or `tokens`."""
        kind = config.model_type
        if kind in ("clip", "clip_vision_model"):
            return "projected"
        if kind in ("siglip", "siglip_vision_model"):
            return "pooled"
        return "features" if hasattr(config, "vision_config") else "tokens"

    def _network(self, located: Any, config: Any, device: str) -> Any:
        import transformers

        kind = config.model_type
        if kind.startswith("siglip2"):
            raise EncoderError(
                f"{located.model}: pictures of any size (NaFlex) are not read; take a model of one size, such as "
                "google/siglip2-base-patch16-224"
            )
        vision = getattr(config, "vision_config", config)
        if self._family(config) == "projected" and self.pool == "auto":
            if vision is not config:
                vision.projection_dim = config.projection_dim
            self.pool = "projected"
            return pretrained.network(transformers.CLIPVisionModelWithProjection, located, vision, device)
        if self._family(config) == "projected":
            return pretrained.network(transformers.CLIPVisionModel, located, vision, device)
        if self._family(config) == "pooled":
            self.pool = "pooler" if self.pool == "auto" else self.pool
            return pretrained.network(transformers.SiglipVisionModel, located, vision, device)
        if self._family(config) == "features":
            kind = pretrained.class_of(config)
            if self.pool != "auto" or not hasattr(kind, "get_image_features"):
                raise EncoderError(f"{located.model}: of this kind only an image vector (`pool: auto`) can be read")
            self.pool = "features"
            return pretrained.network(kind, located, config, device)
        if kind == "vit_mae":
            config.mask_ratio = 0.0
        made = pretrained.class_of(config)
        more = {} if self.pool == "pooler" else pretrained.without_pooler(made)
        return pretrained.network(made, located, config, device, unread=["mask_token"], **more)

    def _vectors(self, pixels: Any) -> Any:
        """(n, D) of (n, 3, H, W)."""
        import torch

        if self.pool == "features":
            found = self.network.get_image_features(pixel_values=pixels)
            return found if torch.is_tensor(found) else found.pooler_output
        more = {}
        if self.network.config.model_type == "vit_mae":
            # Patches are sorted by noise before some are left out: rising noise keeps all where they are.
            patches = self.network.embeddings.patch_embeddings.num_patches
            more["noise"] = torch.arange(patches, device=pixels.device).float().expand(len(pixels), -1)
        found = self.network(pixel_values=pixels, **more)
        if self.pool == "projected":
            return found.image_embeds
        hidden, pooled = found.last_hidden_state, getattr(found, "pooler_output", None)
        if hidden.ndim == 4:
            if self.pool == "cls":
                raise EncoderError(f"{self.model}: a convolutional network has no class token")
            return hidden.mean(dim=(2, 3)) if pooled is None or self.pool == "mean" else pooled.flatten(1)
        if self.pool == "pooler":
            if pooled is None:
                raise EncoderError(f"{self.model} has no pooling of its own; choose `pool: cls` or `mean`")
            return pooled
        pool = self._tokens if self.pool == "auto" else self.pool
        return hidden[:, 0] if pool == "cls" else hidden[:, self._special :].mean(dim=1)


def _chunks(pixels: Sequence[np.ndarray], size: int):
    """Frames of several videos in runs of at most `size`; those of another shape start a run of their own."""
    run: list[np.ndarray] = []
    for one in pixels:
        for frame in one:
            if run and (len(run) == size or run[0].shape != frame.shape):
                yield np.stack(run)
                run = []
            run.append(frame)
    if run:
        yield np.stack(run)


def _encoded(vectors: np.ndarray, times: np.ndarray) -> Encoded:
    if not len(vectors):
        return Encoded(outcome=Outcome("absent", "no_frames", "there are no frames"))
    # A frame is a moment, not a span: it starts and ends at its time.
    return Encoded({"embedding": vectors}, {"embedding": np.repeat(times[:, None], 2, axis=1)})


def _preset(name: str, model: str, length: int, licence: str, source: str, side: int = 256) -> type:
    """A class of its own for a checkpoint by default; `model:` may name another one of its kind."""
    import dataclasses

    card = dataclasses.replace(
        ImageTransformers.card,
        name=name,
        arrays={"embedding": length},
        licence=licence,
        source=f"{model}; {source}",
        frame_side=side,
        model=model,
    )
    return type(name, (ImageTransformers,), {"card": card, "__module__": __name__, "__doc__": f"{model}."})


ResNet50 = _preset("resnet50", "microsoft/resnet-50", 2048, "Apache-2.0", "He et al. 2016")
ResNet152 = _preset("resnet152", "microsoft/resnet-152", 2048, "Apache-2.0", "He et al. 2016")
MobileNetV2 = _preset("mobilenet-v2", "google/mobilenet_v2_1.0_224", 1280, "Apache-2.0", "Sandler et al. 2018")
Clip = _preset("clip", "openai/clip-vit-base-patch32", 512, "MIT", "Radford et al. 2021", 224)
SigLip2 = _preset("siglip2", "google/siglip2-base-patch16-224", 768, "Apache-2.0", "Tschannen et al. 2025", 224)
DinoV2 = _preset("dinov2", "facebook/dinov2-base", 768, "Apache-2.0", "Oquab et al. 2023")
DinoV3 = _preset(
    "dinov3", "facebook/dinov3-vitb16-pretrain-lvd1689m", 768, "DINOv3 License (gated)", "Simeoni et al. 2025", 224
)
ViTMae = _preset("vit-mae", "facebook/vit-mae-base", 768, "Apache-2.0", "He et al. 2022", 224)
