"""Sound by YAMNet through LiteRT: 4 MB of weights and a runtime of 119 MB instead of TensorFlow's 2 GB.

Arrays of one pass, a row for each patch of .96 s each .48 s:
    embedding   (T, 1024) mean of the last feature map, what a classifier should read.
    scores      (T, 521) probabilities of the AudioSet classes.

The network's input is fixed at 15,600 samples, one patch, so it is called patch by patch; the sound is padded with
zeros to whole steps as YAMNet does. The published file has 8-bit weights, those of the Fourier transform and of the mel
filters among them: quiet parts of the spectrum differ from those of the full network.

A sound that is silent throughout is `absent: silent`, as for classic-audio; silent parts of other sounds are encoded.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.encoders import sounds
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Sound
from triptych.encoders.logmel import HOP, PATCH, YAMNET
from triptych.encoders.quiet import hushed
from triptych.encoders.registry import weights_of

VERSION = "1"

EMBEDDING = "yamnet_frames/global_average_pooling2d/Mean"
#: The map of classes is looked for beside the weights under this name.
CLASSES = "yamnet_class_map.csv"

CARD = ModelCard(
    name="yamnet-litert",
    modality="audio",
    arrays={"embedding": 1024, "scores": 521},
    revision="sha256 of the file",
    licence="Apache-2.0",
    source="YAMNet, tensorflow/models research/audioset; the file yamnet.tflite, https://tfhub.dev/google/lite-model/yamnet/tflite/1",
    version=VERSION,
    notes=("likeliest sounds",),
    extra="litert",
    packages=("ai_edge_litert",),
    weights="file",
    memory_mb=1000,
    parameters={
        "classes": Param(
            "",
            "csv with the classes' names (columns index, display_name); else yamnet_class_map.csv beside the model",
            file=True,
        ),
    },
)


class YamnetLiteRT:
    """The encoder."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model = ""
        self.revision: str | None = None
        self.network: Any = None
        self.names: list[str] = []

    def load(self, device: str) -> None:
        """Load the file, on the CPU.

        Raises:
            EncoderError: not here, not YAMNet, or a map of classes that is none.
        """
        path = weights_of(self).path
        from ai_edge_litert.interpreter import Interpreter

        with hushed(), warnings.catch_warnings():
            # The embedding is no output of the file, so inner tensors must be kept; they are small.
            warnings.simplefilter("ignore")
            try:
                network = Interpreter(str(path), num_threads=sounds.threads(), experimental_preserve_all_tensors=True)
                network.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise EncoderError(f"yamnet-litert: {path} is no LiteRT model ({error})") from error
        places = {one["name"]: one["index"] for one in network.get_tensor_details()}
        given, outputs = network.get_input_details(), network.get_output_details()
        scores = [one["index"] for one in outputs if len(one["shape"]) == 2 and one["shape"][0] == 1]
        if EMBEDDING not in places or len(given) != 1 or np.prod(given[0]["shape"]) != PATCH or len(scores) != 1:
            raise EncoderError(
                f"yamnet-litert: {path} is not YAMNet (an input of {PATCH} samples and the tensor {EMBEDDING} are "
                f"expected; inputs are {[tuple(map(int, one['shape'])) for one in given]})"
            )
        self.network, self.shape = network, tuple(given[0]["shape"])
        self.places = (given[0]["index"], places[EMBEDDING], scores[0])
        chosen = self.params["classes"] or next(iter(self.beside(path)), "")
        self.names = sounds.read_names(Path(chosen).expanduser()) if chosen else []

    def beside(self, path: Path) -> list[Path]:
        """The map of classes beside the weights, when it is read: its names are kept with the results."""
        found = path.with_name(CLASSES)
        return [found] if not self.params["classes"] and found.is_file() else []

    def encode(self, batch: Sequence[Sound]) -> list[Encoded]:
        """Arrays `embedding` and `scores` of each sound."""
        return [sounds.unusable(sound) or self._one(sound) for sound in batch]

    def _one(self, sound: Sound) -> Encoded:
        samples = YAMNET.padded(np.asarray(sound.samples, np.float32))
        count = YAMNET.count(len(sound.samples))
        entry, embedding, score = self.places
        embeddings, scores = [], []
        for first in range(0, count * YAMNET.step * HOP, YAMNET.step * HOP):
            self.network.set_tensor(entry, samples[first : first + PATCH].reshape(self.shape))
            self.network.invoke()
            embeddings.append(self.network.get_tensor(embedding).reshape(-1))
            scores.append(self.network.get_tensor(score).reshape(-1))
        spans = YAMNET.spans(len(sound.samples), sound.start)
        arrays = {"embedding": np.stack(embeddings), "scores": np.stack(scores)}
        notes = sounds.likeliest(arrays["scores"], self.names, "likeliest sounds")
        return Encoded(arrays, {"embedding": spans, "scores": spans}, notes=notes)
