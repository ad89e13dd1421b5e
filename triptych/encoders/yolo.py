"""Objects on frames by YOLO (ultralytics), from a .pt file whose sha256 `models.lock` lists.

Arrays, sentence and notes are those of `triptych.encoders.detect`. Frames are letterboxed as ultralytics does it: the
longer side becomes `size`, the shorter one is filled with grey up to a multiple of 32. Non-maximum suppression is that
of ultralytics with `iou`, class by class, without its limit of time (models that end without it, such as YOLO26, need
none).

A .pt file is a pickle, which can carry code. It is read only when `models.lock` lists its sha256; the very bytes that
were compared are loaded, and only classes of torch and ultralytics are made from them.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.encoders import registry
from triptych.encoders.base import EncoderError, ModelCard, Param
from triptych.encoders.detect import ARRAYS, PARAMETERS, SEEN, Detections, Detector

VERSION = "1"

#: Sides of what enters the network are multiples of it; the grey that fills them up.
STRIDE, GREY = 32, 114

CARD = ModelCard(
    name="yolo",
    modality="image",
    arrays=ARRAYS,
    revision="pinned by models.lock",
    licence="AGPL-3.0 (ultralytics, its code and its weights)",
    source="a .pt file of ultralytics (YOLOv8, YOLO11, YOLO26, ...); YOLOv7 is not among its models",
    version=VERSION,
    extra="yolo",
    packages=("torch", "ultralytics", "torchvision"),
    parameters={
        "confidence": Param(0.25, "boxes below it count as not seen", low=0.0, high=1.0),
        "iou": Param(
            0.7, "of two boxes of a class that overlap more, the less confident one is left out", low=0, high=1
        ),
        "size": Param(640, "longer side in pixels of what enters the network", low=32, high=2048),
        **PARAMETERS,
    },
    frame_side=64,
    weights="file",
    listed=True,
    records=("boxes",),
    notes=(SEEN,),
    memory_mb=4000,
    gpu=True,
)


class Yolo(Detector):
    """The encoder."""

    card = CARD

    def _load(self, device: str) -> None:
        located = registry.weights_of(self)
        folder = quiet()
        import torch
        from ultralytics.nn import tasks

        # What is loaded is what was compared, whatever happens to the file meanwhile.
        content = located.path.read_bytes()
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != located.identity:
            raise EncoderError(f"{self.model}: the file changed while it was looked at; not loaded")
        copy = folder / f"{located.identity[-16:]}.pt"
        copy.write_bytes(content)
        tasks.SAFE_LOAD = True
        if not tasks._SafeLoad.restricted():
            raise EncoderError("yolo needs torch 2.6 or later, which loads weights without running what they carry")
        try:
            network, _ = tasks.load_checkpoint(str(copy), device=torch.device("cpu"), fuse=True)
        except Exception as error:  # whatever a damaged or foreign file leads to
            raise EncoderError(f"{self.model}: is not a model of ultralytics that can be loaded ({error})") from error
        finally:
            copy.unlink(missing_ok=True)
        if network.task != "detect":
            raise EncoderError(f"{self.model}: is a model for {network.task!r}, not for detection")
        self.network = network.float().eval().to(device)
        self.device = torch.device(device)
        self.names = {int(number): str(name) for number, name in network.names.items()}

    def _sized(self, frame: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8, letterboxed."""
        return letterbox(frame, int(self.params["size"]))

    def _detect(self, frames: np.ndarray, size: tuple[int, int]) -> list[Detections]:
        import torch
        from ultralytics.utils.nms import non_max_suppression

        with torch.inference_mode():
            pixels = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 255
            given = self.network(pixels)
            found = non_max_suppression(
                (given[0] if isinstance(given, (list, tuple)) else given).float(),
                float(self.params["confidence"]),
                float(self.params["iou"]),
                max_det=int(self.params["max_detections"]),
                max_time_img=1e9,  # results that depend on the clock are none
                nc=len(self.names),
                end2end=getattr(self.network, "end2end", False),
            )
        scale, top, left = placed(size, int(self.params["size"]))
        shift, whole = np.array([left, top, left, top]), np.array([size[1], size[0], size[1], size[0]])
        rows = [one[:, :6].cpu().numpy() for one in found]
        return [Detections(one[:, 5], one[:, 4], (one[:, :4] - shift) / scale / whole) for one in rows]


def placed(size: tuple[int, int], longest: int) -> tuple[float, int, int]:
    """By how much a frame of height and width `size` is scaled, and the rows and columns of grey before it."""
    scale = longest / max(size)
    height, width = (max(1, round(side * scale)) for side in size)
    return scale, (-height % STRIDE) // 2, (-width % STRIDE) // 2


def letterbox(frame: np.ndarray, longest: int) -> np.ndarray:
    """(H, W, 3) uint8 frame with its longer side at `longest`, in the middle of grey, sides multiples of `STRIDE`."""
    import cv2

    scale, top, left = placed(frame.shape[:2], longest)
    height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
    filled = np.full((height + -height % STRIDE, width + -width % STRIDE, 3), GREY, np.uint8)
    small = frame if (height, width) == frame.shape[:2] else cv2.resize(frame, (width, height))
    filled[top : top + height, left : left + width] = small
    return filled


@cache
def quiet() -> Path:
    """Import ultralytics so that it neither reaches for the network nor installs or writes anything in the home folder.

    Returns:
        A folder of this process, where ultralytics keeps its settings; it goes when the process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="triptych-yolo."))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Read when it is imported. Offline, it tells nobody what it does and looks for no newer version.
    settings: dict[str, Any] = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    os.environ.update(settings | {"YOLO_CONFIG_DIR": str(folder), "ULTRALYTICS_SAFE_LOAD": "1"})
    torchvision.mend()
    import ultralytics.utils

    ultralytics.utils.ONLINE = False
    dict.update(ultralytics.utils.SETTINGS, {"sync": False})  # in memory; its own update would write the file
    return folder
