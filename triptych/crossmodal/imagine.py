"""Pictures made from the words of a shard's videos by a text-to-image pipeline, as PNGs in a file of the store.

The pipeline is loaded once for the shard, every video is kept as soon as it is painted, and pictures whose key (digest
of the text and of all that determines them) is unchanged are taken over from any file of this section. The seed of a
picture is made of the section's seed, the video and the picture's number, so that no picture depends on another one.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.config import Imagine, nearest
from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import Entry
from triptych.crossmodal import painter
from triptych.encoders import base, inputs, registry
from triptych.encoders.base import EncoderError, ModelCard
from triptych.encoders.shelf import Shelf

VERSION = "1"

#: Bytes of a row of a stored PNG: pictures of all sizes lie in one array.
ROW = 1024
#: What the shared reader of text has to know.
READS = ModelCard(name="imagine", modality="text", arrays={}, revision="", licence="", source="")

_log = logging.getLogger("triptych.imagine")


def identity(section: Imagine) -> dict[str, Any]:
    """All of a section that determines its pictures; of weights their content."""
    told = {name: getattr(section, name) for name in ("text", "images", "steps", "guidance", "size", "seed")}
    return told | {"model": painter.located(section).identity}


def paint_shard(
    name: str,
    study: Mapping[str, Any],
    videos: Sequence[Mapping[str, Any]],
    shard: str,
    *,
    painted: Collection[str],
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, int]:
    """Write the pictures of a shard.

    Args:
        name: of the section.
        study: the complete study file as a mapping.
        videos: `{"slug", "fields": {column: text}}` each, all of the shard.
        shard: its name.
        painted: slugs that are painted; the others are `absent: not_chosen`.
        device: `cpu` or `cuda:0`.
        threads: of this job.

    Returns:
        Number of videos `computed`, `taken_over`, of prompts `cut`, and of videos by status.

    Raises:
        ImagineError: the pipeline cannot be loaded or used.
    """
    section = Imagine.model_validate(study["imagine"][name])
    told, paths = identity(section), Paths.from_config(dict(study))
    sources, summaries = list(study["transcripts"]), list(study["summaries"])
    given = inputs.describe(READS, videos, paths, shard, [section.text], sources, summaries=summaries)
    keys = {video: digest_json([VERSION, told, one.digest]) for video, one in given.items()}
    out = Path(paths.imagined(name, shard))
    done: dict[str, Entry] = {}
    with writer_lock(out):
        shelf = Shelf(out, study["shards"])
        usable = [video for video, one in sorted(given.items()) if one.outcome.ok and video in painted]
        done |= shelf.find({video: keys[video] for video in usable})
        todo = [video for video in usable if video not in done]
        counts = {"computed": len(todo), "taken_over": len(done)}
        _log.info("%s, shard %s: %d videos, %d taken over, %d to paint", name, shard, len(given), len(done), len(todo))
        brush = painter.Painter(section)
        if todo:
            _log.info("loading %s on %s", section.model, device)
            brush.load(device, threads)
        for video in todo:
            done[video] = _entry(video, keys[video], _prompt(given[video]), brush)
            shelf.spill([done[video]])
        for video, one in given.items():
            if video not in done and one.outcome.ok:
                # A key of its own: what is not painted now may be later.
                left = Outcome("absent", "not_chosen", "`videos` leaves it out")
                done[video] = Entry(video, digest_json([keys[video], left.reason]), left)
            elif video not in done:
                done[video] = Entry(video, keys[video], one.outcome)
        shelf.replace(done.values(), {"imagine": name})
    counts["cut"] = sum("prompt_cut" in one.outcome.warnings for one in done.values())
    for one in done.values():
        counts[one.outcome.status] = counts.get(one.outcome.status, 0) + 1
    _log.info("%s, shard %s: %s", name, shard, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def _prompt(one: inputs.Input) -> str:
    return " ".join(words for _, segments in one.words.fields for _, _, words in segments)


def _entry(video: str, key: str, prompt: str, brush: painter.Painter) -> Entry:
    """The pictures of a video; those that the pipeline's safety checker flagged are left out."""
    section = brush.section
    warnings = {}
    if tokens := brush.too_long(prompt):
        warnings["prompt_cut"] = f"the text has {tokens} tokens, more than the pipeline reads; its end plays no part"
    pictures = [brush.paint(prompt, painter.seed_of(section.seed, video, number)) for number in range(section.images)]
    kept = [_png(one) for one in pictures if one is not None]
    if len(kept) < len(pictures):
        warnings["flagged"] = f"{len(pictures) - len(kept)} of {len(pictures)} pictures were flagged and left out"
    provenance = {"pipeline": brush.located.identity, "tokens": tokens}
    if not kept:
        message = "the pipeline's safety checker flagged every picture"
        return Entry(video, key, Outcome("absent", "flagged", message), provenance=provenance)
    rows = np.concatenate([_rows(one) for one in kept])
    sizes = np.array([[len(one)] for one in kept], np.int64)
    times = {"png": np.zeros((len(rows), 2)), "bytes": np.zeros((len(kept), 2))}
    outcome = Outcome("ok", warnings=warnings)
    return Entry(video, key, outcome, {"png": rows, "bytes": sizes}, times, provenance)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "PNG")
    return memory.getvalue()


def _rows(data: bytes) -> np.ndarray:
    """(n, `ROW`) bytes, filled up with zeros."""
    filled = data + bytes(-len(data) % ROW)
    return np.frombuffer(filled, np.uint8).reshape(-1, ROW)


def pictures(entry: Entry) -> list[bytes]:
    """The PNGs of a video."""
    found, start = [], 0
    for size in entry.arrays["bytes"][:, 0].tolist() if entry.arrays else ():
        rows = -(-size // ROW)
        found.append(entry.arrays["png"][start : start + rows].tobytes()[:size])
        start += rows
    return found


def decoded(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def faults(section: Imagine, encoders: Mapping[str, Mapping[str, Any]], installed: bool = True) -> list[str]:
    """What is wrong with a section, before any job; nothing heavy is imported."""
    found = painter.faults(section, installed)
    encoder = encoders.get(section.encoder)
    try:
        made = registry.made_from(encoder) if encoder else None
    except EncoderError:
        return found  # told of the encoder itself
    if made is None:
        return found
    if made.card.modality != "image":
        return [*found, f"encoder: {section.encoder} reads {made.card.modality}; take an encoder of pictures"]
    arrays = made.arrays_of(encoder) if hasattr(made, "arrays_of") else made.card.arrays
    known = [name for name in arrays if name not in made.card.records and not name.endswith(base.WEIGHTS)]
    if section.array not in known:
        near = nearest(section.array, known)
        found.append(f"array: {section.encoder} gives no array {section.array!r}{near}; it gives {', '.join(known)}")
    return found
