"""Runs an encoder over a shard: loaded once, batches across videos, decoding ahead, nothing computed twice."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.store import Entry
from triptych.encoders import base, inputs, registry
from triptych.encoders.ahead import batches
from triptych.encoders.batches import OUT_OF_MEMORY, Runner, computing, is_out_of_memory, numbers
from triptych.encoders.entries import entry
from triptych.encoders.shelf import Shelf

VERSION = "1"

LOG_EVERY = 50
#: Threads that decode ahead, at most; more do not read one disk faster.
DECODERS = 8

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
    summaries: Sequence[str] = (),
    remake: Mapping[str, Any] | None = None,
    spent: dict[str, float] | None = None,
) -> dict[str, int]:
    """Write the embeddings of a shard.

    An entry whose key (digest of input, encoder, revision, version and parameters) is unchanged is taken over from any
    file of this encoder, also of another number of shards. Every batch is kept as soon as it is done, in
    `{shard}.parts/`; the shard file is replaced whole at the end. A video whose input is absent or broken has an entry
    that says so.

    Args:
        encoder: section of the study file: `use`, `params`, `text`, `batch`, `store`, `precision`.
        videos: `{"slug", "fields": {column: text}}` each, all of the shard.
        paths: of the study.
        shard: name of the shard.
        name: name of the encoder in the study file.
        shards: number of shards of the study; with it fewer files are looked through, and a shard file that is
            replaced under another number of shards keeps the entries that other shards will want.
        device: `cpu` or `cuda:0`.
        threads: of this job; numeric libraries keep to it, and as many threads decode ahead.
        sources: names of the study's sources of transcripts, which text fields may name.
        summaries: names of its summaries, which text fields may name too.
        remake: sections `limits` and `fetch` of the study, for an artefact that must be made again.
        spent: is filled with the wall seconds of `load` (imports included), `encode` and `wait` (for input).

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        EncoderError: the encoder cannot be made or loaded, or its device is too small for every video.
        OSError: disk full, or weights that are not there.
    """
    told = registry.signature(encoder)
    model = registry.made_from(encoder)
    fields = told.get("text", [])
    masked = getattr(model, "masked", ())
    found = inputs.describe(model.card, videos, paths, shard, fields, sources, masked, summaries)
    keys = {video: digest_json([VERSION, told, one.digest]) for video, one in found.items()}
    out = Path(paths.embeddings(name, shard))
    frames = encoder.get("frames") or model.card.frames
    read = functools.partial(inputs.read, model.card, paths=paths, remake=remake, frames=frames)
    with writer_lock(out):
        shelf = Shelf(out, shards)
        # What did not fit into memory is no fact about the video alone: another device may hold it.
        done = {video: kept for video, kept in shelf.find(keys).items() if kept.outcome.reason != OUT_OF_MEMORY}
        taken = len(done)
        provenance = {"encoder": told, "engine": VERSION}
        for video, one in found.items():
            if video not in done and not one.outcome.ok:
                done[video] = Entry(video, keys[video], one.outcome, provenance=provenance | {"input": one.digest})
        todo = [found[video] for video in sorted(found) if video not in done]
        _log.info("%s, shard %s: %d videos, %d taken over, %d to compute", name, shard, len(found), taken, len(todo))
        clock = _Clock(spent)
        batch = max(1, int(encoder.get("batch", 32)))
        precision = encoder.get("precision") or "auto"
        runner = Runner(model, batch, device, precision)
        if todo:
            with clock("load"):
                _load(model, device, threads)
            if (used := numbers(device, precision)) != "float32":
                provenance["precision"] = used
        make = _maker(model, read)
        computed = 0
        for ones, items in clock.waiting(batches(make, todo, batch, max(1, min(threads, DECODERS)))):
            with clock("encode"):
                results = runner.encode(items)
            entries = [
                entry(
                    one.video,
                    keys[one.video],
                    results.get(one.video, item),
                    model.card,
                    provenance | {"input": one.digest},
                    told["store"],
                )
                for one, item in zip(ones, items, strict=True)
            ]
            del items  # before the next batch is asked for
            shelf.spill(entries)
            done.update({made.video: made for made in entries})
            if computed // LOG_EVERY != (computed + len(entries)) // LOG_EVERY:
                _log.info("%s, shard %s: %d of %d", name, shard, computed + len(entries), len(todo))
            computed += len(entries)
        runner.check()
        shelf.replace(done.values(), {"encoder": name, "card": json.dumps(told, sort_keys=True)})
    counts = {"computed": computed, "taken_over": taken}
    for kept in done.values():
        counts[kept.outcome.status] = counts.get(kept.outcome.status, 0) + 1
    _log.info("%s, shard %s: %s", name, shard, ", ".join(f"{number} {what}" for what, number in counts.items()))
    if todo:
        told_times = ", ".join(f"{seconds:.1f} s {what}" for what, seconds in clock.spent.items())
        _log.info("%s, shard %s: %s", name, shard, told_times)
    return counts


def _keep_to(threads: int) -> None:
    """Hold OpenCV and torch to the job's threads (the variables of numeric libraries are set by the job)."""
    import sys

    import cv2

    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _load(model: base.Encoder, device: str, threads: int) -> None:
    _keep_to(threads)
    try:
        model.load(device)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise base.EncoderError(
            f"{model.card.name}: its weights do not fit into the memory of {device} ({str(error).splitlines()[0]}); "
            "free it, take a smaller model, or set gpus: 0"
        ) from error
    _keep_to(threads)  # again: libraries that were imported just now have threads of their own


def _maker(model: base.Encoder, read: Callable[[inputs.Input], base.Item]) -> Callable[[inputs.Input], Any]:
    """What decodes an input and prepares it for the encoder, in a thread.

    Two threads never prepare at once unless the encoder says that it bears it (`prepare_parallel = True`): tokenizers,
    for one, do not.
    """
    prepare = getattr(model, "prepare", None)
    if prepare is None:
        return read
    alone = contextlib.nullcontext() if getattr(model, "prepare_parallel", False) else threading.Lock()

    def make(one: inputs.Input) -> Any:
        item = read(one)
        with alone, computing("cpu", "float32"):
            prepared = prepare(item)
        if getattr(prepared, "video", None) != one.video:
            raise base.EncoderError(f"{model.card.name}: what `prepare` gives must keep the attribute `video`")
        return prepared

    return make


class _Clock:
    """Wall seconds of the parts of a job, for its log."""

    def __init__(self, spent: dict[str, float] | None) -> None:
        self.spent = spent if spent is not None else {}
        self.spent.update(dict.fromkeys(("load", "encode", "wait"), 0.0))

    @contextlib.contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.spent[what] += time.monotonic() - start

    def waiting(self, steps: Iterator[Any]) -> Iterator[Any]:
        """The steps, each one waited for on this clock."""
        with contextlib.closing(steps):
            while True:
                with self("wait"):
                    step = next(steps, None)
                if step is None:
                    return
                yield step
                del step
