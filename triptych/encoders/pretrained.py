"""Networks of transformers from a local folder: loaded whole, with nothing of what is read left to chance."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.core import torchvision
from triptych.core.weights import Located
from triptych.encoders.base import EncoderError


def libraries() -> Any:
    """The module transformers, ready for a job: no network, no bars, no pool of tokenizer threads."""
    # Read by the libraries when they are imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torchvision.mend()
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    return transformers


#: What a network of pictures or sound needs beside its weights: its configuration, and how its input is prepared.
BESIDE = (("config.json",), ("preprocessor_config.json", "processor_config.json"))


def lacking(folder: Path, wanted: Iterable[tuple[str, ...]] = BESIDE) -> list[str]:
    """What a model's folder must hold and does not: a line for each group of names of which none is there."""
    return [
        f"{folder} holds no {' or '.join(names)}; is it a model of this kind, and whole?"
        for names in wanted
        if not any((folder / name).is_file() for name in names)
    ]


def config_of(located: Located) -> Any:
    """The configuration of a model's folder.

    Raises:
        EncoderError: there is none, or of a kind that transformers does not know.
    """
    transformers = libraries()
    try:
        return transformers.AutoConfig.from_pretrained(
            str(located.path), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise EncoderError(f"{located.model}: no model of transformers ({_first(error)})") from error


def network(kind: Any, located: Located, config: Any, device: str, *, unread: Iterable[str] = (), **more: Any) -> Any:
    """A network in float32 for inference, its weights from the folder alone.

    Args:
        kind: class of transformers (an Auto class too).
        located: the folder.
        config: of the model; may be changed from that of the folder.
        device: `cpu` or `cuda:0`.
        unread: parts of names of parameters that the caller does not use, which may be missing.
        more: further arguments of the class.

    Raises:
        EncoderError: weights are missing, or do not fit: transformers would fill them with random numbers; or the file
            is damaged, or a pickle that holds more than weights.
    """
    import pickle

    from safetensors import SafetensorError

    try:
        made, told = kind.from_pretrained(
            str(located.path),
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=located.safetensors or None,
            # A checkpoint in half precision would be computed in it, on the CPU too.
            dtype="float32",
            output_loading_info=True,
            **more,
        )
    except pickle.UnpicklingError as error:
        raise EncoderError(
            f"{located.model}: its weights are a pickle that holds more than weights; not loaded. Take the model's "
            "safetensors"
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(f"{located.model}: cannot be loaded ({_first(error)})") from error
    parts = tuple(unread)
    lacking = sorted(name for name in told["missing_keys"] if not any(part in name for part in parts))
    lacking += sorted(str(one[0] if isinstance(one, tuple) else one) for one in told.get("mismatched_keys", ()))
    if lacking:
        raise EncoderError(
            f"{located.model}: the checkpoint lacks {len(lacking)} of the weights that {type(made).__name__} reads "
            f"({', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}); they would be random. "
            "Is it a checkpoint of this kind?"
        )
    return made.eval().requires_grad_(False).to(device)


def without_pooler(kind: type) -> dict[str, bool]:
    """The argument that leaves out a class's pooling layer, where it has one: many checkpoints lack its weights."""
    return {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}


def class_of(config: Any) -> type:
    """The class that `AutoModel` would make of a configuration.

    Raises:
        EncoderError: there is none.
    """
    from transformers import MODEL_MAPPING

    try:
        found = MODEL_MAPPING[type(config)]
    except KeyError as error:
        raise EncoderError(f"transformers has no plain network for a model of type {config.model_type!r}") from error
    return found[0] if isinstance(found, (tuple, list)) else found


def has_class_token(made: Any) -> bool:
    """Whether the first token of a network's output stands for the whole input."""
    marks = ("cls_token", "class_embedding", "class_token", "cls_embedding")
    return any(name.endswith(marks) or name.endswith("class_embedding.weight") for name, _ in made.named_parameters())


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON file of a model's folder; empty when it is not there."""
    import json

    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
