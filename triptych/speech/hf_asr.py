"""Recognisers of the Hugging Face hub by id: the Whisper family, and models that mark frames (CTC).

Whisper family: stretches of at most 30 s, cut at quiet places, go through the model in batches; language and chance
of no speech are read from its first step, times from its own time tokens.
CTC (Wav2Vec2, Parakeet): windows with overlaps, of which the middles count; words get the times of their frames, and a
pause ends a segment.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.core.params import Param, complete
from triptych.speech import base, ctc, quality, whisper_models, windows
from triptych.speech.transcript import Segment, Spoken

VERSION = "1"
RATE = 16_000

CARD = base.Card(
    name="hf-asr",
    weights="folder",
    model="",
    licence="of the model",
    source="models of transformers by their id or folder",
    version=VERSION,
    extra="models",
    packages=("torch", "transformers"),
    parameters={
        "beam": Param(1, "beams of the search (Whisper family)", low=1, high=20),
        "window": Param(30.0, "seconds of a stretch at most; 30 for the Whisper family", low=2, high=30),
        "overlap": Param(3.0, "seconds at either side that only give context (CTC)", low=0, high=10),
        "pause": Param(0.6, "seconds without a word that end a segment (CTC)", low=0.1, high=10),
        "word_times": Param(False, "times of words as well (CTC)"),
        "max_tokens": Param(0, "most tokens of a stretch; 0: what the model allows (Whisper family)", low=0, high=4096),
        **quality.PARAMETERS,
    },
)


class HuggingFaceASR:
    """The recogniser."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model, self.revision = CARD.model, None
        self.net: Any = None
        self.processor: Any = None
        self.writes = False
        self.device, self.dtype = "cpu", None

    def fault_of(self, source: Mapping[str, Any]) -> str | None:
        """Parameters that do not fit each other."""
        params = complete(CARD.parameters, source.get("params") or {})
        if 4 * params["overlap"] > params["window"]:
            return "params.overlap: must be at most a quarter of the window"
        return None

    def load(self, device: str, threads: int, precision: str) -> None:
        """Load model and processor from the local folder."""
        located = base.weights_of(self)
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torchvision.mend()
        import torch
        import transformers

        torch.set_num_threads(threads)
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        options = {"local_files_only": True, "trust_remote_code": False}
        path = str(located.path)
        config = transformers.AutoConfig.from_pretrained(path, **options)
        self.writes = bool(config.is_encoder_decoder)
        kind = transformers.AutoModelForSpeechSeq2Seq if self.writes else transformers.AutoModelForCTC
        half = {"float16": torch.float16, "bfloat16": torch.bfloat16, "auto": torch.float16, "int8": torch.float16}
        self.dtype = half.get(precision, torch.float32) if device != "cpu" else torch.float32
        try:
            self.net = kind.from_pretrained(path, use_safetensors=located.safetensors or None, **options)
            self.processor = transformers.AutoProcessor.from_pretrained(path, **options)
        except (ValueError, OSError, KeyError) as error:
            raise base.TranscriberError(
                f"{self.model}: transformers cannot load it as a recogniser of speech: {error}"
            ) from error
        if self.writes and config.model_type != "whisper":
            raise base.TranscriberError(f"{self.model}: of the models that write text only the Whisper family is known")
        self.device = device
        self.net = self.net.to(device, self.dtype).eval()

    def hear(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        """Text of all stretches."""
        return self._written(samples, language, batch) if self.writes else self._marked(samples, language, batch)

    # The Whisper family.

    def _written(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        cuts = windows.quiet_cuts(samples, RATE, min(30.0, self.params["window"]))
        cuts = [(a, b) for a, b in cuts if not quality.is_silent(samples[a:b], self.params["silence_db"])]
        segments: list[Segment] = []
        heard: Counter[str] = Counter()
        for place in range(0, len(cuts), batch):
            some = cuts[place : place + batch]
            for (first, last), (found, tongue) in zip(
                some, self._batch([samples[a:b] for a, b in some], language), strict=True
            ):
                segments += [_shifted(one, first / RATE, last / RATE) for one in found]
                if tongue:
                    heard[tongue] += (last - first) / RATE
        return Spoken(tuple(segments), language=language, languages={} if language else dict(heard))

    def _batch(self, sounds: Sequence[np.ndarray], language: str | None) -> list[tuple[list[Segment], str | None]]:
        """Segments and language of each stretch."""
        import torch
        import transformers
        from transformers import WhisperTimeStampLogitsProcessor

        settings = self.net.generation_config
        features = self.processor.feature_extractor(
            list(sounds), sampling_rate=RATE, return_tensors="pt", return_attention_mask=True
        )
        with torch.inference_mode():
            encoded = self.net.get_encoder()(features.input_features.to(self.device, self.dtype))
            start = torch.full((len(sounds), 1), settings.decoder_start_token_id, device=self.device)
            first = self.net(encoder_outputs=encoded, decoder_input_ids=start).logits[:, 0].float()
            silence = _token(self.processor.tokenizer, "<|nospeech|>", "<|nocaptions|>")
            quiet = first.softmax(-1)[:, silence].tolist() if silence is not None else [None] * len(sounds)
            tongues, prompt = self._prompts(first, language)
            # Whisper's own `generate` goes back to its last time token and decodes the same stretch again.
            chosen = transformers.GenerationMixin.generate(
                self.net,
                encoder_outputs=encoded,
                decoder_input_ids=prompt,
                logits_processor=[WhisperTimeStampLogitsProcessor(settings, begin_index=prompt.shape[1])],
                num_beams=int(self.params["beam"]),
                do_sample=False,
                max_new_tokens=int(self.params["max_tokens"]) or self.net.config.max_target_positions // 2,
            )
            probabilities = self._scores(encoded, chosen)
        results = []
        for number, sound in enumerate(sounds):
            tokens, scores = chosen[number, prompt.shape[1] :].tolist(), probabilities[number][prompt.shape[1] - 1 :]
            length = next((place for place, token in enumerate(tokens) if token == settings.eos_token_id), len(tokens))
            told = {"avg_logprob": float(np.mean(scores[: length + 1]))}
            if quiet[number] is not None:
                told["no_speech_prob"] = quiet[number]
            results.append((self._timed(tokens[:length], len(sound) / RATE, told), tongues[number]))
        return results

    def _prompts(self, first: Any, language: str | None) -> tuple[list[str | None], Any]:
        """Language of each stretch where it is detected, and (stretches, tokens) that the text begins with."""
        import torch

        settings = self.net.generation_config
        start = torch.full((len(first), 1), settings.decoder_start_token_id, device=first.device)
        known = getattr(settings, "lang_to_id", None) or {}
        if not known or not getattr(settings, "is_multilingual", True):
            return [None] * len(first), start
        tongues: list[str | None] = [None] * len(first)
        if language:
            name = f"<|{whisper_models.code_of(language)}|>"
            if name not in known:
                raise base.TranscriberError(f"{self.model} does not know the language {language!r}")
            own = torch.full_like(start, known[name])
        else:
            names, places = zip(*sorted(known.items()), strict=True)
            best = first[:, list(places)].argmax(-1).tolist()
            tongues = [names[number][2:-2] for number in best]
            own = torch.tensor([[places[number]] for number in best], device=first.device)
        task = torch.full_like(start, settings.task_to_id["transcribe"])
        return tongues, torch.cat([start, own, task], dim=1)

    def _scores(self, encoded: Any, chosen: Any) -> list[list[float]]:
        """Log probability of each token after the first, as the model itself gives it."""
        logits = self.net(encoder_outputs=encoded, decoder_input_ids=chosen[:, :-1]).logits.float()
        return logits.log_softmax(-1).gather(-1, chosen[:, 1:, None])[..., 0].tolist()

    def _timed(self, tokens: Sequence[int], length: float, told: Mapping[str, float]) -> list[Segment]:
        """Segments between time tokens; text behind the last one reaches to the end of the stretch."""
        zero = self.net.generation_config.no_timestamps_token_id + 1
        special = set(self.processor.tokenizer.all_special_ids)
        found: list[Segment] = []
        start, words = 0.0, []
        for token in [*tokens, None]:
            is_time = token is not None and token >= zero
            if token is not None and not is_time:
                words += [token] if token not in special else []
                continue
            now = length if token is None else min(length, (token - zero) * 0.02)
            text = self.processor.tokenizer.decode(words, skip_special_tokens=True).strip() if words else ""
            if text:
                found.append(Segment(start, max(start, now), text, dict(told)))
            start, words = max(start, now) if found else now, []
        return found

    # Models that mark frames.

    def _marked(self, samples: np.ndarray, language: str | None, batch: int) -> Spoken:
        import torch

        overlap = int(self.params["overlap"] * RATE)
        parts = windows.overlapping(len(samples), int(self.params["window"] * RATE), overlap)
        rows: list[np.ndarray] = []
        times: list[np.ndarray] = []
        for place in range(0, len(parts), batch):
            some = parts[place : place + batch]
            # Windows of one length go together: padding would reach into normalisation and attention.
            for same in ctc.of_one_length(some):
                inputs = self.processor(
                    [samples[one[0] : one[1]] for one in same], sampling_rate=RATE, return_tensors="pt"
                )
                given = {
                    name: value.to(self.device, self.dtype) if value.is_floating_point() else value.to(self.device)
                    for name, value in inputs.items()
                }
                with torch.inference_mode():
                    logits = self.net(**given).logits.float().log_softmax(-1).cpu().numpy()
                for one, marks in zip(same, logits, strict=True):
                    centres = one[0] + (np.arange(len(marks)) + 0.5) * (one[1] - one[0]) / max(1, len(marks))
                    counts = (centres >= one[2]) & (centres < one[3])
                    rows.append(marks[counts])
                    times.append(centres[counts] / RATE)
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        blank = ctc.blank_of(self.net.config, tokenizer)
        segments = ctc.segments(
            np.concatenate(rows),
            np.concatenate(times),
            blank,
            tokenizer,
            pause=float(self.params["pause"]),
            words=bool(self.params["word_times"]),
        )
        return Spoken(tuple(segments), language=language)


def _shifted(segment: Segment, start: float, last: float) -> Segment:
    begin = min(last, segment.start + start)
    return Segment(begin, max(begin, min(last, segment.end + start)), segment.text, segment.quality, segment.words)


def _token(tokenizer: Any, *names: str) -> int | None:
    known = tokenizer.get_vocab()
    return next((known[name] for name in names if name in known), None)
