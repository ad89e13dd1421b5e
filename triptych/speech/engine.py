"""Runs a recogniser over a shard: loaded once, sound decoded ahead, each video kept as soon as it is done."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import Manifest, Outcome, Refused
from triptych.speech import base, quality, resolve
from triptych.speech.shelf import Shelf
from triptych.speech.transcript import Segment, Transcript

VERSION = "1"

#: Seconds between lines of progress in the log.
LOG_SECONDS = 60.0
RATE = 16_000

_log = logging.getLogger("triptych.transcribe")


@dataclass(frozen=True)
class Input:
    """The sound of one video: its digest, whether it is usable, its start on the video's clock, its peak (0 to 1)."""

    video: str
    digest: str
    outcome: Outcome
    start: float = 0.0
    peak: float = 1.0


def transcribe_shard(
    source: Mapping[str, Any],
    videos: Sequence[str],
    paths: Paths,
    shard: str,
    *,
    name: str,
    shards: int = 1,
    earlier: Sequence[str] = (),
    device: str = "cpu",
    threads: int = 1,
    remake: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Write the transcripts of a shard.

    A transcript whose key (digest of the sound, its start, and the source's signature) is unchanged is taken over from
    any file of this source. Every video is kept as soon as it is done, in `{shard}.parts/`; the file is replaced whole
    at the end. A silent sound is not given to the model.

    Args:
        source: section of the study file.
        videos: slugs of the shard.
        paths: of the study.
        shard: name of the shard.
        name: of the source in the study file.
        shards: number of shards of the study.
        earlier: with `when: no_text` the sources before this one; videos that they have text of are left out.
        device: `cpu` or `cuda:0`.
        threads: of this job.
        remake: sections `limits` and `fetch` of the study, for an artefact that must be made again.

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        TranscriberError: the recogniser cannot be made or loaded.
    """
    told = base.signature(source)
    made = base.made_from(source)
    found = {video: _input(video, paths) for video in videos}
    keys = {video: digest_json([VERSION, told, one.digest]) for video, one in found.items()}
    needed = set(videos)
    if source.get("when") == "no_text":
        before = [{"name": one, "path": paths.transcripts(one, shard)} for one in earlier]
        needed = set(resolve.without_text(before, videos))
    out = Path(paths.transcripts(name, shard))
    with writer_lock(out):
        shelf = Shelf(out, shards)
        done = {video: resolve.not_needed(video, name) for video in videos if video not in needed}
        old = shelf.find({video: keys[video] for video in needed})
        # The name of a source may have changed in the study file; it is no part of what was heard.
        done |= {video: replace(one, source=name) for video, one in old.items()}
        todo = []
        for video in sorted(needed - set(old)):
            outcome = _without_model(found[video], made)
            if outcome is None:
                todo.append(found[video])
            else:
                done[video] = Transcript(video, name, outcome, key=keys[video])
        _log.info(
            "%s, shard %s: %d videos, %d not needed, %d taken over, %d to transcribe",
            *(name, shard, len(videos), len(videos) - len(needed), len(old), len(todo)),
        )
        if todo:
            _log.info("%s, shard %s: loading %s on %s", name, shard, made.model, device)
            made.load(device, threads, source.get("precision") or "auto")
        listen = _Listener(made, source.get("language"), int(source.get("batch") or 8))
        heard, began, last = 0.0, time.monotonic(), time.monotonic()
        for number, (one, sound) in enumerate(_ahead(todo, paths, remake or {}), start=1):
            transcript = listen.transcript(one, sound, name, keys[one.video])
            shelf.spill(transcript)
            done[one.video] = transcript
            heard += len(sound) / RATE if isinstance(sound, np.ndarray) else 0.0
            if time.monotonic() - last > LOG_SECONDS or number == len(todo):
                last = time.monotonic()
                speed = heard / max(last - began, 1e-9)
                told_speed = f"{number} of {len(todo)} ({heard / 60:.1f} min of sound, {speed:.1f} times real time)"
                _log.info("%s, shard %s: %s", name, shard, told_speed)
        shelf.replace(done.values())
    counts = {"computed": len(todo), "taken_over": len(old)}
    for transcript in done.values():
        counts[transcript.outcome.status] = counts.get(transcript.outcome.status, 0) + 1
    _log.info("%s, shard %s: %s", name, shard, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def _input(video: str, paths: Paths) -> Input:
    manifest = Manifest.read(paths.manifest("audio", video))
    outcome = manifest.outcome
    if not outcome.ok:
        upstream = Outcome(outcome.status, outcome.reason, f"audio: {outcome.message or outcome.reason}")
        return Input(video, digest_json(["audio", outcome.as_dict()]), upstream)
    start = float(manifest.data.get("start") or 0.0)
    peak = manifest.data.get("peak")
    digest = digest_json(["audio", manifest.artefacts["flac"]["sha256"], start])
    return Input(video, digest, Outcome("ok"), start, 1.0 if peak is None else float(peak))


def _without_model(one: Input, made: base.Transcriber) -> Outcome | None:
    """The outcome of a video that no model needs to hear, or None."""
    if not one.outcome.ok:
        return one.outcome
    return quality.silent() if one.peak <= 10 ** (made.params["silence_db"] / 20) else None


@dataclass
class _Listener:
    """A loaded recogniser; the batch for which a card's memory is too small is halved and stays so."""

    made: base.Transcriber
    language: str | None
    batch: int

    def transcript(self, one: Input, sound: np.ndarray | Outcome, name: str, key: str) -> Transcript:
        if isinstance(sound, Outcome):
            return Transcript(one.video, name, sound)
        if quality.is_silent(sound, self.made.params["silence_db"]):
            return Transcript(one.video, name, quality.silent(), key=key)
        spoken, outcome = quality.judge(self._hear(sound), sound, RATE, self.made.params)
        segments = tuple(_later(segment, one.start) for segment in spoken.segments)
        end = max((segment.end for segment in segments), default=None)
        return Transcript(one.video, name, outcome, spoken.language, segments, spoken.sounds, end, key)

    def _hear(self, sound: np.ndarray) -> Any:
        while True:
            try:
                return self.made.hear(sound, self.language, self.batch)
            except Exception as error:
                full = type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()
                if not full or self.batch == 1:
                    raise
                self.batch //= 2
                _log.warning("the card's memory is too small; going on with batch %d", self.batch)


def _later(segment: Segment, start: float) -> Segment:
    """A segment on the clock of the video."""
    words = segment.words and tuple((a + start, b + start, word, p) for a, b, word, p in segment.words)
    return replace(segment, start=segment.start + start, end=segment.end + start, words=words)


def _ahead(
    todo: Sequence[Input], paths: Paths, remake: Mapping[str, Any]
) -> Iterator[tuple[Input, np.ndarray | Outcome]]:
    """Decoded sounds, the next one decoded in a thread while this one is transcribed."""
    with ThreadPoolExecutor(1, "decode-ahead") as thread:
        waiting: Future | None = None
        for number, one in enumerate(todo):
            sound = waiting.result() if waiting else _sound(one, paths, remake)
            following = todo[number + 1] if number + 1 < len(todo) else None
            waiting = thread.submit(_sound, following, paths, remake) if following else None
            yield one, sound


def _sound(one: Input, paths: Paths, remake: Mapping[str, Any]) -> np.ndarray | Outcome:
    from triptych.media import audio, unit

    try:
        return audio.read_flac(unit.artefact(paths, "audio", one.video, "flac", **remake))
    except Refused as refused:
        return refused.outcome
