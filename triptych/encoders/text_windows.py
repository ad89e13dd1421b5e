"""Long text in windows: runs of whole segments that a model can read at once, with their times and tokens."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

#: (start, end, text), times in seconds.
Piece = tuple[float, float, str]
Count = Callable[[list[str]], list[int]]


class Window(NamedTuple):
    """A stretch of text: times in seconds, and its number of tokens."""

    start: float
    end: float
    text: str
    tokens: int


def windows(segments: Iterable[Piece], limit: int, count: Count) -> list[Window]:
    """Segments joined to runs of at most `limit` tokens.

    Args:
        segments: (start, end, text) in time order.
        limit: tokens of a window.
        count: numbers of tokens of texts.
    """
    found: list[Window] = []
    for one in _short(segments, limit, count):
        before = found[-1] if found else None
        if before and before.tokens + one.tokens <= limit:
            joined = f"{before.text} {one.text}"
            found[-1] = Window(before.start, max(before.end, one.end), joined, before.tokens + one.tokens)
        else:
            found.append(one)
    # Tokens of some vocabularies reach over a space: a run may have others than its segments, at worst too many.
    return list(_short([(one.start, one.end, one.text) for one in found], limit, count))


def _short(segments: Iterable[Piece], limit: int, count: Count) -> Iterable[Window]:
    """Segments with their tokens, halved (times too) until each fits."""
    listed = [segment for segment in segments if segment[2].strip()]
    if not listed:
        return
    for (start, end, text), size in zip(listed, count([text for _, _, text in listed]), strict=True):
        if size <= limit or len(text) < 2:
            yield Window(start, end, text, size)
            continue
        middle = len(text) // 2
        space = text.find(" ", middle)
        cut = space if 0 < space < len(text) - 1 else text.rfind(" ", 0, middle)
        cut = cut if cut > 0 else middle
        between = start + (end - start) * cut / len(text)
        halves = [(start, between, text[:cut].strip()), (between, end, text[cut:].strip())]
        yield from _short(halves, limit, count)


def thinned(listed: Sequence[Window], most: int) -> list[Window]:
    """At most `most` windows, evenly chosen, the first and the last among them."""
    if len(listed) <= most:
        return list(listed)
    return [listed[number] for number in np.linspace(0, len(listed) - 1, most).round().astype(int)]


def merged(vectors: np.ndarray, listed: Sequence[Window], most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `most` rows: more are averaged in even runs, each window weighted by its tokens.

    The mean of the rows weighted by their tokens stays what it was.

    Args:
        vectors: (N, D), a row a window.
        listed: the N windows.
        most: number of rows that may remain.

    Returns:
        (T, D) vectors, (T, 2) times in seconds, (T, 1) tokens, all float.
    """
    spans = np.array([[one.start, one.end] for one in listed], np.float64)
    # A window without a token of its own (spaces of a rare kind) still has its vector.
    tokens = np.array([max(1, one.tokens) for one in listed], np.float64)
    vectors = np.asarray(vectors, np.float32)
    if len(listed) > most:
        runs = list(itertools.pairwise(np.linspace(0, len(listed), most + 1).round().astype(int)))
        vectors = np.stack([np.average(vectors[a:b], axis=0, weights=tokens[a:b]) for a, b in runs])
        spans = np.array([[spans[a:b, 0].min(), spans[a:b, 1].max()] for a, b in runs])
        tokens = np.array([tokens[a:b].sum() for a, b in runs])
    return vectors.astype(np.float32), spans, tokens[:, None].astype(np.float32)
