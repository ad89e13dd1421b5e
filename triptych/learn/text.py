"""Text as a head reads it: fields joined, counted or weighted by tf-idf with a vocabulary of the training fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.files import DamagedFile

#: Words of one letter count too; digits and apostrophes inside a word stay.
TOKEN = r"(?u)\b\w[\w']*\b"


def read_transcripts(paths: Iterable[Path | str]) -> dict[str, str]:
    """Text of each video from transcript files (one JSON line a video): its segments joined by spaces.

    Raises:
        DamagedFile: naming file and line.
    """
    found: dict[str, str] = {}
    for path in paths:
        for number, one in enumerate(sealed.read_lines(path), start=1):
            try:
                words = " ".join((segment.get("text") or "").strip() for segment in one.get("segments") or ())
                found[one["video"]] = words.strip()
            except (KeyError, TypeError, AttributeError) as error:
                raise DamagedFile(path, error, number) from error
    return found


def join_fields(videos: Sequence[str], fields: Sequence[str], texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The document of each video: its fields, in the order of the study file, joined by newlines.

    Args:
        videos: slugs.
        fields: names of fields.
        texts: field -> slug -> text; a slug that is not there has no text.

    Raises:
        KeyError: a field that is not among `texts`.
    """
    for name in fields:
        if name not in texts:
            raise KeyError(f"text field {name!r} was not given (given: {', '.join(sorted(texts)) or 'none'})")
    return ["\n".join(filter(None, ((texts[name].get(video) or "").strip() for name in fields))) for video in videos]


class TextRows:
    """Documents as they are, for a network that reads them itself (`head: finetune`).

    Attributes:
        texts: (N,) the documents.
        present: (N,) which rows have one.
        made: what a network made of the documents and learned from none of them (tokens), for its other fits.
    """

    def __init__(self, texts: Sequence[str], present: np.ndarray | None = None) -> None:
        self.texts = np.array([*texts, None], dtype=object)[:-1]
        there = [bool(text.strip()) for text in texts] if present is None else present
        self.present = np.array(there, dtype=bool)
        self.made: dict[str, Any] = {}

    def fit(self, rows: np.ndarray) -> bool:
        """Whether any of these rows has text; nothing is learned."""
        return bool(self.present[rows].any())

    def transform(self, rows: np.ndarray, beside: bool) -> np.ndarray:
        """The documents of `rows` (n,)."""
        return self.texts[rows]


class TextBlock:
    """Documents as a sparse matrix; vocabulary and weights are fitted on training rows only.

    tf-idf rows have length one. Counts stay counts when they stand alone; beside other blocks (early fusion) their
    rows are brought to length one, as block-scaled features have about that length too.
    """

    def __init__(self, documents: Sequence[str], vectorizer: str, params: Mapping) -> None:
        self.documents = np.array([*documents, None], dtype=object)[:-1]
        self.present = np.array([bool(text.strip()) for text in documents], dtype=bool)
        self.vectorizer, self.params = vectorizer, dict(params)

    def fit(self, rows: np.ndarray) -> bool:
        """Learn vocabulary and weights from the rows with text; False when no word is left."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        options = {
            "token_pattern": TOKEN,
            "ngram_range": tuple(self.params["ngrams"]),
            "min_df": self.params["min_df"],
            "max_df": self.params["max_df"],
            "max_features": self.params["max_features"],
            "stop_words": None if self.params["stop_words"] == "none" else self.params["stop_words"],
            "dtype": np.float64,
        }
        if self.vectorizer == "tfidf":
            self.model = TfidfVectorizer(sublinear_tf=self.params["sublinear"], **options)
        else:
            self.model = CountVectorizer(**options)
        documents = self.documents[rows[self.present[rows]]]
        if not len(documents):
            return False
        try:
            self.model.fit(documents)
        except ValueError as error:
            if "vocabulary" in str(error) or "terms remain" in str(error) or "max_df" in str(error):
                return False
            raise
        return True

    def transform(self, rows: np.ndarray, beside: bool):
        """The sparse matrix (n, words) of `rows`; rows without text are zero."""
        from sklearn.preprocessing import normalize

        matrix = self.model.transform(self.documents[rows]).tocsr()
        return normalize(matrix) if beside and self.vectorizer == "counts" else matrix
