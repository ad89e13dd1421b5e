"""What a transcriber is: its card, what it gives; and how one is found, checked and made.

A recogniser of speech is one class in one file, and comes into the workflow by one line in `RECOGNISERS`; all of them
share one rule (`transcribe_shard`). A transcriber that reads something else than sound has a rule and a line in `OWN`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from triptych.core import params as parameters
from triptych.core import weights
from triptych.core.params import Param
from triptych.speech.transcript import Spoken

#: Recognisers of speech: name in the study file -> where the class is. Nothing is imported before it is wanted.
RECOGNISERS = {
    "faster-whisper": "triptych.speech.faster_whisper:FasterWhisper",
    "openai-whisper": "triptych.speech.openai_whisper:OpenAIWhisper",
    "hf-asr": "triptych.speech.hf_asr:HuggingFaceASR",
}
#: Transcribers with a rule of their own: name -> module with `faults(params)`, or with `validate(name, source)` when
#: the source has a model.
OWN = {"captions": "triptych.speech.captions", "ocr": "triptych.speech.ocr"}


class TranscriberError(ValueError):
    """A transcriber that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Card:
    """What is to be known of a recogniser before it runs.

    Attributes:
        name: registered name.
        weights: what kind of weights `model` names (see `triptych.core.weights`).
        model: the model by default; empty when the study file must name one.
        sizes: short names of models -> id of the hub, or "" for a file that is found otherwise.
        licence: of code and weights.
        source: where both come from.
        version: VERSION of the module; bumped when its results may change.
        extra: pip extra that installs what it needs.
        packages: modules that must be importable.
        parameters: name -> `Param`.
        memory_mb: memory of a job beside the weights, which count twice.
        threads: of a job on the CPU.
        gpu: the model runs on a graphics card where there is one.
    """

    name: str
    weights: weights.Kind
    model: str
    licence: str
    source: str
    version: str
    extra: str
    packages: tuple[str, ...]
    sizes: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Param] = field(default_factory=dict)
    memory_mb: int = 3000
    threads: int = 2
    gpu: bool = True


@runtime_checkable
class Transcriber(Protocol):
    """The contract: made from parameters (cheap, no heavy import), loaded once a job, then given one sound at a time.

    `model` and `revision` are set as the study file gives them; the files are found by `weights_of`. A class may have
    `locate()`, for weights that `triptych.core.weights` does not know, and `fault_of(source)`.
    """

    card: Card
    model: str
    revision: str | None

    def load(self, device: str, threads: int, precision: str) -> None:
        """Load weights and libraries; `device` is `cpu` or `cuda:0`, `precision` as the study file gives it."""
        ...

    def hear(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        """What is said in (n,) float32 samples, mono at 16 kHz, in [-1, 1]; times from the first sample.

        Args:
            samples: the sound.
            language: of the speech; detected when None.
            batch: stretches of sound that go through the model at once; it changes no result.
        """
        ...


def find(use: str) -> type:
    """The class of a recogniser.

    Raises:
        TranscriberError: unknown name.
    """
    if use not in RECOGNISERS:
        known = [*OWN, *RECOGNISERS]
        raise TranscriberError(
            f"there is no transcriber {use!r}{parameters.nearest(use, known)}; known are {', '.join(known)}"
        )
    module, _, name = RECOGNISERS[use].partition(":")
    return getattr(importlib.import_module(module), name)


def made_from(source: Mapping[str, Any]) -> Transcriber:
    """A recogniser from a section of the study file, defaults filled in; not loaded yet.

    Raises:
        TranscriberError: unknown, or faulty parameters (all of them).
    """
    kind = find(source["use"])
    faults = parameters.faults(kind.card.parameters, source.get("params") or {})
    if faults:
        raise TranscriberError(f"{source['use']}: {'; '.join(faults)}")
    made = kind(parameters.complete(kind.card.parameters, source.get("params") or {}))
    made.model, made.revision = source.get("model") or kind.card.model, source.get("revision")
    return made


def weights_of(made: Transcriber) -> weights.Located:
    """The weights of a recogniser, held against `models.lock`.

    Raises:
        TranscriberError: they are not here, or not what they must be.
    """
    try:
        if hasattr(made, "locate"):
            return made.locate()
        return weights.locate(hub_id(made.card, made.model), made.revision, kind=made.card.weights)
    except weights.WeightsError as error:
        raise TranscriberError(str(error)) from error


def hub_id(card: Card, model: str) -> str:
    """The hub's id of a model that is named by its size; any other name as it is."""
    return card.sizes.get(model) or model


def signature(source: Mapping[str, Any]) -> dict[str, Any]:
    """All of a source that determines its text: for the keys of transcripts and the parameters of rules.

    Batch size and threads change no text, and so are no part of it.

    Raises:
        TranscriberError: as `made_from` and `weights_of`.
    """
    made = made_from(source)
    return {
        "use": source["use"],
        # Of weights their content counts, not where they lie.
        "revision": weights_of(made).identity,
        "version": made.card.version,
        "language": source.get("language"),
        "precision": source.get("precision") or "auto",
        "params": made.params,
    }


def memory_mb(source: Mapping[str, Any]) -> int:
    """Memory that a job of a source declares."""
    made = made_from(source)
    return made.card.memory_mb + 2 * math.ceil(weights_of(made).bytes / 2**20)


def validate(name: str, source: Mapping[str, Any], *, installed: bool = True) -> list[str]:
    """What is wrong with a source of a study file, before any job; nothing heavy is imported.

    Args:
        name: its name in the study file.
        source: its section (`use`, `model`, `language`, `params`, ...).
        installed: the packages must be importable here, not in environments of the jobs' own.

    Returns:
        Faults, one line each; empty when it can run.
    """
    place, use = f"transcripts.{name}", source["use"]
    given = source.get("params") or {}
    if use in OWN:
        return _validate_own(name, source, installed)
    try:
        kind = find(use)
    except TranscriberError as error:
        return [f"{place}.use: {error}"]
    card = kind.card
    faults = [f"{place}.params.{fault}" for fault in parameters.faults(card.parameters, given)]
    missing = [one for one in card.packages if one not in sys.modules and importlib.util.find_spec(one) is None]
    if missing and installed:
        faults.append(
            f"{place}.use: {use} needs {', '.join(missing)}, which is not installed; "
            f'install it with: pip install "triptych[{card.extra}]"'
        )
    made = made_from({**source, "params": {}})
    try:
        weights_of(made)
    except TranscriberError as error:
        faults.append(f"{place}.model: {error}")
    else:
        fault = made.fault_of(source) if hasattr(made, "fault_of") else None
        faults += [f"{place}.{fault}"] if fault else []
    return faults


def _validate_own(name: str, source: Mapping[str, Any], installed: bool) -> list[str]:
    """Faults of a source with a rule of its own."""
    place, use = f"transcripts.{name}", source["use"]
    module = importlib.import_module(OWN[use])
    if hasattr(module, "validate"):
        return module.validate(name, source, installed=installed)
    faults = [f"{place}.params: {fault}" for fault in module.faults(source.get("params") or {})]
    faults += [f"{place}.{key}: {use} has no weights to choose" for key in ("model", "revision") if source.get(key)]
    return faults
