"""Texts as a network of transformers reads them: tokens, cut or in windows, put together to batches.

A tokenizer comes with its checkpoint and learns nothing here, so all texts of a task may be cut into tokens at once,
and all fits of a job share them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triptych.core.files import digest_json
from triptych.encoders.text_windows import thinned
from triptych.learn.text import TextRows

#: Tokens of a text at most, unless the study says otherwise.
LENGTH = 512
#: Texts that are cut into tokens at once.
TOGETHER = 256

_log = logging.getLogger("triptych.finetune")

#: One window: the inputs of the network by name, a number a token.
Window = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Tokens:
    """The tokens of all documents.

    Attributes:
        windows: of each row, in the order of the text; one without text has none.
        longer: rows that are longer than one window.
        dropped: rows with more windows than are read.
    """

    windows: Sequence[Sequence[Window]]
    longer: int
    dropped: int

    def spread(self, rows: np.ndarray) -> tuple[list[Window], np.ndarray]:
        """The windows of some rows one after another, and of which of them (its place in `rows`) each is."""
        found = [(window, place) for place, row in enumerate(rows) for window in self.windows[row]]
        return [window for window, _ in found], np.array([place for _, place in found], dtype=int)


def tokens_of(block: TextRows, tokenizer: Any, length: int, params: Mapping[str, Any], told: str) -> Tokens:
    """The tokens of a block's documents, made once for all fits.

    Args:
        block: the documents.
        tokenizer: of transformers.
        length: tokens of a window, special ones among them.
        params: `windows`, `stride`, `max_windows`.
        told: identity of the tokenizer.
    """
    options = {key: params[key] for key in ("windows", "stride", "max_windows")}
    key = digest_json([told, length, options])
    if key not in block.made:
        block.made[key] = _cut(block, tokenizer, length, **options)
    return block.made[key]


def _cut(block: TextRows, tokenizer: Any, length: int, windows: str, stride: int, max_windows: int) -> Tokens:
    rows = np.flatnonzero(block.present)
    found: list[list[Window]] = [[] for _ in block.texts]
    for at in range(0, len(rows), TOGETHER):
        part = rows[at : at + TOGETHER]
        for row, listed in zip(part, _windows(tokenizer, block.texts[part].tolist(), length, stride), strict=True):
            found[row] = listed
    longer = sum(len(listed) > 1 for listed in found)
    dropped = sum(len(listed) > max_windows for listed in found) if windows == "mean" else 0
    found = [thinned(listed, max_windows) if windows == "mean" else listed[:1] for listed in found]
    if windows == "first":
        _log.info("%d of %d texts are longer than %d tokens: cut there", longer, len(rows), length)
    else:
        total, more = sum(map(len, found)), f" ({dropped} texts have more than {max_windows})" if dropped else ""
        _log.info("%d of %d texts are longer than %d tokens: %d windows%s", longer, len(rows), length, total, more)
    return Tokens(found, longer, dropped)


def _windows(tokenizer: Any, texts: list[str], length: int, stride: int) -> list[list[Window]]:
    """All windows of each text, special tokens in each."""
    told = tokenizer(texts, truncation=True, max_length=length, stride=stride, return_overflowing_tokens=True)
    found: list[list[Window]] = [[] for _ in texts]
    names = [name for name in told if name in tokenizer.model_input_names]
    for number, place in enumerate(told["overflow_to_sample_mapping"]):
        found[place].append({name: told[name][number] for name in names})
    return found


def batch_of(tokenizer: Any, windows: Sequence[Window], device: str) -> Any:
    """Windows as tensors on a device, padded to the longest."""
    # Cards multiply matrices faster whose sides are multiples of eight.
    told = {"pad_to_multiple_of": 8} if device != "cpu" else {}
    return tokenizer.pad([dict(window) for window in windows], return_tensors="pt", **told).to(device)
