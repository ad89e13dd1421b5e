"""A text-to-image pipeline of diffusers: what its folder must hold, and pictures from words."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import weights
from triptych.core.config import Imagine
from triptych.encoders.batches import is_out_of_memory
from triptych.encoders.pretrained import libraries

PACKAGES = ("torch", "transformers", "diffusers")
INDEX = "model_index.json"
#: Settings of parts of a pipeline that have no weights.
_BARE = ("scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json", "tokenizer.json")
_HALF = "fp16"


class ImagineError(ValueError):
    """Pictures that cannot be made; the message says what to do."""


def located(section: Imagine) -> weights.Located:
    """The pipeline's files, held against `models.lock`.

    Raises:
        ImagineError: they are not here, or not what they must be.
    """
    try:
        found = weights.locate(section.model, section.revision)
    except weights.WeightsError as error:
        raise ImagineError(str(error)) from error
    if lacking := faults_of(found.path):
        raise ImagineError(f"{section.model}: {lacking[0]}")
    return found


def faults_of(folder: Path) -> list[str]:
    """What a folder must hold to be a pipeline that is loaded here, and does not; nothing heavy is imported."""
    if not (folder / INDEX).is_file():
        return [f"{folder} holds no {INDEX}; is it a text-to-image pipeline of diffusers, and whole?"]
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        parts = {name: tuple(one) for name, one in index.items() if isinstance(one, list) and name[0] != "_"}
        named = index.get("_class_name")
    except (OSError, ValueError, AttributeError, IndexError) as error:
        return [f"{folder / INDEX} cannot be read ({error})"]
    if not isinstance(named, str):
        return [f"{folder / INDEX} names a class of its own code ({named!r}); code of a model's folder is not run"]
    found = []
    for name, told in sorted(parts.items()):
        if len(told) != 2 or None in told:
            continue
        place = folder / name
        if not str(told[0]).isidentifier() or (place / f"{told[0]}.py").exists() or (folder / f"{told[0]}.py").exists():
            found.append(f"{folder / INDEX}: {name} is code of the folder's own ({told[0]}); it is not run")
        elif not place.is_dir():
            found.append(f"{folder} lacks the folder {name}, which {INDEX} names")
        elif not any((place / one).is_file() for one in _BARE) and not any(place.glob("*.safetensors")):
            found.append(f"{place} holds no safetensors, and other weights (.bin) are not read")
    return found


def variant(folder: Path) -> str | None:
    """`fp16` when a pipeline is there in half precision alone."""
    files = [path.name for path in folder.glob("*/*.safetensors")]
    return _HALF if files and all(f".{_HALF}." in name for name in files) else None


def faults(section: Imagine, installed: bool = True) -> list[str]:
    """What is wrong with the pipeline of a section, before any job."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None] if installed else []
    found = []
    if missing:
        found.append(f'model: needs {", ".join(missing)}; install them with: pip install "triptych[diffusion]"')
    try:
        located(section)
    except ImagineError as error:
        found.append(f"model: {error}")
    return found


def seed_of(seed: int, video: str, number: int) -> int:
    """The seed of a picture: of its video and number, so that other videos and runs change nothing."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{video}/{number}".encode()).digest()[:7], "big")


class Painter:
    """A pipeline that is loaded for a job.

    Args:
        section: of the study file.
    """

    def __init__(self, section: Imagine) -> None:
        self.section = section
        self.located = located(section)

    def load(self, device: str, threads: int) -> None:
        """Load the pipeline in float32; its safety checker as the folder says.

        Raises:
            ImagineError: it cannot be loaded, or weights are missing.
        """
        libraries()
        import diffusers
        import torch

        torch.set_num_threads(threads)
        diffusers.utils.logging.disable_progress_bar()
        diffusers.utils.logging.set_verbosity_error()
        path = str(self.located.path)
        options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
        options |= {"trust_remote_code": False, "variant": variant(self.located.path)}
        try:
            with _complete(self.section.model):
                try:
                    pipe = diffusers.AutoPipelineForText2Image.from_pretrained(path, **options)
                except ValueError:  # a pipeline of text to image that the list of these does not know
                    pipe = diffusers.DiffusionPipeline.from_pretrained(path, **options)
            self.pipe = pipe.to(device)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
            if isinstance(error, ImagineError):
                raise
            raise ImagineError(f"{self.section.model}: cannot be loaded ({_first(error)})") from error
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise ImagineError(f"{self.section.model}: cannot be loaded ({_first(error)})") from error
            raise ImagineError(
                f"{self.section.model}: does not fit into the memory of {device}; set gpus: 0"
            ) from error
        self.pipe.set_progress_bar_config(disable=True)

    def too_long(self, prompt: str) -> int:
        """Tokens of a prompt, when they are more than the pipeline reads; 0 otherwise."""
        tokenizer = getattr(self.pipe, "tokenizer", None)
        if tokenizer is None:
            return 0
        count = len(tokenizer(prompt, verbose=False)["input_ids"])
        return count if count > tokenizer.model_max_length else 0

    def paint(self, prompt: str, seed: int) -> np.ndarray | None:
        """A picture (H, W, 3) uint8; None where the pipeline's safety checker flagged it.

        Raises:
            ImagineError: the picture does not fit into memory, or is no numbers.
        """
        import torch

        section = self.section
        size = {"height": section.size, "width": section.size} if section.size else {}
        try:
            with torch.inference_mode():
                made = self.pipe(
                    prompt=prompt,
                    num_inference_steps=section.steps,
                    guidance_scale=section.guidance,
                    # On the CPU, so that a card starts from the same noise.
                    generator=torch.Generator("cpu").manual_seed(seed),
                    output_type="np",
                    **size,
                )
        except Exception as error:
            if is_out_of_memory(error):
                raise ImagineError(
                    f"{section.model}: a picture does not fit into memory ({_first(error)}); set a smaller `size`, or "
                    "gpus: 0"
                ) from error
            raise
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            return None
        picture = np.asarray(made.images[0])
        if not np.isfinite(picture).all():
            raise ImagineError(f"{section.model}: a picture holds values that are no numbers")
        return (picture * 255).round().clip(0, 255).astype(np.uint8)


@contextlib.contextmanager
def _complete(model: str) -> Iterator[None]:
    """Listen to what the libraries say while they load: weights that are missing would be random numbers."""
    told: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    heard = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [(logger.level, logger.handlers, logger.propagate) for logger in heard]
    for logger in heard:
        logger.handlers, logger.propagate = [listener], False
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, (level, handlers, propagate) in zip(heard, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    lacking = [one for one in told if "newly initialized" in one]
    if lacking:
        raise ImagineError(f"{model}: its checkpoint lacks weights ({lacking[0].strip().splitlines()[0][:300]})")


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
