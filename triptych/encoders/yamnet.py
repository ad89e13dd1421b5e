"""Sound by YAMNet through TensorFlow Hub.

Arrays of one pass, a row for each patch of .96 s each .48 s:
    embedding   (T, 1024) mean of the last feature map, what a classifier should read.
    scores      (T, 521) probabilities of the AudioSet classes.

The network takes a waveform of any length and pads it with zeros to whole steps. Long sounds go through it in parts of
`PATCHES` patches, which changes no row. A sound that is silent throughout is `absent: silent`, as for classic-audio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.encoders import sounds, tfhub
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Sound
from triptych.encoders.logmel import HOP, PATCH, YAMNET
from triptych.encoders.registry import weights_of

VERSION = "1"

#: Patches that go through the network at once (a minute of sound).
PATCHES = 128

CARD = ModelCard(
    name="yamnet",
    modality="audio",
    arrays={"embedding": 1024, "scores": 521},
    revision="pinned by models.lock",
    licence="Apache-2.0",
    source="YAMNet, tensorflow/models research/audioset; https://tfhub.dev/google/yamnet/1",
    version=VERSION,
    notes=("likeliest sounds",),
    extra="tf",
    packages=("tensorflow", "tensorflow_hub"),
    weights="tfhub",
    model="https://tfhub.dev/google/yamnet/1",
    memory_mb=3000,
    parameters={
        "classes": Param(
            "", "csv with the classes' names (columns index, display_name); else the one inside the model", file=True
        ),
    },
)


class Yamnet:
    """The encoder."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model = CARD.model
        self.revision: str | None = None
        self.network: Any = None
        self.names: list[str] = []

    def load(self, device: str) -> None:
        """Load the SavedModel, on the CPU.

        Raises:
            EncoderError: not here, or not what it must be.
        """
        self.network = tfhub.load(weights_of(self).path)
        chosen = self.params["classes"]
        if not chosen and hasattr(self.network, "class_map_path"):
            chosen = self.network.class_map_path().numpy().decode()
        self.names = sounds.read_names(Path(chosen).expanduser()) if chosen else []

    def encode(self, batch: Sequence[Sound]) -> list[Encoded]:
        """Arrays `embedding` and `scores` of each sound."""
        return [sounds.unusable(sound) or self._one(sound) for sound in batch]

    def _one(self, sound: Sound) -> Encoded:
        samples = YAMNET.padded(np.asarray(sound.samples, np.float32))
        count = YAMNET.count(len(sound.samples))
        parts = []
        for part in sounds.stretches(samples, PATCH, YAMNET.step * HOP, count, PATCHES):
            scores, embeddings, *_ = self.network(part)
            parts.append((embeddings.numpy(), scores.numpy()))
        embeddings, scores = (np.concatenate(found) for found in zip(*parts, strict=True))
        arrays = {"embedding": embeddings, "scores": scores}
        if len(arrays["embedding"]) != count or len(arrays["scores"]) != count:
            raise EncoderError(f"yamnet: {self.model} gave {len(arrays['embedding'])} rows for {count} patches")
        spans = YAMNET.spans(len(sound.samples), sound.start)
        notes = sounds.likeliest(arrays["scores"], self.names, "likeliest sounds")
        return Encoded(arrays, {"embedding": spans, "scores": spans}, notes=notes)
