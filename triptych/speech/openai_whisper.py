"""Whisper by OpenAI's own package: windows of 30 s one after another, decoded again at rising temperature on failure.

Slower than faster-whisper on the same weights; it is the reference that others are held against. Windows that the
package takes for silence have no segment, so they are not among the counted ones that are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import weights
from triptych.core.params import Param
from triptych.speech import base, quality, whisper_models
from triptych.speech.transcript import Segment, Spoken

VERSION = "1"
RATE = 16_000
#: Seconds of a window of the model.
WINDOW = 30
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

CARD = base.Card(
    name="openai-whisper",
    weights="file",
    model="small",
    sizes=dict.fromkeys((*whisper_models.OPENAI, *whisper_models.ALIASES), ""),
    licence="MIT (code and weights)",
    source="openai/whisper",
    version=VERSION,
    extra="whisper",
    packages=("whisper", "torch"),
    parameters={
        "beam": Param(5, "beams of the search; 1: greedy", low=1, high=20),
        "word_times": Param(False, "times of words as well"),
        "fallback": Param(True, "decode a window again at rising temperature when its text is doubtful"),
        "language_windows": Param(8, "windows, evenly chosen, that the language is detected in", low=1, high=1000),
        "max_tokens": Param(0, "most tokens of a window; 0: what the model allows", low=0, high=224),
        "prompt": Param("", "text that the model takes for what was said before (names, spellings)"),
        **quality.PARAMETERS,
    },
)


class OpenAIWhisper:
    """The recogniser."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model, self.revision = CARD.model, None
        self.whisper: Any = None
        self.half = False

    def fault_of(self, source: Mapping[str, Any]) -> str | None:
        """Languages that Whisper does not know; revisions, which files have not."""
        fault = whisper_models.language_fault(source.get("language"), self.model)
        if fault:
            return f"language: {fault}"
        return "revision: a file has none; its sha256 tells which it is" if source.get("revision") else None

    def locate(self) -> weights.Located:
        """The file: a path, or, for a size, where the package keeps it, with the sha256 of its address.

        Raises:
            WeightsError: not here, or another file.
        """
        if self.model not in CARD.sizes or Path(self.model).is_file():
            return weights.locate(self.model, kind="file")
        path = whisper_models.openai_file(self.model)
        address = whisper_models.openai_address(self.model)
        if not path.is_file():
            raise weights.WeightsError(f"{self.model} is not here; download {address} to {path}")
        found = weights.locate(str(path), kind="file")
        wanted = whisper_models.OPENAI[whisper_models.ALIASES.get(self.model, self.model)]
        if found.identity != f"sha256:{wanted}":
            have = found.identity.removeprefix("sha256:")
            raise weights.WeightsError(
                f"{self.model}: {path} is not OpenAI's file (sha256 {have}, expected {wanted}); not loaded. Remove it "
                f"and download {address}"
            )
        return found

    def load(self, device: str, threads: int, precision: str) -> None:
        """Load the model; only tensors are read from its file."""
        path = base.weights_of(self).path
        import torch

        torch.set_num_threads(threads)
        # Not `whisper.load_model`: older packages unpickle whatever the file holds, and sizes are downloaded.
        import whisper
        from whisper.model import ModelDimensions, Whisper

        try:
            stored = torch.load(path, map_location=device, weights_only=True)
            model = Whisper(ModelDimensions(**stored["dims"]))
            model.load_state_dict(stored["model_state_dict"])
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise
            raise base.TranscriberError(f"{path} is no model of openai-whisper that can be loaded: {error}") from error
        heads = getattr(whisper, "_ALIGNMENT_HEADS", {}).get(self.model)
        if heads is not None:
            model.set_alignment_heads(heads)
        self.whisper = model.to(device).eval()
        self.half = device != "cpu" and precision in ("auto", "float16", "bfloat16", "int8")

    def hear(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        """Text of all windows, in the given language or the one that most of them are in."""
        import torch
        import whisper

        # Rising temperatures draw at random: a sound's text depends on no sound before it.
        torch.manual_seed(0)
        params = self.params
        heard = {} if language else self._languages(samples)
        spoken_in = whisper_models.code_of(language) or (max(sorted(heard), key=heard.__getitem__) if heard else "en")
        told = whisper.transcribe(
            self.whisper,
            samples,
            language=spoken_in,
            fp16=self.half,
            beam_size=int(params["beam"]) if params["beam"] > 1 else None,
            temperature=TEMPERATURES if params["fallback"] else 0.0,
            sample_len=int(params["max_tokens"]) or None,
            word_timestamps=params["word_times"],
            initial_prompt=params["prompt"] or None,
            # What was said before pulls the next window into the same loop.
            condition_on_previous_text=False,
            no_speech_threshold=float(params["no_speech_threshold"]),
            logprob_threshold=float(params["logprob_threshold"]),
            compression_ratio_threshold=float(params["compression_ratio_threshold"]),
        )
        segments = tuple(_segment(one) for one in told["segments"])
        return Spoken(segments, language=language or told["language"], languages=heard)

    def _languages(self, samples: np.ndarray) -> dict[str, float]:
        """Language -> seconds of the windows that it was detected in."""
        if not self.whisper.is_multilingual:
            return {}
        import whisper

        starts = range(0, max(1, len(samples)), WINDOW * RATE)
        most = int(self.params["language_windows"])
        if len(starts) > most:
            starts = [starts[number] for number in np.linspace(0, len(starts) - 1, most).round().astype(int)]
        heard: Counter[str] = Counter()
        for start in starts:
            window = samples[start : start + WINDOW * RATE]
            if quality.is_silent(window, self.params["silence_db"]):
                continue
            mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(window), self.whisper.dims.n_mels)
            mel = mel.to(self.whisper.device, next(self.whisper.parameters()).dtype)
            _, probabilities = self.whisper.detect_language(mel)
            heard[max(probabilities, key=probabilities.get)] += len(window) / RATE
        return dict(heard)


def _segment(one: Mapping[str, Any]) -> Segment:
    told = {name: one[name] for name in ("no_speech_prob", "avg_logprob", "compression_ratio")}
    words = None
    if "words" in one:
        words = tuple(
            (float(a["start"]), float(a["end"]), a["word"].strip(), float(a["probability"])) for a in one["words"]
        )
    return Segment(float(one["start"]), float(one["end"]), one["text"], told, words)
