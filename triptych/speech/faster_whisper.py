"""Whisper by faster-whisper (CTranslate2): batches, voice activity detection, 8-bit numbers on the CPU.

The detector of voice (Silero VAD, MIT) comes inside the package. Stretches without voice are not given to the model;
what remains is joined to windows of at most 30 s, each of which has one language and one segment of text, with times of
words on request.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from triptych.core import weights
from triptych.core.params import Param
from triptych.speech import base, quality, whisper_models, windows
from triptych.speech.transcript import Segment, Spoken

VERSION = "1"
RATE = 16_000

CARD = base.Card(
    name="faster-whisper",
    weights="folder",
    model="small",
    sizes=whisper_models.CONVERTED,
    licence="MIT (code and weights)",
    source="SYSTRAN/faster-whisper; weights of OpenAI's Whisper, converted for CTranslate2",
    version=VERSION,
    extra="models",
    packages=("faster_whisper", "ctranslate2", "onnxruntime"),
    parameters={
        "beam": Param(5, "beams of the search", low=1, high=20),
        "word_times": Param(False, "times of words as well"),
        "vad": Param(True, "leave out stretches without voice"),
        "vad_threshold": Param(0.5, "probability from which a moment is voice", low=0.01, high=0.99),
        "window": Param(30.0, "seconds of a window at most", low=5, high=30),
        "repetition_penalty": Param(1.0, "above 1 words said before become less likely", low=0.5, high=5),
        "max_tokens": Param(0, "most tokens of a window; 0: what the model allows", low=0, high=224),
        "prompt": Param("", "text that the model takes for what was said before (names, spellings)"),
        **quality.PARAMETERS,
    },
)
#: Tokens that a window may have, prompt and text, and those of the prompt (start, language, task, no times).
LENGTH, PROMPT = 448, 4
#: `precision` of the study file -> CTranslate2's compute type on the CPU and on a graphics card. Half precision gains
#: nothing on a CPU, which computes with float32 then.
COMPUTE = {
    "cpu": {"auto": "int8", "int8": "int8", "float32": "float32", "float16": "float32", "bfloat16": "float32"},
    "cuda": {
        "auto": "float16",
        "int8": "int8_float16",
        "float32": "float32",
        "float16": "float16",
        "bfloat16": "bfloat16",
    },
}


class FasterWhisper:
    """The recogniser."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model, self.revision = CARD.model, None
        self.pipeline: Any = None

    def fault_of(self, source: Mapping[str, Any]) -> str | None:
        """Languages that Whisper does not know."""
        fault = whisper_models.language_fault(source.get("language"), self.model)
        return f"language: {fault}" if fault else None

    def locate(self) -> weights.Located:
        """The folder of a converted model.

        Raises:
            WeightsError: not here, or not one of CTranslate2.
        """
        found = weights.locate(base.hub_id(CARD, self.model), self.revision)
        for name in ("model.bin", "config.json", "tokenizer.json"):
            # Without a tokenizer the library would fetch one.
            if name not in found.files:
                raise weights.WeightsError(
                    f"{self.model}: {found.path} has no {name}; a model of faster-whisper is a folder that "
                    "ct2-transformers-converter wrote, with --copy_files tokenizer.json preprocessor_config.json"
                )
        return found

    def load(self, device: str, threads: int, precision: str) -> None:
        """Load the model."""
        path = base.weights_of(self).path
        os.environ["HF_HUB_OFFLINE"] = "1"
        from faster_whisper import WhisperModel

        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        kind, _, number = device.partition(":")
        model = WhisperModel(
            str(path),
            device=kind,
            device_index=int(number or 0),
            compute_type=COMPUTE[kind][precision],
            cpu_threads=threads,
            local_files_only=True,
        )
        self.pipeline = _pipeline(model)

    def hear(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        """Text of the windows with voice; the language of each is detected unless one is given."""
        params = self.params
        self.pipeline.languages = Counter()
        options: dict[str, Any] = {}
        if not params["vad"]:
            cuts = windows.quiet_cuts(samples, RATE, params["window"])
            options["clip_timestamps"] = [{"start": first / RATE, "end": last / RATE} for first, last in cuts]
        segments, info = self.pipeline.transcribe(
            samples,
            language=whisper_models.code_of(language),
            multilingual=language is None and self.pipeline.model.model.is_multilingual,
            batch_size=batch,
            beam_size=int(params["beam"]),
            temperature=0.0,
            word_timestamps=params["word_times"],
            repetition_penalty=float(params["repetition_penalty"]),
            max_new_tokens=self._most(),
            initial_prompt=params["prompt"] or None,
            chunk_length=int(params["window"]),
            vad_parameters={"threshold": float(params["vad_threshold"]), "min_silence_duration_ms": 160},
            **options,
        )
        found = tuple(_segment(one) for one in segments)
        heard = dict(self.pipeline.languages)
        return Spoken(found, language=language or (info.language if found else None), languages=heard)

    def _most(self) -> int | None:
        """What the package calls new tokens: CTranslate2 gives text half of prompt and text together, less one."""
        most = int(self.params["max_tokens"])
        if not most:
            return None
        said = self.pipeline.model.hf_tokenizer.encode(self.params["prompt"], add_special_tokens=False).ids
        prompt = PROMPT + (min(len(said), LENGTH // 2) + 1 if said else 0)
        return max(1, min(2 * (most + 1) - PROMPT, LENGTH - prompt))


def _segment(one: Any) -> Segment:
    told = {
        "no_speech_prob": one.no_speech_prob,
        "avg_logprob": one.avg_logprob,
        "compression_ratio": one.compression_ratio,
    }
    words = None
    if one.words is not None:
        words = tuple((float(a.start), float(a.end), a.word.strip(), float(a.probability)) for a in one.words)
    return Segment(float(one.start), float(one.end), one.text, told, words)


def _pipeline(model: Any) -> Any:
    """The package's batched pipeline, which also counts the seconds of each language that it detects."""
    from faster_whisper import BatchedInferencePipeline

    class Counting(BatchedInferencePipeline):
        def forward(self, features, tokenizer, chunks_metadata, options):
            self.seconds = [chunk["duration"] for chunk in chunks_metadata]
            return super().forward(features, tokenizer, chunks_metadata, options)

        def generate_segment_batched(self, features, tokenizer, options):
            encoded, outputs = super().generate_segment_batched(features, tokenizer, options)
            if options.multilingual:
                # The package detects them too, but does not tell.
                detected = self.model.model.detect_language(encoded)
                for seconds, ranked in zip(self.seconds, detected, strict=True):
                    self.languages[ranked[0][0][2:-2]] += seconds
            return encoded, outputs

    made = Counting(model)
    made.languages = Counter()
    return made
