"""Zero-shot labels by natural language inference, through the zero-shot pipeline of transformers.

Each label is put into the template and paired with the video's text; the model tells how far the text entails it. With
one label a video scores are the softmax of the entailment logits over the labels; with several, each label's own
softmax of entailment against contradiction (Yin, Hay and Roth, 2019). Text beyond the model's length is cut, labels
never are.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.core import torchvision, weights
from triptych.core.config import Relabel
from triptych.core.files import read_json
from triptych.core.paths import Paths
from triptych.core.units import by_shard
from triptych.encoders import inputs
from triptych.encoders.base import ModelCard
from triptych.learn.labeller import Given
from triptych.learn.relabel_files import RelabelError

_log = logging.getLogger("triptych.relabel")

#: What the shared reader of text has to know.
_READS = ModelCard(name="nli", modality="text", arrays={}, revision="", licence="", source="")
#: Families whose positions begin behind the padding's.
_SHIFTED = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "xmod", "data2vec-text"}


class Inference:
    """The labeller (see `relabel.Labeller`)."""

    def __init__(
        self, section: Relabel, labels: Sequence[str], study: Mapping[str, Any], paths: Paths, shards: Sequence[str]
    ) -> None:
        self.section, self.labels, self.study, self.paths = section, list(labels), study, paths
        self.located = located(section)
        self.batch = section.batch

    def signature(self) -> dict[str, Any]:
        """Model, template and fields."""
        section = self.section
        return {
            "use": "nli",
            "model": section.model,
            "identity": self.located.identity,
            "template": section.template,
            "multi_label": section.multi_label,
            "text": section.fields,
            "precision": section.precision,
        }

    def read(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Given]:
        """The text of each video: its fields, in the order of the section, joined by line breaks."""
        known = {row["slug"]: row for row in rows}
        found = {}
        for shard, members in by_shard(known, self.study["shards"]).items():
            own = [known[slug] for slug in members]
            sources, summaries = list(self.study["transcripts"]), list(self.study.get("summaries") or ())
            described = inputs.describe(
                _READS, own, self.paths, shard, self.section.fields, sources, summaries=summaries
            )
            for slug, one in described.items():
                text = None
                if one.words is not None:
                    text = "\n".join(" ".join(words for _, _, words in part) for _, part in one.words.fields)
                found[slug] = Given(one.digest, one.outcome, text)
        return found

    def load(self, device: str, threads: int) -> None:
        """Load the model.

        Raises:
            RelabelError: its labels name no entailment, or contradiction is not where the pipeline looks for it, or
                it has no trained classifier.
        """
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torchvision.mend()
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
        from transformers.utils import logging as told

        told.disable_progress_bar()
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        path = str(self.located.path)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=self.located.safetensors or None,
            output_loading_info=True,
        )
        if loaded["missing_keys"]:
            lacking = sorted(loaded["missing_keys"])
            raise RelabelError(
                f"{self.section.model} is no whole classifier (it lacks {lacking[0]}); choose a model trained on "
                "natural language inference"
            )
        entailment(model.config.label2id, self.section.multi_label, self.section.model)
        tokenizer.model_max_length = longest(tokenizer.model_max_length, model.config)
        self.pipe = pipeline("zero-shot-classification", model=model.eval(), tokenizer=tokenizer, device=device)
        self.half = self._autocast(torch, device)

    def _autocast(self, torch, device: str):
        if device == "cpu" or self.section.precision == "float32":
            return contextlib.nullcontext
        kind = torch.float16 if self.section.precision == "float16" else torch.bfloat16
        return lambda: torch.autocast("cuda", dtype=kind)

    def score(self, values: Sequence[str]) -> np.ndarray:
        """Scores (n, K) of texts; pairs that do not fit into a card's memory go in halved batches."""
        while True:
            try:
                with self.half():
                    told = self.pipe(
                        list(values),
                        candidate_labels=self.labels,
                        hypothesis_template=self.section.template,
                        multi_label=self.section.multi_label,
                        batch_size=self.batch,
                    )
                break
            except Exception as error:
                if type(error).__name__ != "OutOfMemoryError" or self.batch == 1:
                    raise
                self.batch = max(1, self.batch // 2)
                _log.warning("out of memory: batches of %d pairs from here on", self.batch)
        found = [dict(zip(one["labels"], one["scores"], strict=True)) for one in told]
        return np.array([[one[label] for label in self.labels] for one in found])


def located(section: Relabel) -> weights.Located:
    """The model's files, held against `models.lock`.

    Raises:
        RelabelError: they are not here, or not what they must be.
    """
    try:
        return weights.locate(section.model or "", section.revision)
    except weights.WeightsError as error:
        raise RelabelError(str(error)) from error


def entailment(label2id: Mapping[str, Any], multi_label: bool, model: str | None) -> int:
    """The index of entailment among a model's outputs.

    The pipeline silently takes the last output where none is named, and for contradiction the first one (the last one
    if entailment is the first); both are refused here.

    Raises:
        RelabelError: none of its labels begins with `entail`, or contradiction is elsewhere.
    """
    ids = {str(name).lower(): int(place) for name, place in label2id.items()}
    found = [place for name, place in ids.items() if name.startswith("entail")]
    if not found:
        raise RelabelError(
            f"{model}: no output is named `entailment` (its labels: {', '.join(map(str, label2id)) or 'none'}); choose "
            "a model trained on natural language inference, or correct label2id in its config.json"
        )
    if multi_label:
        assumed = len(ids) - 1 if found[0] == 0 else 0
        contradiction = [place for name, place in ids.items() if name.startswith("contradict")]
        if contradiction and contradiction[0] != assumed:
            raise RelabelError(
                f"{model}: `contradiction` is output {contradiction[0]}, the zero-shot pipeline takes output {assumed} "
                "for it; use this model without `multi_label`"
            )
    return found[0]


def longest(told: int, config: Any) -> int:
    """Tokens of a pair at most: what the tokenizer says, or the positions that the model has."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0)
    if positions and config.model_type in _SHIFTED:
        positions -= 2
    if positions:
        return min(told, positions)
    return told if told < 10**6 else 512


def faults(section: Relabel) -> list[str]:
    """What is wrong with the model of a section, before any job; nothing heavy is imported."""
    lacking = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if lacking:
        return [f'use: nli needs {", ".join(lacking)}; install them with: pip install "triptych[models]"']
    try:
        path = located(section).path / "config.json"
        config = read_json(path)
        label2id = config.get("label2id") or {name: place for place, name in (config.get("id2label") or {}).items()}
        entailment(label2id, section.multi_label, section.model)
    except RelabelError as error:
        return [f"model: {error}"]
    except (OSError, ValueError, AttributeError) as error:
        return [f"model: {section.model}: config.json cannot be read ({error})"]
    return []
