"""What an encoder is: its card, what it reads and what it gives. The contract that an encoder's author imports.

An encoder is one class in one file. It comes into the workflow by one line in `registry.REGISTRY`, or, for a user's
own class, by its import path in the study file (`use: my_package.my_module:MyEncoder`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from triptych.core import weights
from triptych.core.params import Param
from triptych.core.status import OK, Outcome

Modality = Literal["text", "audio", "image", "video"]
MODALITIES: tuple[str, ...] = ("text", "audio", "image", "video")

#: Most vectors that are stored of a video and array; more are averaged in even segments.
MAX_VECTORS = 64
#: Most rows of an array of records (boxes of objects), which cannot be averaged; the first ones are kept.
MAX_RECORDS = 1024
#: Ending of the array (T, 1) that holds the weights of another array's rows, for `pool: wmean`.
WEIGHTS = "_weights"


class EncoderError(ValueError):
    """An encoder that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class ModelCard:
    """What is to be known of an encoder before it runs.

    Attributes:
        name: registered name.
        modality: what it reads: `text`, `audio`, `image` (keyframes) or `video` (the file).
        arrays: name -> length of its vectors, for the default parameters.
        revision: of the weights (a commit hash or digest); `none` for encoders without weights.
        licence: of the weights, or of the code without weights.
        source: where weights come from, or the methods' references.
        version: VERSION of the encoder's module; bumped when its results may change.
        extra: pip extra that installs what it needs; None when core is enough.
        packages: modules that must be importable.
        parameters: name -> `Param`.
        frame_side: short side in pixels that stored frames must have at least (image encoders).
        weights: what kind of weights `model` names (see `triptych.core.weights`).
        model: the model by default: an id of a hub, or a path; empty when the study file must name one.
        listed: the weights' format can carry code, so `models.lock` must list the file.
        frames: which stored frames an image encoder reads by default: `keyframes`, or `uniform` ones.
        records: arrays whose rows are things (boxes) and are stored as they are, never averaged or pooled.
        notes: headings of what it notes of each video for the report (`Encoded.notes`).
        memory_mb: memory of a job, its batches included.
        threads: of a job on the CPU.
        gpu: the network runs on a graphics card where there is one, in half precision by autocast.
    """

    name: str
    modality: Modality
    arrays: Mapping[str, int]
    revision: str
    licence: str
    source: str
    version: str = "1"
    extra: str | None = None
    packages: tuple[str, ...] = ()
    parameters: Mapping[str, Param] = field(default_factory=dict)
    frame_side: int = 0
    weights: weights.Kind = "none"
    model: str = ""
    listed: bool = False
    frames: Literal["keyframes", "uniform"] = "keyframes"
    records: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    memory_mb: int = 2000
    threads: int = 1
    gpu: bool = False

    @property
    def has_model(self) -> bool:
        """Whether the study file names the model (`model:`, `revision:`)."""
        return self.weights not in ("none", "package")


@dataclass(frozen=True)
class Pictures:
    """Keyframes of a video, or frames at even times.

    Attributes:
        video: slug.
        frames: distinct frames in time order, (H, W, 3) uint8 RGB each.
        times: (n,) seconds.
        weights: (n,) share of the video's candidates that each keyframe stands for.
        thumbs: (M, 36, 64) uint8 grey candidates in time order.
        thumb_times: (M,) seconds.
    """

    video: str
    frames: Sequence[np.ndarray]
    times: np.ndarray
    weights: np.ndarray
    thumbs: np.ndarray
    thumb_times: np.ndarray


@dataclass(frozen=True)
class Sound:
    """The sound of a video: (n,) float32 mono in [-1, 1] at `rate` Hz, starting at `start` s on the video's clock."""

    video: str
    samples: np.ndarray
    rate: int = 16_000
    start: float = 0.0


@dataclass(frozen=True)
class Words:
    """Text of a video: for each field in order its (start, end, text) segments; fields without times are at 0."""

    video: str
    fields: Sequence[tuple[str, Sequence[tuple[float, float, str]]]]


@dataclass(frozen=True)
class Clip:
    """The media file of a video, for encoders that decode it themselves (modality `video`)."""

    video: str
    path: Path
    probe: Mapping[str, Any]


Item = Pictures | Sound | Words | Clip


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of one item.

    Attributes:
        arrays: name -> (T, ...) numbers with a leading time axis; a name may be missing (no motion in a picture).
        times: name -> (T, 2) seconds, start and end of what a row was computed from.
        outcome: not ok when the item holds nothing to encode (silence, no words).
        notes: JSON-able facts for the report, as heading -> lines of [text, number] (the likeliest sounds).
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    times: Mapping[str, np.ndarray] = field(default_factory=dict)
    outcome: Outcome = OK
    notes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Encoder(Protocol):
    """The contract: made from parameters (cheap, no heavy import), loaded once a job, then given batches.

    The result for an item may not depend on the other items of its batch. An encoder with weights also has the
    attributes `model` and `revision`, as the study file gives them, and finds its files by `registry.weights_of`. A
    method `prepare(item)` is called ahead of the device, in a thread; `encode` is then given what it returned, which
    must keep the attribute `video`. It is called one at a time, unless the class says `prepare_parallel = True`. It may
    raise `Refused`, which is that video's outcome. An encoder that uses others (a sentence of objects through a text
    encoder) tells their sections by a static method `within(params) -> {part: section}`; they belong to the key of its
    results. So do files that it reads beside its weights and that are no part of them, told by a method `beside(path)`.
    A method `lacks(path)` says before any job what these weights need that is not there, a line each, without importing
    anything heavy.
    """

    card: ModelCard

    def load(self, device: str) -> None:
        """Load weights and libraries; `device` is `cpu` or `cuda:0`."""
        ...

    def encode(self, batch: Sequence[Any]) -> list[Encoded]:
        """One `Encoded` for each item of the batch, in order."""
        ...


def reduce(values: np.ndarray, times: np.ndarray, most: int = MAX_VECTORS) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` rows: longer arrays are averaged in even segments, times joined.

    Args:
        values: (T, ...) numbers.
        times: (T, 2) seconds.
        most: number of rows that may remain.
    """
    if len(values) <= most:
        return values, times
    edges = np.linspace(0, len(values), most + 1).round().astype(int)
    spans = list(itertools.pairwise(edges))
    means = np.stack([values[a:b].mean(axis=0, dtype=np.float64) for a, b in spans]).astype(values.dtype)
    return means, np.array([[times[a, 0], times[b - 1, 1]] for a, b in spans])
