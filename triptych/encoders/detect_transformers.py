"""Objects on frames by detectors of transformers: RT-DETR, YOLOS, DETR, and any other of `AutoModelForObjectDetection`.

Arrays, sentence and notes are those of `triptych.encoders.detect`. A frame is resized by the model's own image
processor (its PIL form, whether torchvision is there or not), and never padded: frames of one size make a batch. Scores
and boxes are those of the processor's own `post_process_object_detection`.

References: RT-DETR (Zhao et al. 2024), YOLOS (Fang et al. 2021), DETR (Carion et al. 2020).
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.encoders import pretrained, registry
from triptych.encoders.base import EncoderError, ModelCard, Param
from triptych.encoders.detect import ARRAYS, PARAMETERS, SEEN, Detections, Detector

VERSION = "1"

CARD = ModelCard(
    name="detector",
    modality="image",
    arrays=ARRAYS,
    revision="pinned by models.lock",
    licence="of the model that the study names",
    source="any detector of AutoModelForObjectDetection (transformers)",
    version=VERSION,
    extra="models",
    packages=("torch", "transformers"),
    parameters={"confidence": Param(0.5, "boxes below it count as not seen", low=0.0, high=1.0), **PARAMETERS},
    frame_side=64,
    weights="folder",
    records=("boxes",),
    notes=(SEEN,),
    memory_mb=4000,
    gpu=True,
)


class AnyDetector(Detector):
    """A detector of transformers, by its folder or id."""

    card = CARD

    def lacks(self, folder: Path) -> list[str]:
        """Files that are not there, or a backbone of timm that the configuration asks for and that is not installed."""
        if found := pretrained.lacking(folder):
            return found
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []  # told by the library
        inner = config.get("backbone_config") or {}
        asked = inner.get("model_type") == "timm_backbone" or (not inner and config.get("use_timm_backbone", False))
        if not asked or importlib.util.find_spec("timm") is not None:
            return []
        return [
            f"{self.model}: this revision takes its backbone from timm, which is not installed; install it with: pip "
            "install timm, or pin a revision whose backbone is one of transformers"
        ]

    def _load(self, device: str) -> None:
        located = registry.weights_of(self)
        if lacking := self.lacks(located.path):
            raise EncoderError("; ".join(lacking))
        # Read by the libraries when they are imported: no network.
        os.environ["HF_HUB_OFFLINE"] = "1"
        torchvision.mend()
        import torch
        from transformers import AutoImageProcessor, AutoModelForObjectDetection
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.processor = AutoImageProcessor.from_pretrained(str(located.path), backend="pil", **local)
            network, told = AutoModelForObjectDetection.from_pretrained(
                str(located.path),
                use_safetensors=located.safetensors or None,
                weights_only=True,
                output_loading_info=True,
                **local,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise EncoderError(f"{self.model}: cannot be loaded as a detector of objects ({error})") from error
        trained = {name for name, _ in network.named_parameters()}
        random = sorted(trained & {*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])})
        if random:
            raise EncoderError(
                f"{self.model}: the weights are not those of a detector; {len(random)} of its parts would be random "
                f"({', '.join(random[:3])}, ...)"
            )
        self.network = network.eval().to(device)
        self.device = torch.device(device)
        self.names = {int(number): str(name) for number, name in network.config.id2label.items()}

    def _sized(self, frame: np.ndarray) -> np.ndarray:
        """(3, h, w) uint8: resized as the processor resizes; scale and mean follow on the device."""
        given = self.processor(
            images=[frame],
            do_rescale=False,
            do_normalize=False,
            do_pad=False,
            input_data_format="channels_last",
            return_tensors="np",
        )
        return np.asarray(given["pixel_values"][0], np.uint8)

    def _detect(self, frames: np.ndarray, size: tuple[int, int]) -> list[Detections]:
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(frames).to(self.device).float()
            if self.processor.do_rescale:
                pixels = pixels * self.processor.rescale_factor
            if self.processor.do_normalize:
                mean, spread = (
                    torch.tensor(given, device=self.device).view(-1, 1, 1)
                    for given in (self.processor.image_mean, self.processor.image_std)
                )
                pixels = (pixels - mean) / spread
            given = self.network(pixel_values=pixels)
            given.logits, given.pred_boxes = given.logits.float(), given.pred_boxes.float()
            # Above 0 all are told; `Detections.best` holds them against the threshold.
            found = self.processor.post_process_object_detection(given, threshold=0.0)
        return [
            Detections(*(one[part].cpu().numpy() for part in ("labels", "scores", "boxes")))  # shares: no target size
            for one in found
        ]


class RTDetr(AnyDetector):
    """RT-DETR."""

    card = replace(
        CARD,
        name="rt-detr",
        model="PekingU/rtdetr_r50vd",
        licence="Apache-2.0",
        source="PekingU/rtdetr_r50vd on the Hugging Face hub; Zhao et al. 2024; 80 classes of COCO",
    )


class Yolos(AnyDetector):
    """YOLOS."""

    card = replace(
        CARD,
        name="yolos",
        model="hustvl/yolos-tiny",
        licence="Apache-2.0",
        source="hustvl/yolos-tiny on the Hugging Face hub; Fang et al. 2021; numbers of COCO up to 90, with gaps",
        arrays=ARRAYS | {"classes": 91},
    )


class Detr(AnyDetector):
    """DETR."""

    card = replace(
        CARD,
        name="detr",
        model="facebook/detr-resnet-50",
        licence="Apache-2.0",
        source="facebook/detr-resnet-50 on the Hugging Face hub; Carion et al. 2020; numbers of COCO to 90, with gaps",
        arrays=ARRAYS | {"classes": 91},
    )
