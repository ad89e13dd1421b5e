"""What an encoder is: its card, what it reads, what it gives; and how one is found, checked and made.

An encoder is one class in one file. It comes into the workflow by one line in `REGISTRY`, or, for a user's own
class, by its import path in the study file (`use: my_package.my_module:MyEncoder`).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from triptych.core import weights
from triptych.core.files import digest_bytes
from triptych.core.params import Param, complete, nearest
from triptych.core.params import faults as param_faults
from triptych.core.status import OK, Outcome

Modality = Literal["text", "audio", "image", "video"]
MODALITIES: tuple[str, ...] = ("text", "audio", "image", "video")

#: Name in the study file -> where the class is. Nothing is imported before it is wanted.
REGISTRY = {
    "classic-image": "triptych.encoders.classic_image:ClassicImage",
    "classic-audio": "triptych.encoders.classic_audio:ClassicAudio",
    "minilm": "triptych.encoders.minilm:MiniLM",
    "yamnet": "triptych.encoders.yamnet:Yamnet",
    "yamnet-litert": "triptych.encoders.yamnet_litert:YamnetLiteRT",
    "vggish": "triptych.encoders.vggish:Vggish",
    "ast": "triptych.encoders.audio_transformers:Ast",
    "clap": "triptych.encoders.audio_transformers:Clap",
    "audio-transformers": "triptych.encoders.audio_transformers:AudioTransformer",
    "resnet50": "triptych.encoders.image_transformers:ResNet50",
    "resnet152": "triptych.encoders.image_transformers:ResNet152",
    "mobilenet-v2": "triptych.encoders.image_transformers:MobileNetV2",
    "clip": "triptych.encoders.image_transformers:Clip",
    "siglip2": "triptych.encoders.image_transformers:SigLip2",
    "dinov2": "triptych.encoders.image_transformers:DinoV2",
    "dinov3": "triptych.encoders.image_transformers:DinoV3",
    "vit-mae": "triptych.encoders.image_transformers:ViTMae",
    "image-transformers": "triptych.encoders.image_transformers:ImageTransformers",
    "mobilenet-litert": "triptych.encoders.mobilenet_litert:MobileNetLiteRT",
    "vivit": "triptych.encoders.video_transformers:ViViT",
    "videomae": "triptych.encoders.video_transformers:VideoMae",
    "xclip": "triptych.encoders.video_transformers:XClip",
    "timesformer": "triptych.encoders.video_transformers:TimeSformer",
    "video-transformers": "triptych.encoders.video_transformers:VideoTransformers",
    "rt-detr": "triptych.encoders.detect_transformers:RTDetr",
    "yolos": "triptych.encoders.detect_transformers:Yolos",
    "detr": "triptych.encoders.detect_transformers:Detr",
    "detector": "triptych.encoders.detect_transformers:AnyDetector",
    "yolo": "triptych.encoders.yolo:Yolo",
    "sentence-transformers": "triptych.encoders.text_sentence:SentenceTransformers",
    "all-minilm": "triptych.encoders.text_sentence:AllMiniLM",
    "text-transformers": "triptych.encoders.text_transformers:TextTransformers",
}

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
    attributes `model` and `revision`, as the study file gives them, and finds its files by `weights_of`. A method
    `prepare(item)` is called ahead of the device, in a thread; `encode` is then given what it returned, which must keep
    the attribute `video`. It is called one at a time, unless the class says `prepare_parallel = True`. It may raise
    `Refused`, which is that video's outcome. An encoder that uses others (a sentence of objects through a text encoder)
    tells their sections by a static method `within(params) -> {part: section}`; they belong to the key of its results.
    So do files that it reads beside its weights and that are no part of them, told by a method `beside(path)`. A method
    `lacks(path)` says before any job what these weights need that is not there, a line each, without importing
    anything heavy.
    """

    card: ModelCard

    def load(self, device: str) -> None:
        """Load weights and libraries; `device` is `cpu` or `cuda:0`."""
        ...

    def encode(self, batch: Sequence[Any]) -> list[Encoded]:
        """One `Encoded` for each item of the batch, in order."""
        ...


def find(use: str) -> type:
    """The class of an encoder, by registered name or import path `module:Class`.

    Raises:
        EncoderError: unknown name, no such module or class, or not an encoder.
    """
    path = REGISTRY.get(use, use)
    if ":" not in path:
        raise EncoderError(
            f"there is no encoder {use!r}{nearest(use, REGISTRY)}; known are {', '.join(sorted(REGISTRY))}, and your "
            "own class by its import path `module:Class`"
        )
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, TypeError) as error:  # also `:Class` and `..module:Class`
        raise EncoderError(f"{use}: cannot import {module} ({error}); is it on PYTHONPATH?") from error
    except AttributeError as error:
        raise EncoderError(f"{use}: {module} has no class {name!r}") from error
    missing = [part for part in ("card", "load", "encode") if not hasattr(found, part)]
    if not isinstance(found, type) or missing:
        raise EncoderError(f"{use}: not an encoder (it lacks {', '.join(missing) or 'a class'}; see docs/encoders.md)")
    return found


def create(
    use: str, params: Mapping[str, Any] | None = None, *, model: str | None = None, revision: str | None = None
) -> Encoder:
    """An encoder with its parameters, defaults filled in; not loaded yet.

    Args:
        use: registered name or import path.
        params: parameters of the encoder.
        model: its weights; the card's by default.
        revision: commit of a hub's model; the one of `models.lock` by default.

    Raises:
        EncoderError: unknown encoder, or faulty parameters (all of them).
    """
    kind = find(use)
    faults = _param_faults(kind, params or {})
    if faults:
        raise EncoderError(f"{use}: {'; '.join(faults)}")
    made = kind(complete_params(kind.card, params or {}))
    if kind.card.has_model:
        made.model, made.revision = model or kind.card.model, revision
    return made


def made_from(encoder: Mapping[str, Any]) -> Encoder:
    """`create` from a section of the study file."""
    given = {name: encoder.get(name) for name in ("model", "revision")}
    return create(encoder["use"], encoder.get("params"), **given)


def weights_of(made: Encoder) -> weights.Located:
    """The weights of an encoder, held against `models.lock`.

    Raises:
        EncoderError: they are not here, or not what they must be.
    """
    card = made.card
    try:
        return weights.locate(made.model, made.revision, kind=card.weights, listed=card.listed)
    except weights.WeightsError as error:
        raise EncoderError(str(error)) from error


def complete_params(card: ModelCard, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the defaults of the card for those not given, sorted by name."""
    return complete(card.parameters, params)


def memory_mb(encoder: Mapping[str, Any]) -> int:
    """Memory that a job declares: what the card says for its default model, more where the weights are larger.

    Libraries and batches take about 2 GB; weights of half precision double when they are read, beside the file itself.

    Raises:
        EncoderError: as `made_from` and `weights_of`.
    """
    made = made_from(encoder)
    if not made.card.has_model:
        return made.card.memory_mb
    return max(made.card.memory_mb, 2000 + 3 * (weights_of(made).bytes >> 20))


def signature(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """All of an encoder that determines its results: for the keys of entries and the parameters of rules.

    Args:
        encoder: section of the study file (`use`, `params`, `text`).

    Raises:
        EncoderError: as `create`.
    """
    made = made_from(encoder)
    located = weights_of(made) if made.card.has_model else None
    told = {
        "use": encoder["use"],
        "name": made.card.name,
        # Of weights their content counts, not where they lie.
        "revision": located.identity if located else made.card.revision,
        "version": made.card.version,
        "params": _by_content(made.card, complete_params(made.card, encoder.get("params") or {})),
        "store": encoder.get("store") or "float32",
    }
    if made.card.gpu:
        told["precision"] = encoder.get("precision") or "auto"
    if made.card.modality == "image":
        told["frames"] = encoder.get("frames") or made.card.frames
    if made.card.modality == "text":
        told["text"] = list(encoder.get("text") or ["transcript"])
    if located and hasattr(made, "beside") and (files := made.beside(located.path)):
        told["beside"] = ["sha256:" + weights.file_digest(path) for path in files]
    if parts := parts_within(encoder):
        told["within"] = {part: signature(section) for part, section in parts.items()}
    if encoder["use"] not in REGISTRY:
        # A user's class has no versions.lock: its own source tells when it changed.
        told["code"] = digest_bytes(Path(inspect.getsourcefile(type(made))).read_bytes())
    return told


def _by_content(card: ModelCard, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with files told by their digests."""
    return {
        name: "sha256:" + weights.file_digest(Path(value).expanduser())
        if value and name in card.parameters and card.parameters[name].file
        else value
        for name, value in params.items()
    }


def parts_within(encoder: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sections of the encoders that an encoder uses itself; empty for most.

    Raises:
        EncoderError: unknown encoder.
    """
    kind = find(encoder["use"])
    if not hasattr(kind, "within"):
        return {}
    return kind.within(complete_params(kind.card, encoder.get("params") or {}))


def arrays_of(encoder: Mapping[str, Any]) -> dict[str, int]:
    """Arrays that an encoder of the study file gives: name -> length, for the default model.

    They are the card's, unless the class tells them by a method `arrays_of(section)`.

    Raises:
        EncoderError: unknown encoder, or a section that leads to no arrays.
    """
    kind = find(encoder["use"])
    return dict(kind.arrays_of(encoder) if hasattr(kind, "arrays_of") else kind.card.arrays)


def masked_columns(encoder: Mapping[str, Any]) -> list[str]:
    """Columns of the table whose words a text encoder takes out of the text first (its attribute `masked`)."""
    return list(getattr(made_from(encoder), "masked", ()))


def missing_packages(card: ModelCard) -> list[str]:
    """Modules of the card that are not installed (looked for, not imported)."""
    return [name for name in card.packages if name not in sys.modules and importlib.util.find_spec(name) is None]


def validate(
    name: str,
    encoder: Mapping[str, Any],
    short_side: int | None = None,
    uniform: int | None = None,
    *,
    installed: bool = True,
) -> list[str]:
    """What is wrong with an encoder of a study file, before any job; nothing heavy is imported.

    Args:
        name: its name in the study file.
        encoder: its section (`use`, `model`, `text`, `batch`, `params`, ...).
        short_side: short side of the stored keyframes (`keyframes.short_side`).
        uniform: number of frames at even times that are stored (`keyframes.uniform`).
        installed: packages must be importable here; not so where jobs have environments of their own.

    Returns:
        Faults, one line each; empty when it can run.
    """
    place = f"encoders.{name}"
    try:
        kind = find(encoder["use"])
    except EncoderError as error:
        return [f"{place}.use: {error}"]
    card = kind.card
    faults = [f"{place}.params.{fault}" for fault in _param_faults(kind, encoder.get("params") or {})]
    missing = missing_packages(card) if installed else []
    if missing:
        how = f'install it with: pip install "triptych[{card.extra}]"' if card.extra else "install it with pip"
        faults.append(f"{place}.use: {encoder['use']} needs {', '.join(missing)}, which is not installed; {how}")
    if short_side is not None and card.frame_side > short_side:
        faults.append(
            f"{place}.use: {encoder['use']} needs frames with a short side of {card.frame_side} pixels, but "
            f"keyframes.short_side is {short_side}; raise it to {card.frame_side}"
        )
    if card.modality == "image" and uniform == 0 and (encoder.get("frames") or card.frames) == "uniform":
        faults.append(f"{place}.frames: frames at even times are not stored; set keyframes.uniform, for example to 32")
    if card.has_model:
        for number, need in enumerate(weights.needs(kind, encoder)):
            try:
                located = weights.locate(need.model, need.revision, kind=need.kind, listed=need.listed)
            except weights.WeightsError as error:
                faults.append(f"{place}.model: {error}")
                continue
            # Weights may need more than the card says (a backbone of another package).
            if number == 0 and hasattr(kind, "lacks"):
                made = made_from(encoder | {"params": {}})
                faults += [f"{place}.model: {one}" for one in made.lacks(located.path)]
    else:
        given = [key for key in ("model", "revision") if encoder.get(key)]
        faults += [f"{place}.{key}: {encoder['use']} has no weights to choose" for key in given]
    if card.modality == "text" and not encoder.get("text", ["transcript"]):
        faults.append(f"{place}.text: name at least one field: `transcript` or a column of the table")
    try:
        arrays_of(encoder)
    except EncoderError as error:
        faults.append(f"{place}.text: {error}")
    return faults


def feature_faults(features: Mapping[str, Mapping[str, Any]], encoders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Features that name an array which their encoder does not give; `from` is `encoder.array`."""
    faults = []
    for name, feature in features.items():
        encoder, _, array = (feature.get("from") or feature["from_"]).partition(".")
        try:
            made = made_from(encoders[encoder])
            arrays = [array for array in arrays_of(encoders[encoder]) if array not in made.card.records]
        except (EncoderError, KeyError):
            continue  # told by `validate`, or by the study file itself
        if array not in arrays:
            known = ", ".join(one for one in arrays if not one.endswith(WEIGHTS))
            faults.append(f"features.{name}.from: {encoder} gives no array {array!r}; it gives {known}")
        elif "wmean" in (feature.get("pool") or "").split("+") and array + WEIGHTS not in arrays:
            faults.append(f"features.{name}.pool: {encoder} gives no weights of {array!r}; use mean")
    return faults


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


def _param_faults(kind: type, params: Mapping[str, Any]) -> list[str]:
    faults = param_faults(kind.card.parameters, params)
    if not faults and hasattr(kind, "faults"):
        faults = list(kind.faults(complete_params(kind.card, params)))
    return faults
