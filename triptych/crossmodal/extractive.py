"""The sentences of a text that stand best for all of it: near to the whole, and unlike one another.

Sentences are weighted by tf-idf within the text and ranked by maximal marginal relevance (Carbonell and Goldstein,
1998) to their centroid. Nothing is learned and nothing is drawn by chance: the same text gives the same sentences.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

#: Share of nearness to the whole, against that of likeness to what was chosen already.
NEARNESS = 0.7
#: Sentences this alike say the same: the second one is never chosen.
SAME = 0.98
#: Words of a sentence at most; text with fewer ends of sentences than one in this many words has no punctuation.
LONGEST = 60
#: Shortest sentence in words that is chosen while longer ones are left: "Yes." stands for nothing.
SHORTEST = 3

#: An end of a sentence with closing quotes and brackets. Of European stops the next sentence follows after a space.
_END = re.compile(
    r"""[.!?\u2026]+["'\u2019\u201d\u00bb)\]]*(?=\s|$)|[\u3002\uff01\uff1f]["\u300d\u300f\u2019\u201d)]*"""
)
#: A stop that ends no sentence: after an initial, a number of a list, or a usual short form.
_SHORT = re.compile(r"(?:^|[\s(])(?:\w|\d+|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Fig|approx)\.$")
#: Words; of scripts without spaces each character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


class Sentence(NamedTuple):
    """A sentence, and when it is said: seconds, spread over a segment by its characters."""

    start: float
    end: float
    text: str


def words(text: str) -> list[str]:
    """Words of a text, in lower case."""
    return [word.casefold() for word in _WORD.findall(text)]


def sentences(segments: Iterable[tuple[float, float, str]]) -> list[Sentence]:
    """Sentences of timed segments, in order.

    A sentence may reach over segments. Text without punctuation (of many recognisers) has no sentences: there each
    segment counts as one. Longer ones are cut between words.

    Args:
        segments: (start, end, text) each.
    """
    given = [(start, end, text.strip()) for start, end, text in segments if text.strip()]
    said = sum(len(words(text)) for _, _, text in given)
    ends = sum(len(list(_ends(text))) for _, _, text in given)
    if ends * LONGEST < said:
        found = [Sentence(*one) for one in given]
    else:
        found = list(_joined(piece for one in given for piece in _pieces(*one)))
    return [piece for one in found for piece in _cut(one)]


def _ends(text: str) -> Iterable[int]:
    """Where sentences end in a text."""
    for stop in _END.finditer(text):
        if not (stop.group().startswith(".") and _SHORT.search(text[: stop.end()])):
            yield stop.end()


def _pieces(start: float, end: float, text: str) -> Iterable[tuple[Sentence, bool]]:
    """The parts of a segment between ends of sentences, and whether each is ended."""
    before = 0
    for stop in [*_ends(text), len(text)]:
        part = text[before:stop].strip()
        if part:
            first, last = (start + (end - start) * place / len(text) for place in (before, stop))
            yield Sentence(first, last, part), stop in set(_ends(text))
        before = stop


def _joined(pieces: Iterable[tuple[Sentence, bool]]) -> Iterable[Sentence]:
    open_: list[Sentence] = []
    for piece, ended in pieces:
        open_.append(piece)
        if ended:
            yield _whole(open_)
            open_ = []
    if open_:
        yield _whole(open_)


def _whole(parts: Sequence[Sentence]) -> Sentence:
    return Sentence(parts[0].start, max(part.end for part in parts), " ".join(part.text for part in parts))


def _cut(one: Sentence) -> Iterable[Sentence]:
    """A sentence in pieces of at most `LONGEST` words that spaces part, evenly."""
    parts = one.text.split()
    count = -(-len(parts) // LONGEST)
    if count <= 1:
        yield one
        return
    places = np.linspace(0, len(parts), count + 1).round().astype(int)
    for first, last in itertools.pairwise(places):
        start, end = (one.start + (one.end - one.start) * place / len(parts) for place in (first, last))
        yield Sentence(float(start), float(end), " ".join(parts[first:last]))


def choose(texts: Sequence[str], count: int) -> list[int]:
    """Places of at most `count` sentences that stand for all of them, in their order.

    Sentences without words are never chosen, and repetitions once.

    Args:
        texts: the sentences.
        count: how many.
    """
    bags = [Counter(words(text)) for text in texts]
    open_ = {place for place, bag in enumerate(bags) if bag}
    vectors = _weighted(bags)
    whole = vectors.sum(axis=0)
    near = vectors @ (whole / max(float(np.linalg.norm(whole)), 1e-12))
    alike = np.zeros(len(texts))
    chosen: list[int] = []
    while open_ and len(chosen) < count:
        long = [place for place in open_ if bags[place].total() >= SHORTEST] or list(open_)
        # Rounded, so that the order of a sum on another machine decides nothing; of equal ones the first.
        best = min(long, key=lambda place: (-round(NEARNESS * near[place] - (1 - NEARNESS) * alike[place], 9), place))
        chosen.append(best)
        alike = np.maximum(alike, vectors @ vectors[best])
        open_ -= {place for place in open_ if place == best or alike[place] >= SAME}
    return sorted(chosen)


def _weighted(bags: Sequence[Counter[str]]) -> np.ndarray:
    """(n, words) tf-idf of each sentence, of length one; a sentence without words is zero."""
    vocabulary = {word: place for place, word in enumerate(sorted({word for bag in bags for word in bag}))}
    found = np.zeros((len(bags), len(vocabulary)), np.float32)
    for row, bag in enumerate(bags):
        for word, times in bag.items():
            found[row, vocabulary[word]] = times
    held = (found > 0).sum(axis=0)
    found *= np.log((1 + len(bags)) / (1 + held)) + 1
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
