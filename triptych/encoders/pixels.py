"""Frames as networks want them: a model's own image processor, its resizing and cropping ahead of the device.

The PIL classes of transformers' image processors are used throughout, whether torchvision is installed or not: both
kinds give slightly different pixels. Resized frames are kept as uint8 and scaled on the device, which takes a quarter
of the memory; where that would not be what the processor itself gives, its own floats are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.encoders.base import EncoderError
from triptych.encoders.pretrained import libraries, read_json

#: Most difference between pixels scaled here and the processor's own.
CLOSE = 1e-5


@dataclass(frozen=True)
class Pixels:
    """The frames of a video, resized and cropped.

    Attributes:
        video: slug.
        pixels: (n, 3, H, W) uint8, or float32 that needs no scaling.
        times: (n,) seconds.
        repeated: how many of the frames repeat the one before, to fill a clip.
    """

    video: str
    pixels: np.ndarray
    times: np.ndarray
    repeated: int = 0

    @property
    def nbytes(self) -> int:
        """Memory of the pixels."""
        return self.pixels.nbytes


class Processor:
    """The image processor of a model's folder.

    Attributes:
        plain: resized frames stay uint8, to be scaled by `scaled`.
    """

    def __init__(self, folder: Path, changes: Mapping[str, Any] | None = None) -> None:
        """Load it.

        Args:
            folder: of the model.
            changes: what differs from the folder's file, for models whose file is not what they were trained with.

        Raises:
            EncoderError: the folder has none, or one without a class that works here.
        """
        self._own = _simple(folder, changes) if changes is not None else _load(folder)
        # Processors of videos name their argument otherwise; all take it first.
        self._raw = {"do_rescale": False, "do_normalize": False}
        if hasattr(self._own, "offset"):
            self._raw["offset"] = False
        self._factor = self._shift = np.zeros(3, np.float32)
        self.plain = self._probe()

    def prepare(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """(n, 3, H, W) of RGB frames (H, W, 3): uint8 when `plain`, else float32."""
        found = self._run(frames, self._raw if self.plain else {})
        return found.round().astype(np.uint8) if self.plain else found.astype(np.float32)

    def scaled(self, pixels: np.ndarray, device: str) -> Any:
        """Pixels as a float32 tensor on the device, as the processor would give them."""
        import torch

        found = torch.from_numpy(pixels).to(device).float()
        if not self.plain:
            return found
        shape = (3, 1, 1)
        factor = torch.from_numpy(self._factor).to(device).view(shape)
        return found * factor + torch.from_numpy(self._shift).to(device).view(shape)

    def _run(self, frames: Sequence[np.ndarray], changes: Mapping[str, Any]) -> np.ndarray:
        made = self._own(list(frames), return_tensors="np", **changes)
        found = np.asarray(made[self._own.model_input_names[0]])
        return found.reshape(-1, *found.shape[-3:])  # a processor of videos has made it one clip

    def _probe(self) -> bool:
        """Learn the scaling from a picture of noise; whether it is one factor and shift a channel, of whole numbers."""
        noise = np.random.default_rng(0).integers(0, 256, (288, 384, 3), dtype=np.uint8)
        noise[:144, :192] = 0
        noise[144:, 192:] = 255
        wanted = self._run([noise], {}).astype(np.float64)
        try:
            raw = self._run([noise], self._raw).astype(np.float64)
        except (TypeError, ValueError):
            return False
        if raw.shape != wanted.shape or raw.shape[1] != 3 or np.abs(raw - raw.round()).max() > CLOSE:
            return False
        low, high = raw.min(axis=(0, 2, 3)), raw.max(axis=(0, 2, 3))
        if raw.min() < 0 or raw.max() > 255 or (high <= low).any():
            return False
        factor = (wanted.max(axis=(0, 2, 3)) - wanted.min(axis=(0, 2, 3))) / (high - low)
        shift = wanted.min(axis=(0, 2, 3)) - factor * low
        self._factor, self._shift = factor.astype(np.float32), shift.astype(np.float32)
        again = raw * factor[:, None, None] + shift[:, None, None]
        return bool(np.abs(again - wanted).max() < CLOSE)


def _load(folder: Path) -> Any:
    transformers = libraries()
    name = str(settings(folder).get("image_processor_type") or "")
    try:
        if name.lower() == "vivitimageprocessor":
            # Without a PIL class, but made of numpy; and folders spell its name in several ways.
            from transformers.models.vivit.image_processing_vivit import VivitImageProcessor

            return VivitImageProcessor.from_pretrained(str(folder), local_files_only=True)
        found = transformers.AutoImageProcessor.from_pretrained(
            str(folder), backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        if not settings(folder):
            line = str(error).strip().splitlines()[0]
            raise EncoderError(f"{folder}: no image processor (preprocessor_config.json): {line}") from error
        return _simple(folder, {})
    # Some models have no PIL class; what their file says, the plain one does as well.
    return _simple(folder, {}) if getattr(found, "backend", "pil") == "torchvision" else found


def _simple(folder: Path, changes: Mapping[str, Any]) -> Any:
    """Resize, crop, scale and normalise as the folder's file says, with `changes`."""
    transformers = libraries()
    told = settings(folder)
    known = ("size", "crop_size", "resample", "do_resize", "do_center_crop", "do_rescale", "do_normalize")
    known += ("rescale_factor", "image_mean", "image_std")
    chosen = {name: told[name] for name in known if told.get(name) is not None} | dict(changes)
    chosen.setdefault("do_center_crop", False)
    if "size" not in chosen:
        raise EncoderError(f"{folder / 'preprocessor_config.json'} does not say the size of pictures")
    return transformers.CLIPImageProcessorPil(do_convert_rgb=False, **chosen)


def settings(folder: Path) -> Mapping[str, Any]:
    """What a model's folder says of its image processor; empty without."""
    return read_json(folder / "preprocessor_config.json") or read_json(folder / "processor_config.json").get(
        "image_processor", {}
    )
