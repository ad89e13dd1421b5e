"""Text by any encoder of transformers: the mean of a window's token vectors, or that of its first token.

Arrays: see `text_encoder`; `embedding` is (T, 768) for the default model. Vectors are those of the last layer, as they
are (not brought to length 1). A pooler on top of it is never used: checkpoints of language models lack its weights, and
transformers then makes them up at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triptych.encoders import pretrained
from triptych.encoders.base import EncoderError, ModelCard, Param
from triptych.encoders.registry import weights_of
from triptych.encoders.text_encoder import PARAMETERS, TextEncoder, libraries, readable_tokens

VERSION = "1"

CARD = ModelCard(
    name="text-transformers",
    modality="text",
    arrays={"embedding": 768, "embedding_weights": 1},
    revision="pinned by models.lock",
    licence="Apache-2.0 (distilbert-base-uncased); another model's own",
    source="distilbert/distilbert-base-uncased by default; Sanh et al. 2019, arXiv:1910.01108",
    version=VERSION,
    extra="models",
    packages=("torch", "transformers"),
    weights="folder",
    model="distilbert/distilbert-base-uncased",
    memory_mb=3000,
    threads=4,
    gpu=True,
    parameters=PARAMETERS
    | {
        "pool": Param(
            "mean",
            "`mean` of the token vectors of a window, padding left out; `cls`: the vector of its first token",
            choices=("mean", "cls"),
        ),
    },
)


class TextTransformers(TextEncoder):
    """The encoder."""

    card = CARD

    def lacks(self, folder: Path) -> list[str]:
        """What the model's folder must hold and does not, told before any job."""
        return pretrained.lacking(folder, [("config.json",), ("tokenizer.json", "vocab.txt", "tokenizer_config.json")])

    def load(self, device: str) -> None:
        """Load the model of the study file.

        Raises:
            EncoderError: the weights are not here, not what they must be, incomplete, or not of an encoder.
        """
        located = weights_of(self)
        libraries()
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        told = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(str(located.path), **told)
        if config.is_encoder_decoder:
            raise EncoderError(f"{self.model}: {config.model_type} is an encoder with a decoder; name an encoder alone")
        self.tokenizer = AutoTokenizer.from_pretrained(str(located.path), **told)
        self.network, loaded = AutoModel.from_pretrained(
            str(located.path), use_safetensors=located.safetensors or None, output_loading_info=True, **told
        )
        lacking = sorted(name for name in loaded["missing_keys"] if "pooler" not in name)
        if lacking:
            raise EncoderError(
                f"{self.model}: the file of the weights lacks {len(lacking)} of them ({lacking[0]}), which would be "
                "random; is it the model that its config.json names?"
            )
        self._check_tokenizer()
        self.network.to(device).eval()
        self.device = device
        self.limit_to(readable_tokens(self.network, self.tokenizer), self.tokenizer)

    def _check_tokenizer(self) -> None:
        if self.tokenizer.pad_token is None:
            raise EncoderError(f"{self.model}: its tokenizer has no padding token; name an encoder such as DistilBERT")
        self.tokenizer.padding_side = "right"
        if self.params["pool"] == "cls":
            first = self.tokenizer("a")["input_ids"][0]
            if self.tokenizer.cls_token_id is None or first != self.tokenizer.cls_token_id:
                raise EncoderError(f"{self.model}: its texts do not begin with a CLS token; use pool: mean")

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 vectors."""
        import torch

        order = sorted(range(len(texts)), key=lambda number: len(texts[number]), reverse=True)
        rows: list[np.ndarray | None] = [None] * len(texts)
        for at in range(0, len(order), self.together):
            places = order[at : at + self.together]
            tokens = self.tokenizer(
                [texts[place] for place in places],
                padding=True,
                truncation=True,
                max_length=self.limit + self.tokenizer.num_special_tokens_to_add(pair=False),
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                hidden = self.network(**tokens).last_hidden_state.float()
                found = hidden[:, 0] if self.params["pool"] == "cls" else _mean(hidden, tokens["attention_mask"])
            for place, row in zip(places, found.cpu().numpy(), strict=True):
                rows[place] = row
        return np.stack(rows)


def _mean(hidden, mask):
    """(B, D) means of (B, L, D) token vectors where the (B, L) mask is 1; CLS and SEP count as tokens."""
    shown = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1)
