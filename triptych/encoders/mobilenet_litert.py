"""Frames by MobileNetV2 through LiteRT: a few megabytes instead of torch, and what is likely seen as words.

Arrays:
    embedding   (n, 1280): of each stored frame the mean over the last feature map, dequantised.
    scores      (n, 1001): probabilities of the ImageNet classes, the first one standing for none of them.

Frames go through the network one at a time, so a vector depends on its own frame only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import registry
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Pictures
from triptych.encoders.pixels import Pixels

VERSION = "1"

#: The inner tensor that is the embedding.
POOL = "MobilenetV2/Logits/AvgPool"
#: Short side to which frames are resized, for each pixel of the network's input, before the middle is cut out.
MARGIN = 256 / 224
HEADING = "likeliest labels"

CARD = ModelCard(
    name="mobilenet-litert",
    modality="image",
    arrays={"embedding": 1280, "scores": 1001},
    revision="sha256 of the file",
    licence="Apache-2.0 (google-coral's file)",
    source="mobilenet_v2_1.0_224_quant.tflite, github.com/google-coral/edgetpu; Sandler et al. 2018",
    version=VERSION,
    notes=(HEADING,),
    extra="litert",
    packages=("ai_edge_litert",),
    parameters={
        "labels": Param(
            "", "file with a class a line (`285  Egyptian cat`), for the likeliest labels of a video", file=True
        ),
        "likeliest": Param(10, "labels of a video that are told", low=0, high=1001),
    },
    frame_side=224,
    weights="file",
    memory_mb=1000,
)


class MobileNetLiteRT:
    """The encoder."""

    card = CARD
    model = ""
    revision: str | None = None

    prepare_parallel = True

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.network: Any = None
        self.labels: list[str] = []
        self._side = 224
        self._input: Mapping[str, Any] = {}
        self._outputs: dict[str, Mapping[str, Any]] = {}

    def load(self, device: str) -> None:
        """Load the network from its file.

        Raises:
            EncoderError: no such file, or no MobileNetV2; labels that are not there or of another number.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        located = registry.weights_of(self)
        try:
            self.network = Interpreter(
                str(located.path),
                num_threads=1,
                # Delegates would fuse the inner tensor away.
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            self.network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise EncoderError(f"{located.model}: no network of LiteRT ({str(error).splitlines()[0]})") from error
        self._input = self.network.get_input_details()[0]
        inner = [one for one in self.network.get_tensor_details() if one["name"] == POOL]
        shape = self._input["shape"]
        if not inner or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise EncoderError(f"{located.model}: no MobileNetV2 of pictures (it has no inner tensor {POOL})")
        self._side = int(shape[1])
        self._outputs = {"embedding": inner[0], "scores": self.network.get_output_details()[0]}
        self.labels = self._read_labels(int(np.prod(self._outputs["scores"]["shape"])))

    def prepare(self, item: Pictures) -> Pixels:
        """The middle of each frame, at the size of the network's input; (n, 3, S, S) uint8."""
        from PIL import Image

        found = []
        for frame in item.frames:
            image = Image.fromarray(frame)
            scale = self._side * MARGIN / min(image.size)
            size = [max(self._side, round(side * scale)) for side in image.size]
            left, top = ((side - self._side) // 2 for side in size)
            image = image.resize(size, Image.Resampling.BILINEAR)
            found.append(np.asarray(image.crop((left, top, left + self._side, top + self._side))))
        pixels = np.stack(found).transpose(0, 3, 1, 2) if found else np.zeros((0, 3, 1, 1), np.uint8)
        return Pixels(item.video, pixels, np.asarray(item.times, np.float64))

    def encode(self, batch: Sequence[Pictures | Pixels]) -> list[Encoded]:
        """Arrays `embedding` and `scores` of each video, and its likeliest labels."""
        return [self._one(item if isinstance(item, Pixels) else self.prepare(item)) for item in batch]

    def _one(self, item: Pixels) -> Encoded:
        if not len(item.pixels):
            return Encoded(outcome=Outcome("absent", "no_frames", "there are no frames"))
        rows: dict[str, list[np.ndarray]] = {name: [] for name in self._outputs}
        for picture in item.pixels.transpose(0, 2, 3, 1):
            self.network.set_tensor(self._input["index"], self._quantised(picture)[None])
            self.network.invoke()
            for name, told in self._outputs.items():
                rows[name].append(_numbers(self.network.get_tensor(told["index"]), told))
        arrays = {name: np.stack(values) for name, values in rows.items()}
        times = np.repeat(item.times[:, None], 2, axis=1)
        return Encoded(arrays, {name: times for name in arrays}, notes=self._told(arrays["scores"].mean(axis=0)))

    def _quantised(self, picture: np.ndarray) -> np.ndarray:
        """Pixels as the input wants them; the network was trained on [-1, 1]."""
        scale, zero = self._input["quantization"]
        kind = self._input["dtype"]
        values = picture.astype(np.float32) / 127.5 - 1
        if kind == np.float32:
            return values
        limits = np.iinfo(kind)
        return (values / scale + zero).round().clip(limits.min, limits.max).astype(kind)

    def _told(self, scores: np.ndarray) -> dict[str, list]:
        best = np.argsort(-scores, kind="stable")[: int(self.params["likeliest"])]
        names = self.labels or [f"class {number}" for number in range(len(scores))]
        return {HEADING: [[names[number], round(float(scores[number]), 4)] for number in best]} if len(best) else {}

    def _read_labels(self, count: int) -> list[str]:
        given = str(self.params["labels"])
        if not given:
            return []
        path = Path(given).expanduser()
        if not path.is_file():
            raise EncoderError(f"mobilenet-litert: params.labels: there is no file {given}")
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if len(lines) != count:
            raise EncoderError(f"mobilenet-litert: {given} has {len(lines)} labels, the network {count} classes")
        # Lines may start with the number of their class.
        if all(line.split(maxsplit=1)[0] == str(number) for number, line in enumerate(lines)):
            lines = [line.partition(" ")[2].strip() for line in lines]
        return lines


def _numbers(values: np.ndarray, told: Mapping[str, Any]) -> np.ndarray:
    """A tensor as float32 numbers, one row."""
    scale, zero = told["quantization"]
    found = values.reshape(-1).astype(np.float32)
    return (found - zero) * np.float32(scale) if scale else found
