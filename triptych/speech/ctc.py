"""From marked frames (CTC) to words with times: the likeliest token of each frame, repeats and blanks taken out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from triptych.speech.transcript import Segment

#: Seconds after which a segment ends at the next word, pause or not.
LONGEST = 30.0
#: Marks of a word's beginning in vocabularies of word pieces, and between words in those of letters.
BEGINNINGS = ("▁", "Ġ")
BETWEEN = ("|", " ")

Word = tuple[float, float, str, float]


def blank_of(config: Any, tokenizer: Any) -> int:
    """The token that stands for nothing."""
    for name in ("blank_token_id", "pad_token_id"):
        if getattr(config, name, None) is not None:
            return int(getattr(config, name))
    return int(tokenizer.pad_token_id)


def of_one_length(parts: Iterable[tuple[int, int, int, int]]) -> Iterator[list[tuple[int, int, int, int]]]:
    """Runs of windows that are equally long."""
    for _, run in itertools.groupby(parts, key=lambda one: one[1] - one[0]):
        yield list(run)


def segments(
    scores: np.ndarray, times: np.ndarray, blank: int, tokenizer: Any, *, pause: float, words: bool
) -> list[Segment]:
    """Segments of the likeliest text.

    Args:
        scores: (frames, tokens) log probabilities.
        times: (frames,) seconds of the frames' centres.
        blank: the token that stands for nothing.
        tokenizer: of the model.
        pause: seconds without a word that end a segment.
        words: keep the times of words.
    """
    found: list[Segment] = []
    run: list[Word] = []
    for word in [*words_of(scores, times, blank, tokenizer), None]:
        ends = run and (word is None or word[0] - run[-1][1] >= pause or word[1] - run[0][0] > LONGEST)
        if ends:
            told = {"avg_logprob": float(np.mean([np.log(max(one[3], 1e-9)) for one in run]))}
            text = " ".join(one[2] for one in run)
            found.append(Segment(run[0][0], run[-1][1], text, told, tuple(run) if words else None))
            run = []
        if word is not None:
            run.append(word)
    return found


def words_of(scores: np.ndarray, times: np.ndarray, blank: int, tokenizer: Any) -> list[Word]:
    """(start, end, word, probability) of the likeliest text; arguments as `segments`."""
    best = scores.argmax(axis=1)
    chosen = scores.max(axis=1)
    frame = float(np.median(np.diff(times))) if len(times) > 1 else 0.02
    special = set(tokenizer.all_special_ids) | {blank}
    found: list[Word] = []
    pieces: list[int] = []
    first = last = 0.0
    marks: list[float] = []

    def close() -> None:
        text = _joined(tokenizer, pieces)
        if text:
            found.append((first, last, text, float(np.exp(np.mean(marks)))))
        pieces.clear()
        marks.clear()

    place = 0
    while place < len(best):
        token, begin = int(best[place]), place
        while place < len(best) and best[place] == token:
            place += 1
        if token in special:
            continue
        name = _name(tokenizer, token)
        if name in BETWEEN:
            close()
            continue
        if name.startswith(BEGINNINGS):
            close()
        if not pieces:
            first = max(0.0, float(times[begin]) - frame / 2)
        pieces.append(token)
        marks.append(float(np.mean(chosen[begin:place])))
        last = float(times[place - 1]) + frame / 2
    close()
    return found


def _joined(tokenizer: Any, pieces: Sequence[int]) -> str:
    """The word of tokens without repeats. Tokenizers of CTC models would take out repeats again (`hello`)."""
    names = [_name(tokenizer, token) for token in pieces]
    if any(name.startswith("Ġ") for name in names):
        return tokenizer.convert_tokens_to_string(names).strip()
    return "".join(names).replace("▁", " ").strip()


def _name(tokenizer: Any, token: int) -> str:
    name: str | list[str] = tokenizer.convert_ids_to_tokens(token)
    return name if isinstance(name, str) else "".join(name)
