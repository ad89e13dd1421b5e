"""Text by any model of sentence-transformers; the model's own files say how tokens are pooled, and whether to length 1.

Arrays: see `text_encoder`; `embedding` is (T, 768) for the default model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triptych.encoders.base import EncoderError, ModelCard
from triptych.encoders.registry import weights_of
from triptych.encoders.text_encoder import PARAMETERS, TextEncoder, libraries, readable_tokens

VERSION = "1"

CARD = ModelCard(
    name="sentence-transformers",
    modality="text",
    arrays={"embedding": 768, "embedding_weights": 1},
    revision="pinned by models.lock",
    licence="Apache-2.0 (all-mpnet-base-v2); another model's own",
    source="sentence-transformers/all-mpnet-base-v2 by default; Reimers and Gurevych 2019, arXiv:1908.10084",
    version=VERSION,
    extra="models",
    packages=("sentence_transformers",),
    weights="folder",
    model="sentence-transformers/all-mpnet-base-v2",
    memory_mb=3000,
    threads=4,
    gpu=True,
    parameters=PARAMETERS,
)


class SentenceTransformers(TextEncoder):
    """The encoder."""

    card = CARD

    def lacks(self, folder: Path) -> list[str]:
        """Whether the folder is no model of sentence-transformers."""
        if (folder / "modules.json").is_file():
            return []
        return [
            f"{folder} holds no modules.json, so it is no model of sentence-transformers; read it with "
            "use: text-transformers"
        ]

    def load(self, device: str) -> None:
        """Load the model of the study file.

        Raises:
            EncoderError: the weights are not here, not what they must be, or no model of sentence-transformers.
        """
        located = weights_of(self)
        if lacking := self.lacks(located.path):
            raise EncoderError(lacking[0])
        libraries()
        from sentence_transformers import SentenceTransformer

        self.device = device
        self.network = SentenceTransformer(
            str(located.path),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True} if located.safetensors else {},
        )
        first = self.network[0]
        network = getattr(first, "auto_model", None) or getattr(first, "model", None)
        if network is None:
            raise EncoderError(f"{self.model}: its first module is no network of transformers")
        tokenizer = self.network.tokenizer
        self.limit_to(readable_tokens(network, tokenizer, self.network.max_seq_length), tokenizer)

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 vectors."""
        found = self.network.encode(
            list(texts), batch_size=self.together, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)


class AllMiniLM(SentenceTransformers):
    """The same with all-MiniLM-L6-v2 by default: 6 layers of width 384, where all-mpnet-base-v2 has 12 of 768."""

    card = dataclasses.replace(
        CARD,
        name="all-minilm",
        arrays={"embedding": 384, "embedding_weights": 1},
        model="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2; Wang et al. 2020, arXiv:2002.10957",
    )
