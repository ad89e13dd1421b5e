"""Summaries by a sequence-to-sequence network (BART, T5, PEGASUS, ...): long text in parts, each with a summary.

Words are never drawn by chance: beams, or the likeliest word each time with `beams: 1`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Any

from triptych.core import params, weights
from triptych.core.config import Summary
from triptych.core.params import Param
from triptych.encoders.pretrained import libraries
from triptych.encoders.text_windows import windows

PARAMETERS = {
    "max_tokens": Param(64, "most tokens of the summary of a part", low=4, high=1024),
    "min_tokens": Param(0, "fewest tokens of it", low=0, high=1024),
    "beams": Param(4, "beams; 1 takes the likeliest token each time", low=1, high=16),
    "prefix": Param("", "what stands before each part (`summarize: ` for T5)"),
}
#: Parts of one video that go through the network at once.
BATCH = 8
#: Tokens of a part where neither tokenizer nor model tells how many it can read.
UNTOLD = 512
PACKAGES = ("torch", "transformers")


class SummaryError(ValueError):
    """A summary that cannot be made; the message says what to do."""


class Summariser:
    """A network that is loaded for a job.

    Args:
        section: of the study file.
    """

    def __init__(self, section: Summary) -> None:
        self.section = section
        self.params = params.complete(PARAMETERS, section.params)
        self.located = located(section)

    def load(self, device: str, threads: int) -> None:
        """Load tokenizer and network.

        Raises:
            SummaryError: no such model, or weights are missing.
        """
        transformers = libraries()
        import torch

        torch.set_num_threads(threads)
        path, options = str(self.located.path), {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(path, **options)
            network, told = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                path,
                use_safetensors=self.located.safetensors or None,
                dtype="float32",
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, KeyError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SummaryError(f"{self.section.model}: cannot be loaded as a summariser ({first})") from error
        if told["missing_keys"]:
            lacking = sorted(told["missing_keys"])[0]
            raise SummaryError(f"{self.section.model}: its checkpoint lacks {lacking}; is it a whole summariser?")
        self.network = network.eval().requires_grad_(False).to(device)
        self.device = device
        special = self.tokenizer.num_special_tokens_to_add(False)
        room = longest(self.tokenizer.model_max_length, network.config)
        self.room = room - special - self._count([self.params["prefix"]])[0]
        if self.room < 1:
            raise SummaryError(f"{self.section.model}: its {room} tokens have no room for text beside `prefix`")

    def summarise(self, segments: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
        """A summary for each part of a text that the network can read at once, with the times of the part."""
        parts = windows(segments, self.room, self._count)
        texts: list[str] = []
        for start in range(0, len(parts), BATCH):
            texts += self._generate([part.text for part in parts[start : start + BATCH]])
        timed = zip(parts, texts, strict=True)
        return [(part.start, part.end, " ".join(text.split())) for part, text in timed if text.strip()]

    def _count(self, texts: list[str]) -> list[int]:
        listed = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [len(one) for one in listed]

    def _generate(self, texts: list[str]) -> list[str]:
        import torch

        given = [self.params["prefix"] + text for text in texts]
        batch = self.tokenizer(given, padding=True, return_tensors="pt").to(self.device)
        most = self.params["max_tokens"]
        with torch.inference_mode():
            made = self.network.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=False,
                num_beams=self.params["beams"],
                max_new_tokens=most,
                min_new_tokens=min(self.params["min_tokens"], most),
                # Limits of the checkpoint's own would go before these, and stop a long summary early.
                max_length=None,
                min_length=None,
            )
        return self.tokenizer.batch_decode(made, skip_special_tokens=True)


def longest(told: int, config: Any) -> int:
    """Tokens that a network reads at most: what its tokenizer says, and the positions that it has."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    known = [one for one in (told, positions) if 0 < one < 10**6]
    return min(known, default=UNTOLD)


def located(section: Summary) -> weights.Located:
    """The model's files, held against `models.lock`.

    Raises:
        SummaryError: they are not here, or not what they must be.
    """
    try:
        return weights.locate(section.model or "", section.revision)
    except weights.WeightsError as error:
        raise SummaryError(str(error)) from error


def faults(section: Summary, installed: bool = True) -> list[str]:
    """What is wrong with a section, before any job; nothing heavy is imported."""
    if section.use == "extractive":
        return ["params: `extractive` has none; its number of sentences is `sentences`"] if section.params else []
    found = [f"params.{one}" for one in params.faults(PARAMETERS, section.params)]
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None] if installed else []
    if missing:
        found.append(f'use: needs {", ".join(missing)}; install them with: pip install "triptych[models]"')
    try:
        config = json.loads((located(section).path / "config.json").read_text(encoding="utf-8"))
        writes = any(str(one).endswith("ForConditionalGeneration") for one in config.get("architectures") or ())
        if config.get("is_encoder_decoder", writes) is not True:
            raise SummaryError(f"{section.model}: config.json tells of no network that writes text")
    except SummaryError as error:
        found.append(f"model: {error}")
    except (OSError, ValueError, AttributeError) as error:
        found.append(f"model: {section.model}: config.json cannot be read ({error})")
    return found
