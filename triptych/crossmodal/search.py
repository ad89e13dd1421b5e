"""Search by words in what was computed already: text embeddings of what is said or written, CLIP's of what is seen.

Each encoder ranks the videos by the cosine of the query with their nearest stretch of text or nearest frame. Rankings
of several encoders, whose cosines cannot be compared, are joined by reciprocal rank fusion (Cormack, Clarke and
Büttcher 2009): the sum of 1 / (60 + rank) over the encoders that have the video.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triptych.core.config import Study, nearest
from triptych.core.paths import Paths
from triptych.core.store import DamagedStore, read_arrays, read_column
from triptych.core.units import by_shard
from triptych.encoders import base, registry
from triptych.encoders.faults import validate
from triptych.evaluate.retrieval import DECIMALS, unit

#: The constant of reciprocal rank fusion, of the paper.
CONSTANT = 60
#: Names that a message lists.
SHOWN = 5


class SearchError(ValueError):
    """Nothing can be searched; the message says what to do."""


@dataclass(frozen=True)
class Clip:
    """The stretch of a video that an encoder found nearest to the query.

    Attributes:
        encoder: name of the encoder.
        reads: `text` or `image`.
        array: of the encoder: `embedding`, or the text field where fields are kept apart.
        start, end: seconds; equal for a frame, both 0 for text without times (a title).
        cosine: with the query.
        rank: of the video among all videos of this encoder, from 1; equal ones share the mean.
    """

    encoder: str
    reads: str
    array: str
    start: float
    end: float
    cosine: float
    rank: float = 0.0


@dataclass(frozen=True)
class Result:
    """A video that was found: slug, fused score, and its nearest stretch by each encoder that has it."""

    video: str
    score: float
    clips: list[Clip]


@dataclass
class Found:
    """What a search tells: results from best to worst, the encoders that were asked, and what was left out."""

    results: list[Result]
    encoders: list[str]
    notes: list[str] = field(default_factory=list)


def searchable(study: Study) -> dict[str, str]:
    """Encoders of a study that words can be held against: name -> `text` or `image`.

    CLIP counts where its embeddings are those of the space that it shares with text (`pool: auto`).
    """
    found = {}
    for name, section in study.encoders.items():
        try:
            card = registry.find(section.use).card
        except base.EncoderError:
            continue
        if card.modality == "text":
            found[name] = "text"
        elif card.name == "clip" and section.params.get("pool", "auto") == "auto":
            found[name] = "image"
    return found


def search(study: Study, slugs: Sequence[str], query: str, top: int = 10, encoder: str | None = None) -> Found:
    """The videos nearest to a query.

    Args:
        study: the study; its embeddings are read, nothing is written.
        slugs: the videos of its table.
        query: words.
        top: most results.
        encoder: the only encoder that is asked; all that can be by default.

    Raises:
        SearchError: the query is empty, or there is nothing to search in.
    """
    if not query.strip():
        raise SearchError("name what is searched for")
    kinds = _chosen(study, encoder)
    found: dict[str, dict[str, Clip]] = {}
    notes, failures = [], []
    for name, kind in kinds.items():
        section = study.encoders[name].model_dump()
        try:
            stored = _stored(study, name, section, slugs, notes)
            if (faults := _faults(study, name, section)) or not stored:
                failures += faults or [f"encoders.{name}: no video has an embedding"]
                continue
            vector = embed(name, section, kind, query)
            found[name] = _nearest(name, kind, stored, vector)
        except SearchError as error:
            failures.append(str(error))
        except base.EncoderError as error:
            failures.append(f"encoders.{name}: {error}")
    if not found:
        raise SearchError("\n".join([*failures, *notes]))
    return Found(fused(found)[:top], list(found), [*notes, *failures])


def _chosen(study: Study, encoder: str | None) -> dict[str, str]:
    kinds = searchable(study)
    if encoder is not None:
        if encoder not in study.encoders:
            near = nearest(encoder, study.encoders)
            known = ", ".join(study.encoders) or "none"
            raise SearchError(f"the study has no encoder {encoder!r}{near} (its encoders: {known})")
        if encoder not in kinds:
            can = f"; these can: {', '.join(kinds)}" if kinds else ""
            raise SearchError(f"{encoder} (use: {study.encoders[encoder].use}) cannot embed words{can}")
        return {encoder: kinds[encoder]}
    if not kinds:
        raise SearchError(
            "no encoder of this study can embed words. Add one to `encoders` of the study file, for what is said "
            "`words: {use: minilm}`, for what is seen `clip: {use: clip}`, and run: snakemake embeddings"
        )
    return kinds


def _faults(study: Study, name: str, section: Mapping[str, Any]) -> list[str]:
    """What `triptych check` would tell of an encoder: packages and weights that are not here."""
    return validate(name, section, study.keyframes.short_side, study.keyframes.uniform)


def _stored(
    study: Study, name: str, section: Mapping[str, Any], slugs: Sequence[str], notes: list[str]
) -> dict[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """Array -> (slug, rows (T, D), times (T, 2)) of the videos that have it; what is left out is noted.

    Raises:
        SearchError: no shard can be read.
    """
    paths, shards = Paths.of(study), by_shard(slugs, study.shards)
    arrays = [one for one in registry.arrays_of(section) if not one.endswith(base.WEIGHTS)]
    found: dict[str, list[tuple[str, np.ndarray, np.ndarray]]] = {}
    missing, other = [], []
    damaged: dict[str, str] = {}
    for shard, members in shards.items():
        path = paths.embeddings(name, shard)
        try:
            if _made_otherwise(read_arrays(path, [])[1], section):
                other.append(path)
            for array in arrays:
                column = read_column(path, array)
                known = set(members)
                if column.damaged:
                    damaged[path] = f"{path}, entries of {_listed(sorted(column.damaged))}"
                for video, start, end in zip(column.videos, column.starts, column.ends, strict=True):
                    if end > start and video in known and video not in column.damaged:
                        found.setdefault(array, []).append((video, column.values[start:end], column.times[start:end]))
        except FileNotFoundError:
            missing.append(path)
        except DamagedStore as error:
            damaged[path] = str(error)
    told = [
        f"damaged and left out: {one}; make it again with: snakemake --forcerun {path}" for path, one in damaged.items()
    ]
    if missing and len(missing) < len(shards):
        told.append(f"not made yet and left out: {_listed(missing)}; run: snakemake embeddings")
    if other:
        told.append(f"encoders.{name}: made with other settings than the study file's: {_listed(other)}")
    if len(missing) == len(shards):
        raise SearchError(f"encoders.{name}: there are no embeddings yet; make them with: snakemake embeddings")
    if not found and damaged:
        raise SearchError("\n".join(told))
    notes += told
    return found


def _made_otherwise(attributes: Mapping[str, Any], section: Mapping[str, Any]) -> bool:
    """Whether a shard file was made by another model, or with other parameters, than the study file says now."""
    try:
        now = json.loads(json.dumps(registry.signature(section)))
        return json.loads(attributes.get("card", "null")) not in (None, now)
    except base.EncoderError:
        return False  # told of the encoder itself


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def embed(name: str, section: Mapping[str, Any], kind: str, query: str) -> np.ndarray:
    """The query (D,) in the space of an encoder's vectors.

    Raises:
        SearchError: the encoder gives no vector of it.
    """
    made = registry.made_from(section)
    if kind == "image":
        from triptych.encoders.clip_text import ClipText

        tower = ClipText(registry.weights_of(made))
        tower.load("cpu")
        return tower.encode([query])[0]
    made.load("cpu")
    prepare = getattr(made, "prepare", None)
    # Where fields are kept apart, each has an array of its own: any of them embeds words in the same way.
    words = base.Words("query", [((section.get("text") or ["transcript"])[0], [(0.0, 0.0, query)])])
    encoded = made.encode([prepare(words) if prepare else words])[0]
    for array, rows in encoded.arrays.items():
        if not array.endswith(base.WEIGHTS) and len(rows):
            flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
            weights = encoded.arrays.get(array + base.WEIGHTS)
            return np.average(flat, axis=0, weights=None if weights is None else np.asarray(weights, float).reshape(-1))
    raise SearchError(f"encoders.{name}: {query!r} holds no words that it can read")


def _nearest(
    name: str, kind: str, stored: Mapping[str, Sequence[tuple[str, np.ndarray, np.ndarray]]], vector: np.ndarray
) -> dict[str, Clip]:
    """The nearest stretch of each video, with the rank of the video.

    Raises:
        SearchError: stored vectors have another length.
    """
    best: dict[str, Clip] = {}
    query = unit(vector[None])[0]
    for array, entries in stored.items():
        for video, rows, times in entries:
            rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
            if rows.shape[1] != len(query):
                raise SearchError(
                    f"encoders.{name}: its vectors have {rows.shape[1]} numbers, those of words {len(query)}; the "
                    "model was changed since: run snakemake embeddings"
                )
            cosine = np.round(unit(rows) @ query, DECIMALS)
            at = int(np.argmax(cosine))
            if video not in best or cosine[at] > best[video].cosine:
                best[video] = Clip(name, kind, array, float(times[at, 0]), float(times[at, 1]), float(cosine[at]))
    scores = np.array([clip.cosine for clip in best.values()])
    ordered = np.sort(scores)
    above = len(scores) - np.searchsorted(ordered, scores, side="right")
    ties = np.searchsorted(ordered, scores, side="right") - np.searchsorted(ordered, scores, side="left")
    ranks = 1 + above + (ties - 1) / 2
    return {
        video: Clip(**{**clip.__dict__, "rank": float(rank)})
        for (video, clip), rank in zip(best.items(), ranks, strict=True)
    }


def fused(found: Mapping[str, Mapping[str, Clip]]) -> list[Result]:
    """Results of all encoders, by reciprocal rank fusion, from best to worst; equal ones in the order of their slugs.

    Args:
        found: encoder -> video -> its nearest stretch.
    """
    videos = sorted({video for clips in found.values() for video in clips})
    results = []
    for video in videos:
        clips = [clips[video] for clips in found.values() if video in clips]
        score = sum(1.0 / (CONSTANT + clip.rank) for clip in clips)
        results.append(Result(video, score, sorted(clips, key=lambda clip: clip.rank)))
    return sorted(results, key=lambda one: (-round(one.score, 12), one.video))


def as_dict(found: Found, query: str, rows: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON-able form.

    Args:
        found: of `search`.
        query: words.
        rows: slug -> row of the table.
    """
    results = [
        {
            "video": one.video,
            "id": rows[one.video].id,
            "title": rows[one.video].title,
            "score": round(one.score, 6),
            "clips": [{**clip.__dict__, "cosine": round(clip.cosine, 4)} for clip in one.clips],
        }
        for one in found.results
    ]
    return {"query": query, "encoders": found.encoders, "results": results, "notes": found.notes}
