"""Clips by video networks of transformers: as many stored frames of a video as the model takes, one vector.

Arrays:
    embedding   (1, D): of one clip over the whole video, with the times of its first and last frame.

The vector is token 0 of the last hidden states (`pool: first`) where the network has a class token, or the mean over
tokens (`pool: mean`), never a `pooler_output`: ViViT classifies token 0, and checkpoints hold no weights of a pooling
layer. X-CLIP gives the vector that it compares with text: the mean over frames of its multi-frame transformer.

A video with more stored frames than the model takes is thinned evenly; one with fewer has frames repeated evenly, which
is told as a warning of the video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import pretrained, registry
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Pictures
from triptych.encoders.pixels import Pixels, Processor, settings
from triptych.media.even import clip

VERSION = "1"

#: Clips that go through the network at once, on the CPU and on a graphics card.
CLIPS = {"cpu": 1, "cuda": 8}

_POOL = "what stands for a clip: `first` (token 0, where it is a class token) or `mean` (of the other tokens)"


class VideoTransformers:
    """Any video model of transformers; presets below name a checkpoint."""

    card = ModelCard(
        name="video-transformers",
        modality="image",
        arrays={"embedding": 0},
        revision="pinned by models.lock",
        licence="of the model",
        source="a model of the Hugging Face hub or a local folder, by `model:`",
        version=VERSION,
        extra="models",
        packages=("torch", "transformers"),
        parameters={"pool": Param("auto", _POOL + ", or the architecture's choice", choices=("auto", "first", "mean"))},
        frame_side=224,
        frames="uniform",
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
        self.frames = self._special = 0

    def lacks(self, folder: Path) -> list[str]:
        """What the model's folder must hold and does not, told before any job."""
        return pretrained.lacking(folder)

    def load(self, device: str) -> None:
        """Load processor and network from the folder that `models.lock` was held against.

        Raises:
            EncoderError: no such model, weights that are missing from the checkpoint, `first` without a class token.
        """
        located = registry.weights_of(self)
        config = pretrained.config_of(located)
        self.frames = _frames_of(config)
        if not self.frames:
            raise EncoderError(f"{located.model} does not say how many frames it takes; it is no model of videos")
        self.device = device
        self.processor = Processor(located.path, self._changes(located))
        kind = pretrained.class_of(config)
        more = pretrained.without_pooler(kind)
        self.network = pretrained.network(kind, located, config, device, unread=["mask_token"], **more)
        if hasattr(self.network, "get_video_features"):
            if self.pool == "first":
                raise EncoderError(f"{located.model} gives one vector of its frames (`pool: mean`)")
            self.pool = "features"
            return
        own = pretrained.has_class_token(self.network)
        if self.pool == "first" and not own:
            raise EncoderError(f"{located.model} has no class token: its token 0 is a patch; set `pool: mean`")
        if self.pool == "auto":
            self.pool = "first" if own else "mean"
        self._special = int(own)

    def _changes(self, located: Any) -> Mapping[str, Any] | None:
        """What is done otherwise than the folder's file says."""
        return None

    def prepare(self, item: Pictures) -> Pixels:
        """The frames of the clip, resized and cropped; a repeated frame is prepared once."""
        if not len(item.frames):
            return Pixels(item.video, np.zeros((0, 3, 1, 1), np.uint8), np.zeros(0))
        positions, first = clip(len(item.frames), self.frames)
        distinct, places = np.unique(positions, return_inverse=True)
        pixels = self.processor.prepare([item.frames[position] for position in distinct])
        times = np.asarray(item.times, np.float64)[positions]
        return Pixels(item.video, pixels[places], times, int((~first).sum()))

    def encode(self, batch: Sequence[Pictures | Pixels]) -> list[Encoded]:
        """Array `embedding` of each video, from what `prepare` gave (or from pictures)."""
        import torch

        items = [item if isinstance(item, Pixels) else self.prepare(item) for item in batch]
        usable = [item for item in items if len(item.pixels)]
        vectors, most = {}, CLIPS[self.device.split(":")[0]]
        with torch.inference_mode():
            for start in range(0, len(usable), most):
                some = usable[start : start + most]
                pixels = self.processor.scaled(np.concatenate([item.pixels for item in some]), self.device)
                found = self._vectors(pixels.unflatten(0, (len(some), self.frames))).float().cpu().numpy()
                vectors |= {id(item): found[number : number + 1] for number, item in enumerate(some)}
        return [self._encoded(item, vectors.get(id(item))) for item in items]

    def _encoded(self, item: Pixels, vector: np.ndarray | None) -> Encoded:
        if vector is None:
            return Encoded(outcome=Outcome("absent", "no_frames", "there are no frames"))
        told = {}
        if item.repeated:
            told["repeated_frames"] = (
                f"{item.repeated} of the clip's {self.frames} frames repeat others; too few are stored"
            )
        span = np.array([[item.times[0], item.times[-1]]])
        return Encoded({"embedding": vector}, {"embedding": span}, Outcome("ok", warnings=told))

    def _vectors(self, clips: Any) -> Any:
        """(n, D) of (n, frames, 3, H, W)."""
        import torch

        if self.pool == "features":
            found = self.network.get_video_features(pixel_values=clips)
            return found if torch.is_tensor(found) else found.pooler_output
        hidden = self.network(**{self.network.main_input_name: clips}).last_hidden_state
        return hidden[:, 0] if self.pool == "first" else hidden[:, self._special :].mean(dim=1)


def _frames_of(config: Any) -> int:
    """Frames of a clip, as a model's configuration tells; 0 when it does not."""
    for one in (config, getattr(config, "vision_config", None)):
        for name in ("num_frames", "frames_per_clip"):
            found = getattr(one, name, None)
            if isinstance(found, int) and found > 0:
                return found
    return 0


def _preset(name: str, model: str, length: int, licence: str, source: str, pool: str, side: int = 224) -> type:
    """A class of its own for a checkpoint by default; `model:` may name another one of its kind."""
    import dataclasses

    choices = ("first", "mean") if pool == "first" else ("mean",)
    card = dataclasses.replace(
        VideoTransformers.card,
        name=name,
        arrays={"embedding": length},
        licence=licence,
        source=f"{model}; {source}",
        frame_side=side,
        model=model,
        parameters={"pool": Param(pool, _POOL, choices=choices)},
    )
    return type(name, (VideoTransformers,), {"card": card, "__module__": __name__, "__doc__": f"{model}."})


class ViViT(
    _preset("vivit", "google/vivit-b-16x2-kinetics400", 768, "MIT", "Arnab et al. 2021", "first", 256)  # type: ignore[misc]
):
    """ViViT, its pixels scaled to [-1, 1] and its frames resized with a margin, as it was trained.

    The checkpoint's own file scales to [-1, 1] and then normalises once more, which gives [-3, 1].
    """

    def _changes(self, located: Any) -> Mapping[str, Any] | None:
        crop = settings(located.path).get("crop_size") or {"height": 224, "width": 224}
        return {
            "size": {"shortest_edge": round(crop["height"] * 8 / 7)},
            "crop_size": crop,
            "do_center_crop": True,
            "rescale_factor": 1 / 255,
            "do_rescale": True,
            "do_normalize": True,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        }


VideoMae = _preset(
    "videomae", "MCG-NJU/videomae-base-finetuned-kinetics", 768, "CC-BY-NC-4.0", "Tong et al. 2022", "mean"
)
XClip = _preset("xclip", "microsoft/xclip-base-patch32", 512, "MIT", "Ni et al. 2022", "mean")
TimeSformer = _preset(
    "timesformer", "facebook/timesformer-base-finetuned-k400", 768, "CC-BY-NC-4.0", "Bertasius et al. 2021", "first"
)
