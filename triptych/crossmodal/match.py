"""Pictures held against words: whether a video's frames fit its own text better than other videos' texts.

The frames are the stored image embeddings of a CLIP; texts go through the text tower of the same checkpoint, in parts
that it reads whole, whose vectors of length one are averaged. The score of a video and a text is the mean over the
frames of the cosine, and the largest. Each text field is matched by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Match
from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, Entry, read_store, write_store
from triptych.core.units import by_shard
from triptych.crossmodal import drawing, match_scores, tables, vectors
from triptych.encoders import inputs, registry
from triptych.encoders.base import EncoderError, ModelCard
from triptych.encoders.clip_text import ClipText
from triptych.evaluate import retrieval

VERSION = "1"

#: Array of the encoder that lies in one space with text.
ARRAY = "embedding"
#: What stands for a video's frames.
SCORES = ("mean", "max")
#: Characters of a text, and best and worst frames, that the report shows of a video.
EXCERPT, FRAMES_SHOWN = 400, 3
COLUMNS = ("video", "field", "status", "reason", "frames", "parts")
COLUMNS += tuple(f"{score}_{what}" for score in SCORES for what in ("matched", "mismatched", "text_rank", "video_rank"))
COLUMNS += ("best_time", "worst_time")

#: What the shared reader of text has to know.
READS = ModelCard(name="match", modality="text", arrays={}, revision="", licence="", source="")

_log = logging.getLogger("triptych.match")


def match_videos(
    name: str,
    study: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, Any]:
    """Write `json`, `csv` and `svg` of a match, and the vectors of its texts, which the next run takes over.

    Args:
        name: of the section.
        study: the complete study file as a mapping.
        rows: the table: `{"slug", "fields": {column: text}}` each.
        device: of the text tower, `cpu` or `cuda:0`.
        threads: of this job.

    Returns:
        What the `json` holds.

    Raises:
        EncoderError: the checkpoint has no text tower.
        DamagedStore: embeddings that cannot be trusted; they were set aside.
    """
    section = Match.model_validate(study["match"][name])
    paths = Paths.from_config(dict(study))
    encoder = study["encoders"][section.encoder]
    shards = by_shard([row["slug"] for row in rows], study["shards"])
    frames, unseen, _ = vectors.read(paths, section.encoder, ARRAY, shards)
    groups = vectors.groups_of(section.group, paths)
    read = {field: _read(field, rows, shards, study, paths) for field in section.text}
    texts = _Texts(Path(paths.match(name, "h5")), encoder, device, threads)
    with writer_lock(texts.path):
        embedded = texts.embed(
            {(video, field): one for field in read for video, one in read[field].items() if one.outcome.ok}
        )
    told: dict[str, Any] = {"match": name, "encoder": section.encoder, "identity": texts.identity["revision"]}
    told |= {"group": section.group, "videos": len(rows), "fields": {}}
    lines, shown = [], []
    for field in section.text:
        without = {video: one.outcome for video, one in read[field].items() if not one.outcome.ok} | unseen
        videos = [row["slug"] for row in rows if row["slug"] not in without]
        scores = _scores([frames[video] for video in videos], [embedded[video, field][0] for video in videos])
        own = [groups.get(video, f"video {video}") for video in videos] if groups is not None else None
        options = {"permutations": section.permutations, "seed": section.seed}
        facts = {score: match_scores.compare(scores[score], own, **options) for score in SCORES}
        told["fields"][field] = {"used": len(videos), "without": vectors.counted(without.values()), **facts}
        table = _rows(field, videos, frames, embedded, scores, own)
        lines += table + [_absent(video, field, outcome) for video, outcome in without.items()]
        shown += [(row, field) for row in table]
        _log.info("%s, %s: %d of %d videos, p = %s", name, field, len(videos), len(rows), facts["mean"]["p"])
    told["shown"] = _shown(shown, section.shown, frames, embedded, read)
    titles = [
        (f"{field}: {score} over the frames (n = {told['fields'][field]['used']})", told["fields"][field][score])
        for field in section.text
        for score in SCORES
    ]
    drawing.distributions(paths.match(name, "svg"), titles, "cosine of frames and text")
    tables.write(paths.match(name, "csv"), COLUMNS, sorted(lines, key=lambda one: (one["field"], one["video"])))
    sealed.write_json(paths.match(name, "json"), told)
    return told


def _read(field, rows, shards, study, paths) -> dict[str, inputs.Input]:
    """The text of one field of every video."""
    known = {row["slug"]: row for row in rows}
    found: dict[str, inputs.Input] = {}
    sources, summaries = list(study["transcripts"]), list(study["summaries"])
    for shard, members in shards.items():
        own = [known[slug] for slug in members]
        found |= inputs.describe(READS, own, paths, shard, [field], sources, summaries=summaries)
    return found


class _Texts:
    """Vectors of texts, kept in a file of the store by the key of each text; an entry a video, a row a field."""

    def __init__(self, path: Path, encoder: Mapping[str, Any], device: str, threads: int) -> None:
        self.path, self.encoder, self.device, self.threads = path, encoder, device, threads
        self.identity = registry.signature(encoder)

    def embed(self, wanted: Mapping[tuple[str, str], inputs.Input]) -> dict[tuple[str, str], tuple[np.ndarray, int]]:
        """The vector (D,) of length one of each text, and in how many parts it was read."""
        keys = {one: digest_json([VERSION, self.identity["revision"], text.digest]) for one, text in wanted.items()}
        have = self._kept()
        todo = {key: wanted[one] for one, key in sorted(keys.items()) if key not in have}
        _log.info("%d texts, %d taken over, %d to embed", len(wanted), len(set(keys.values())) - len(todo), len(todo))
        if todo:
            have |= self._computed(todo)
        self._keep({key: have[key] for key in sorted(set(keys.values()))})
        return {one: have[key] for one, key in keys.items()}

    def _computed(self, todo: Mapping[str, inputs.Input]) -> dict[str, tuple[np.ndarray, int]]:
        import torch

        tower = ClipText(registry.weights_of(registry.made_from(self.encoder)))
        tower.load(self.device)
        torch.set_num_threads(self.threads)
        parts = {key: tower.chunks(one.words.fields[0][1]) for key, one in todo.items()}
        rows = retrieval.unit(tower.encode([text for listed in parts.values() for text in listed]))
        found, start = {}, 0
        for key, listed in parts.items():
            mean = rows[start : start + len(listed)].mean(axis=0, keepdims=True)
            found[key] = (retrieval.unit(mean)[0].astype(np.float32), len(listed))
            start += len(listed)
        return found

    def _kept(self) -> dict[str, tuple[np.ndarray, int]]:
        try:
            entries, _ = read_store(self.path)
        except (DamagedStore, FileNotFoundError):
            return {}
        return {one.key: (one.arrays["text"][0], int(one.provenance["parts"])) for one in entries.values()}

    def _keep(self, found: Mapping[str, tuple[np.ndarray, int]]) -> None:
        moment = {"text": np.zeros((1, 2))}
        entries = [
            Entry(key, key, arrays={"text": vector[None]}, times=moment, provenance={"parts": parts})
            for key, (vector, parts) in found.items()
        ]
        write_store(self.path, entries, {"encoder": str(self.identity["revision"])})


def _scores(frames: Sequence[vectors.Frames], texts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """`mean` and `max` over the frames of their cosines with each text: (n, n) each, row video, column text.

    Raises:
        EncoderError: frames and texts have different lengths.
    """
    if not frames:
        return {score: np.zeros((0, 0)) for score in SCORES}
    columns = retrieval.unit(np.stack(texts)).T
    if frames[0].vectors.shape[1] != len(columns):
        raise EncoderError(
            f"frames have {frames[0].vectors.shape[1]} numbers and texts {len(columns)}: not one checkpoint"
        )
    found = {score: np.empty((len(frames), len(frames))) for score in SCORES}
    for row, one in enumerate(frames):
        cosines = one.vectors @ columns
        found["mean"][row], found["max"][row] = cosines.mean(axis=0), cosines.max(axis=0)
    return {score: np.round(values, retrieval.DECIMALS) for score, values in found.items()}


def _rows(field, videos, frames, embedded, scores, groups) -> list[dict[str, Any]]:
    """A row a video: what it has with its own text, with others', and their ranks."""
    found: list[dict[str, Any]] = []
    for place, video in enumerate(videos):
        own = frames[video]
        cosines = own.vectors @ embedded[video, field][0]
        row = {"video": video, "field": field, "status": "ok", "reason": "", "frames": len(cosines)}
        row |= {"parts": embedded[video, field][1], "place": place}
        row |= {"best_time": own.times[cosines.argmax()], "worst_time": own.times[cosines.argmin()]}
        found.append(row)
    match_scores.add_to(found, scores, groups, ("text", "video"))
    return found


def _absent(video: str, field: str, outcome: Outcome) -> dict[str, Any]:
    return {"video": video, "field": field, "status": outcome.status, "reason": outcome.reason}


def _shown(rows, count, frames, embedded, read) -> list[dict[str, Any]]:
    """The videos that fit their text best and worst against others' texts, with their best and worst frames."""
    best = tables.extremes([(row, field) for row, field in rows], count)
    found = []
    for row, field in best:
        video = row["video"]
        own = frames[video]
        cosines = own.vectors @ embedded[video, field][0]
        others = _null(own, [one[0] for (other, of), one in embedded.items() if of == field and other != video])
        order = np.argsort(-cosines, kind="stable")
        some = min(FRAMES_SHOWN, len(order))
        told = {"video": video, "field": field, "text": _excerpt(read[field][video])}
        told |= {one: round(float(row[f"mean_{one}"]), 4) for one in ("matched", "mismatched", "text_rank")}
        for what, places in (("best", order[:some]), ("worst", order[some:][-some:])):
            told[what] = [
                {
                    "time": round(float(own.times[place]), 3),
                    "cosine": round(float(cosines[place]), 4),
                    "others": round(float(others[place]), 4),
                }
                for place in places
            ]
        found.append(told)
    return found


def _null(own: vectors.Frames, texts: Sequence[np.ndarray]) -> np.ndarray:
    """(F,) mean cosine of each frame with other videos' texts."""
    return own.vectors @ np.mean(texts, axis=0) if texts else np.full(len(own.times), np.nan)


def _excerpt(one: inputs.Input) -> str:
    text = " ".join(" ".join(words for _, _, words in part) for _, part in one.words.fields)
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "\u2026"


def faults(section: Match, encoders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with a section, before any job; nothing heavy is imported."""
    encoder = encoders.get(section.encoder)
    try:
        made = registry.made_from(encoder) if encoder else None
    except EncoderError:
        return []  # told of the encoder itself
    if made is None or encoder is None:
        return []
    if made.card.name != "clip":
        return [
            f"encoder: {section.encoder} ({encoder['use']}) embeds no text beside pictures; take one with `use: clip`"
        ]
    if (pool := (encoder.get("params") or {}).get("pool", "auto")) != "auto":
        return [f"encoder: with `pool: {pool}` {section.encoder} is in no space with text; use `pool: auto`"]
    return []
