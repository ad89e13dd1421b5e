"""Imagined pictures held against keyframes: whether they are like their own video more than like other videos.

Pictures and keyframes go through the same encoder. The score of a video's pictures and another video's keyframes is the
mean of all cosines between them, and the largest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Imagine
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, Entry, read_store
from triptych.core.units import by_shard
from triptych.crossmodal import drawing, imagine, match_scores, tables, vectors
from triptych.encoders import registry
from triptych.encoders.base import EncoderError, Pictures
from triptych.encoders.batches import Runner
from triptych.encoders.shelf import Shelf
from triptych.evaluate import retrieval

VERSION = "1"

SCORES = ("mean", "max")
COLUMNS = ("video", "status", "reason", "pictures", "frames", "cut")
COLUMNS += tuple(
    f"{score}_{what}" for score in SCORES for what in ("matched", "mismatched", "video_rank", "pictures_rank")
)
COLUMNS += ("nearest_picture", "nearest_time")
#: Side of the grey thumbnails that encoders of motion read; imagined pictures have none.
_THUMBS = (0, 36, 64)

_log = logging.getLogger("triptych.imagine")


def score_pictures(
    name: str, study: Mapping[str, Any], slugs: Sequence[str], *, device: str = "cpu", threads: int = 1
) -> dict[str, Any]:
    """Write `json`, `csv` and `svg` of imagined pictures.

    Args:
        name: of the section.
        study: the complete study file as a mapping.
        slugs: of the table.
        device: of the encoder, `cpu` or `cuda:0`.
        threads: of this job.

    Returns:
        What the `json` holds.

    Raises:
        EncoderError: the encoder cannot be loaded, or gives no such array of pictures.
        DamagedStore: files that cannot be trusted; they were set aside.
    """
    section = Imagine.model_validate(study["imagine"][name])
    paths = Paths.from_config(dict(study))
    shards = by_shard(slugs, study["shards"])
    frames, without, _ = vectors.read(paths, section.encoder, section.array, shards)
    entries = _entries(paths, name, shards)
    without |= {video: one.outcome for video, one in entries.items() if not one.outcome.ok}
    videos = [video for video in slugs if video not in without]
    made = _embedded(
        {video: entries[video] for video in videos}, study["encoders"][section.encoder], section, device, threads
    )
    without |= {
        video: Outcome("failed", "not_encoded", "the encoder gave nothing") for video in videos if video not in made
    }
    videos = [video for video in videos if video in made]
    scores = _scores([made[video] for video in videos], [frames[video].vectors for video in videos])
    groups = vectors.groups_of(section.group, paths)
    own = [groups.get(video, f"video {video}") for video in videos] if groups is not None else None
    options = {"permutations": section.permutations, "seed": section.seed}
    told: dict[str, Any] = {
        "imagine": name,
        "model": section.model,
        "identity": imagine.painter.located(section).identity,
        "text": section.text,
        "encoder": f"{section.encoder}.{section.array}",
        "group": section.group,
        "videos": len(slugs),
        "used": len(videos),
        "without": vectors.counted(without.values()),
        "pictures": sum(len(made[video]) for video in videos),
        "cut": sum("prompt_cut" in entries[video].outcome.warnings for video in videos),
    }
    told |= {score: match_scores.compare(scores[score], own, **options) for score in SCORES}
    rows = _rows(videos, made, frames, entries, scores, own)
    told["shown"] = [
        {
            **{one: row[one] for one in ("video", "nearest_picture", "nearest_time")},
            **{one: round(float(row[f"mean_{one}"]), 4) for one in ("matched", "mismatched", "video_rank")},
        }
        for row, _ in tables.extremes([(row, None) for row in rows], section.shown)
    ]
    lines = rows + [{"video": video, "status": one.status, "reason": one.reason} for video, one in without.items()]
    tables.write(paths.imagined_scores(name, "csv"), COLUMNS, sorted(lines, key=lambda one: one["video"]))
    titles = [(f"{score} of pictures and keyframes (n = {len(videos)})", told[score]) for score in SCORES]
    drawing.distributions(paths.imagined_scores(name, "svg"), titles, f"cosine by {section.encoder}")
    sealed.write_json(paths.imagined_scores(name, "json"), told)
    _log.info("%s: %d of %d videos, p = %s", name, len(videos), len(slugs), told["mean"]["p"])
    return told


def _entries(paths: Paths, name: str, shards: Mapping[str, Sequence[str]]) -> dict[str, Entry]:
    """The pictures of all videos.

    Raises:
        DamagedStore: files that cannot be trusted; each was set aside, so that the next run paints what is damaged.
    """
    found: dict[str, Entry] = {}
    faults = []
    for shard in shards:
        path = paths.imagined(name, shard)
        try:
            entries, damaged = read_store(path)
            if damaged:
                raise DamagedStore(f"{path}: damaged entries of {', '.join(sorted(damaged)[:5])}")
            found |= entries
        except DamagedStore as error:
            Shelf(Path(path)).set_aside()
            faults.append(str(error))
    if faults:
        raise DamagedStore("damaged pictures were set aside; run snakemake again:\n  " + "\n  ".join(faults))
    return found


def _embedded(entries, encoder, section, device, threads) -> dict[str, np.ndarray]:
    """Vectors (pictures, D) of length one of each video, by the encoder of the keyframes."""
    if not entries:
        return {}
    import sys

    model = registry.made_from(encoder)
    model.load(device)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    prepare = getattr(model, "prepare", None)
    batch = max(1, int(encoder.get("batch") or 32))
    runner = Runner(model, batch, device, encoder.get("precision") or "auto")
    found = {}
    videos = sorted(entries)
    for start in range(0, len(videos), batch):
        items = [_item(entries[video]) for video in videos[start : start + batch]]
        for video, one in runner.encode([prepare(item) for item in items] if prepare else items).items():
            if section.array in one.arrays:
                rows = np.asarray(one.arrays[section.array])
                found[video] = retrieval.unit(rows.reshape(len(rows), -1))
    runner.check()
    return found


def _item(entry: Entry) -> Pictures:
    """Imagined pictures as an encoder reads keyframes: one a second."""
    shown = [imagine.decoded(one) for one in imagine.pictures(entry)]
    count = len(shown)
    return Pictures(
        entry.video,
        shown,
        np.arange(count, dtype=np.float64),
        np.full(count, 1 / count),
        np.zeros(_THUMBS, np.uint8),
        np.zeros(0),
    )


def _scores(made: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """`mean` and `max` of the cosines: (n, n) each, row pictures of a video, column keyframes of a video.

    Raises:
        EncoderError: their vectors have different lengths.
    """
    count = len(made)
    if not count:
        return {score: np.zeros((0, 0)) for score in SCORES}
    if made[0].shape[1] != frames[0].shape[1]:
        raise EncoderError(f"pictures have {made[0].shape[1]} numbers, keyframes {frames[0].shape[1]}")
    sizes = np.array([len(one) for one in frames])
    starts = np.cumsum(sizes) - sizes
    every = np.concatenate(frames).T
    found = {score: np.empty((count, count)) for score in SCORES}
    for row, one in enumerate(made):
        cosines = one @ every
        found["mean"][row] = np.add.reduceat(cosines.mean(axis=0), starts) / sizes
        found["max"][row] = np.maximum.reduceat(cosines.max(axis=0), starts)
    return {score: np.round(values, retrieval.DECIMALS) for score, values in found.items()}


def _rows(videos, made, frames, entries, scores, groups) -> list[dict[str, Any]]:
    """A row a video: its pictures and its own keyframes, other videos' keyframes, and ranks both ways."""
    found: list[dict[str, Any]] = []
    for video in videos:
        cosines = made[video] @ frames[video].vectors.T
        picture, frame = np.unravel_index(cosines.argmax(), cosines.shape)
        row = {"video": video, "status": "ok", "reason": "", "pictures": len(cosines), "frames": cosines.shape[1]}
        row["cut"] = "yes" if "prompt_cut" in entries[video].outcome.warnings else "no"
        row |= {"nearest_picture": int(picture), "nearest_time": round(float(frames[video].times[frame]), 3)}
        found.append(row)
    match_scores.add_to(found, scores, groups, ("video", "pictures"))
    return found
