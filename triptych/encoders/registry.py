"""Encoders by name: how one is found, made and signed, and where its weights are.

Nothing is imported before it is wanted: a registered encoder, or a user's own class, is known by its import path.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core import weights
from triptych.core.files import digest_bytes
from triptych.core.params import complete, faults, nearest
from triptych.encoders.base import Encoder, EncoderError, ModelCard

#: Name in the study file -> where the class is.
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
    if wrong := parameter_faults(kind, params or {}):
        raise EncoderError(f"{use}: {'; '.join(wrong)}")
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


def parameter_faults(kind: type, params: Mapping[str, Any]) -> list[str]:
    """What is wrong with parameters of an encoder's class: each of them, then as the class holds them together."""
    wrong = faults(kind.card.parameters, params)
    if not wrong and hasattr(kind, "faults"):
        wrong = list(kind.faults(complete_params(kind.card, params)))
    return wrong


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
