"""Runs an encoder over a shard: loaded once, batches across videos, decoding ahead, nothing computed twice."""

from __future__ import annotations

import functools
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import Outcome, Refused
from triptych.core.store import Entry
from triptych.encoders import base, inputs
from triptych.encoders.shelf import Shelf

VERSION = "1"

#: Bytes of decoded input in one batch; at most three batches are in memory (one encoded, one waiting, one decoded).
BATCH_BYTES = 96 * 2**20
LOG_EVERY = 50

_log = logging.getLogger("triptych.embed")


def embed_shard(
    encoder: Mapping[str, Any],
    videos: Sequence[Mapping[str, Any]],
    paths: Paths,
    shard: str,
    *,
    name: str,
    shards: int | None = None,
    device: str = "cpu",
    threads: int = 1,
    sources: Sequence[str] = (),
    remake: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Write the embeddings of a shard.

    An entry whose key (digest of input, encoder, revision, version and parameters) is unchanged is taken over from any
    file of this encoder, also of another number of shards. Every batch is kept as soon as it is done, in
    `{shard}.parts/`; the shard file is replaced whole at the end. A video whose input is absent or broken has an entry
    that says so.

    Args:
        encoder: section of the study file: `use`, `params`, `text`, `batch`.
        videos: `{"slug", "fields": {column: text}}` each, all of the shard.
        paths: of the study.
        shard: name of the shard.
        name: name of the encoder in the study file.
        shards: number of shards of the study; with it fewer files are looked through, and a shard file that is
            replaced under another number of shards keeps the entries that other shards will want.
        device: `cpu` or `cuda:0`.
        threads: of this job; numeric libraries keep to it.
        sources: names of the study's sources of transcripts, which text fields may name.
        remake: sections `limits` and `fetch` of the study, for an artefact that must be made again.

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        EncoderError: the encoder cannot be made.
        OSError: disk full, or weights that are not there.
    """
    told = base.signature(encoder)
    model = base.made_from(encoder)
    fields = told.get("text", [])
    found = inputs.describe(model.card, videos, paths, shard, fields, sources, getattr(model, "masked", ()))
    keys = {video: digest_json([VERSION, told, one.digest]) for video, one in found.items()}
    out = Path(paths.embeddings(name, shard))
    read = functools.partial(inputs.read, model.card, paths=paths, remake=remake)
    with writer_lock(out):
        shelf = Shelf(out, shards)
        done = shelf.find(keys)
        taken = len(done)
        provenance = {"encoder": told, "engine": VERSION}
        for video, one in found.items():
            if video not in done and not one.outcome.ok:
                done[video] = Entry(video, keys[video], one.outcome, provenance=provenance | {"input": one.digest})
        todo = [found[video] for video in sorted(found) if video not in done]
        _log.info("%s, shard %s: %d videos, %d taken over, %d to compute", name, shard, len(found), taken, len(todo))
        if todo:
            _keep_to(threads)
            model.load(device)
            _keep_to(threads)  # again: libraries that were imported just now have threads of their own
        computed = 0
        for batch, items in _ahead(read, todo, max(1, int(encoder.get("batch", 32)))):
            results = _encode(model, items)
            entries = [
                _entry(one, keys[one.video], item, results, provenance) for one, item in zip(batch, items, strict=True)
            ]
            shelf.spill(entries)
            done.update({entry.video: entry for entry in entries})
            if computed // LOG_EVERY != (computed + len(entries)) // LOG_EVERY:
                _log.info("%s, shard %s: %d of %d", name, shard, computed + len(entries), len(todo))
            computed += len(entries)
        shelf.replace(done.values(), {"encoder": name, "card": json.dumps(told, sort_keys=True)})
    counts = {"computed": computed, "taken_over": taken}
    for entry in done.values():
        counts[entry.outcome.status] = counts.get(entry.outcome.status, 0) + 1
    _log.info("%s, shard %s: %s", name, shard, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def _keep_to(threads: int) -> None:
    """Hold OpenCV and torch to the job's threads (the variables of numeric libraries are set by the job)."""
    import sys

    import cv2

    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _encode(model: base.Encoder, items: Sequence[base.Item | Outcome]) -> dict[str, base.Encoded]:
    """Results by video; a batch for which a card's memory is too small is halved."""
    usable = [item for item in items if not isinstance(item, Outcome)]
    if not usable:
        return {}
    try:
        results = model.encode(usable)
    except Exception as error:
        if type(error).__name__ != "OutOfMemoryError" or len(usable) == 1:
            raise
        half = len(usable) // 2
        return _encode(model, usable[:half]) | _encode(model, usable[half:])
    if len(results) != len(usable):
        raise base.EncoderError(f"{model.card.name} gave {len(results)} results for {len(usable)} items")
    return {item.video: result for item, result in zip(usable, results, strict=True)}


def _entry(
    one: inputs.Input,
    key: str,
    item: base.Item | Outcome,
    results: Mapping[str, base.Encoded],
    provenance: Mapping[str, Any],
) -> Entry:
    """The stored form of a result: float32, at most 64 rows an array, finite, or an outcome."""
    told = dict(provenance) | {"input": one.digest}
    if isinstance(item, Outcome):
        return Entry(one.video, key, item, provenance=told)
    result = results[one.video]
    if not result.outcome.ok:
        return Entry(one.video, key, result.outcome, provenance=told)
    arrays, times = {}, {}
    for name, values in result.arrays.items():
        values = np.asarray(values, dtype=np.float32)
        spans = np.asarray(result.times[name], dtype=np.float64).reshape(-1, 2)
        if len(values) != len(spans):
            raise base.EncoderError(f"{told['encoder']['name']}: {len(values)} rows of {name!r}, {len(spans)} times")
        if len(values) == 0:
            continue
        if not np.isfinite(values).all():
            message = f"{name} has values that are no numbers"
            return Entry(one.video, key, Outcome("failed", "not_finite", message), provenance=told)
        arrays[name], times[name] = base.reduce(values, spans)
    if not arrays:
        return Entry(one.video, key, Outcome("absent", "nothing_encoded", "the encoder gave no rows"), provenance=told)
    return Entry(one.video, key, result.outcome, arrays, times, told)


def _ahead(
    read: Callable[[inputs.Input], base.Item], todo: Sequence[inputs.Input], most: int
) -> Iterator[tuple[list[inputs.Input], list[base.Item | Outcome]]]:
    """Batches of decoded inputs, the next one decoded in a thread while this one is encoded."""
    ready: queue.Queue = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def decode() -> None:
        try:
            for batch in _batches(read, todo, most):
                while not stopped.is_set():
                    try:
                        ready.put(batch, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if stopped.is_set():
                    return
            last: Any = None
        except BaseException as error:
            last = error
        while not stopped.is_set():
            try:
                ready.put(last, timeout=0.2)
                return
            except queue.Full:
                continue

    thread = threading.Thread(target=decode, name="decode-ahead", daemon=True)
    thread.start()
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stopped.set()
        thread.join(timeout=60)


def _batches(
    read: Callable[[inputs.Input], base.Item], todo: Iterable[inputs.Input], most: int
) -> Iterator[tuple[list[inputs.Input], list[base.Item | Outcome]]]:
    """Decoded inputs in batches of at most `most` videos and about `BATCH_BYTES`."""
    batch: list[inputs.Input] = []
    items: list[base.Item | Outcome] = []
    size = 0
    for one in todo:
        try:
            item: base.Item | Outcome = read(one)
        except Refused as refused:
            item = refused.outcome
        batch.append(one)
        items.append(item)
        size += _bytes(item)
        if len(batch) >= most or size >= BATCH_BYTES:
            yield batch, items
            batch, items, size = [], [], 0
    if batch:
        yield batch, items


def _bytes(item: base.Item | Outcome) -> int:
    if isinstance(item, base.Sound):
        return item.samples.nbytes
    if isinstance(item, base.Pictures):
        return sum(frame.nbytes for frame in item.frames) + item.thumbs.nbytes
    return 0
