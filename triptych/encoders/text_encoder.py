"""What all encoders of text share: fields, windows with times, weights for the weighted mean, batches of windows.

Arrays, for `fields: joined`:
    embedding           (T, D) a vector a window; windows are runs of whole segments of a field, fields in turn.
    embedding_weights   (T, 1) tokens of each window: what `pool: wmean` weighs by.

For `fields: separate` the two are there for each field, under the field's name (`title`, `title_weights`).
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.encoders.base import MAX_VECTORS, WEIGHTS, Encoded, EncoderError, ModelCard, Param, Words
from triptych.encoders.text_windows import Piece, Window, merged, thinned, windows

#: Parameters that every encoder of text takes.
PARAMETERS = {
    "tokens": Param(0, "tokens of a window at most; 0 for as many as the model can read", low=0, high=100_000),
    "max_windows": Param(256, "of longer texts this many windows, evenly chosen, are read", low=1, high=100_000),
    "fields": Param(
        "joined",
        "`joined`: windows of all fields in one array `embedding`; `separate`: an array for each field, of its name",
        choices=("joined", "separate"),
    ),
    "mask": Param([], "columns whose words are taken out of the video's text first (a channel's name)"),
}
#: Fewest tokens of a window that is worth its vector.
LEAST = 8
#: Windows that go through the network at once; they are sorted by length, so that little is padded.
TOGETHER = {"cpu": 16, "cuda": 64}


@dataclass(frozen=True)
class Windowed:
    """The windows of a video, by array, as `prepare` makes them ahead of the device."""

    video: str
    arrays: Mapping[str, Sequence[Window]]


class TextEncoder:
    """Base of the encoders of text; a subclass loads a network, calls `limit_to`, and makes vectors of texts."""

    card: ModelCard

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.masked = tuple(params["mask"])
        self.model = self.card.name
        self.revision: str | None = None
        self.network: Any = None
        self.device = "cpu"
        self.limit = 0
        self._counter: Any = None

    @staticmethod
    def faults(params: Mapping[str, Any]) -> list[str]:
        """What is wrong with the parameters together."""
        found = []
        if 0 < params["tokens"] < LEAST:
            found.append(f"tokens: must be 0 (all that the model can read) or at least {LEAST}")
        mask = params["mask"]
        if not isinstance(mask, (list, tuple)) or not all(isinstance(one, str) for one in mask):
            found.append(f"mask: must be a list of columns (given: {mask!r})")
        return found

    @classmethod
    def arrays_of(cls, section: Mapping[str, Any]) -> dict[str, int]:
        """Arrays that an encoder of the study file gives: name -> length for the default model.

        Raises:
            EncoderError: two fields have the same array.
        """
        length = cls.card.arrays["embedding"]
        names = ["embedding"]
        if (section.get("params") or {}).get("fields", "joined") == "separate":
            fields = list(section.get("text") or ["transcript"])
            names = [array_of(field) for field in fields]
            listed = [*names, *(name + WEIGHTS for name in names)]
            twice = sorted({name for name in listed if listed.count(name) > 1})
            if twice:
                raise EncoderError(f"two of the fields {', '.join(fields)} have the same array {twice[0]!r}")
        return {one: size for name in names for one, size in ((name, length), (name + WEIGHTS, 1))}

    def prepare(self, item: Words) -> Windowed:
        """The windows of a video's text, by array."""
        arrays: dict[str, list[Window]] = {}
        for field, segments in item.fields:
            name = array_of(field) if self.params["fields"] == "separate" else "embedding"
            arrays.setdefault(name, []).extend(self._windows(segments))
        most = int(self.params["max_windows"])
        return Windowed(item.video, {name: thinned(found, most) for name, found in arrays.items() if found})

    def encode(self, batch: Sequence[Words | Windowed]) -> list[Encoded]:
        """Vectors of each text's windows, and their tokens as weights."""
        items = [one if isinstance(one, Windowed) else self.prepare(one) for one in batch]
        texts = [window.text for item in items for found in item.arrays.values() for window in found]
        vectors = self.vectors(texts) if texts else np.zeros((0, 0), np.float32)
        results, at = [], 0
        for item in items:
            arrays, times = {}, {}
            for name, found in item.arrays.items():
                rows, spans, tokens = merged(vectors[at : at + len(found)], found, MAX_VECTORS)
                at += len(found)
                arrays |= {name: rows, name + WEIGHTS: tokens}
                times |= {name: spans, name + WEIGHTS: spans}
            results.append(Encoded(arrays, times))
        return results

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32 vectors of N texts, none of which depends on the others."""
        raise NotImplementedError

    def limit_to(self, readable: int, tokenizer: Any) -> None:
        """Set the length of windows.

        Args:
            readable: tokens that the model can read beside its special ones.
            tokenizer: of transformers; a copy counts tokens, since tokenizers cannot be used by two threads.

        Raises:
            EncoderError: the study asks for more.
        """
        wanted = int(self.params["tokens"])
        if wanted > readable:
            raise EncoderError(
                f"{self.card.name}: windows of {wanted} tokens are asked for, but {self.model} can read {readable} "
                f"beside its special ones; set `tokens` to {readable} or less, or to 0"
            )
        self.limit = wanted or readable
        self._counter = copy.deepcopy(tokenizer)

    @property
    def together(self) -> int:
        """Windows that go through the network at once."""
        return TOGETHER[self.device.partition(":")[0]]

    def _windows(self, segments: Iterable[Piece]) -> list[Window]:
        return windows(segments, self.limit, self._count)

    def _count(self, texts: list[str]) -> list[int]:
        encoded = self._counter(texts, add_special_tokens=False, truncation=False, verbose=False)
        return [len(tokens) for tokens in encoded["input_ids"]]


def array_of(field: str) -> str:
    """The array of a field: its name, with `_` for what the name of an array cannot hold."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", field)


def libraries() -> None:
    """What must be set before transformers is imported: no network, no pool of tokenizer threads, no progress bars."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torchvision.mend()
    from transformers.utils import logging

    logging.disable_progress_bar()


def readable_tokens(network: Any, tokenizer: Any, stated: int | None = None) -> int:
    """Tokens that a network of transformers can read beside the special ones.

    Args:
        network: the model; its table of positions is a hard limit.
        tokenizer: its tokenizer, which may state a smaller one.
        stated: a limit that the model's own files give, if any.

    Raises:
        EncoderError: nothing tells a limit.
    """
    limits = [stated] if stated else []
    # A tokenizer without a limit states a number of about 1e30.
    if tokenizer.model_max_length and tokenizer.model_max_length < 1_000_000:
        limits.append(int(tokenizer.model_max_length))
    positions = getattr(network.config, "max_position_embeddings", None)
    if positions and positions > 0:
        limits.append(int(positions) - _unused_positions(network))
    if not limits:
        raise EncoderError(f"{network.config.model_type}: the model does not say how long a text it can read")
    return min(limits) - tokenizer.num_special_tokens_to_add(pair=False)


def _unused_positions(network: Any) -> int:
    """Rows of the table of positions that no token has: RoBERTa and its kin begin after the padding's own."""
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0
