"""Short texts of a shard's videos, in the form of transcripts: each name is a text field like `transcript`.

`extractive` keeps whole sentences, `transformers` writes new ones. A video whose key (digest of its text and of all
that determines the summary) is unchanged is taken over from any file of this summary.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.config import Summary
from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import OK, Outcome
from triptych.crossmodal import extractive
from triptych.encoders import inputs
from triptych.encoders.base import ModelCard
from triptych.speech.shelf import Shelf
from triptych.speech.transcript import Segment, Transcript

VERSION = "1"

#: Videos from one message of progress to the next.
LOG_EVERY = 50
#: What the shared reader of text has to know.
READS = ModelCard(name="summary", modality="text", arrays={}, revision="", licence="", source="")

#: (start, end, text), times in seconds.
Piece = tuple[float, float, str]

_log = logging.getLogger("triptych.summarise")


def identity(section: Summary) -> dict[str, Any]:
    """All of a section that determines its summaries; of weights their content."""
    told: dict[str, Any] = {"use": section.use, "text": list(section.text)}
    if section.use == "extractive":
        return told | {"sentences": section.sentences}
    from triptych.crossmodal.seq2seq import PARAMETERS, located, params

    return told | {"model": located(section).identity, "params": params.complete(PARAMETERS, section.params)}


def summarise_shard(
    name: str,
    study: Mapping[str, Any],
    videos: Sequence[Mapping[str, Any]],
    shard: str,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, int]:
    """Write the summaries of a shard.

    Args:
        name: of the section.
        study: the complete study file as a mapping.
        videos: `{"slug", "fields": {column: text}}` each, all of the shard.
        shard: its name.
        device: `cpu` or `cuda:0`.
        threads: of this job.

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        SummaryError: the model cannot be used.
    """
    section = Summary.model_validate(study["summaries"][name])
    told, paths = identity(section), Paths.from_config(dict(study))
    given = inputs.describe(READS, videos, paths, shard, section.text, list(study["transcripts"]))
    keys = {video: digest_json([VERSION, told, one.digest]) for video, one in given.items()}
    out = Path(paths.summary(name, shard))
    done: dict[str, Transcript] = {}
    with writer_lock(out):
        shelf = Shelf(out, study["shards"])
        usable = {video: keys[video] for video, one in given.items() if one.outcome.ok}
        done |= shelf.find(usable)
        todo = sorted(set(usable) - set(done))
        counts = {"computed": len(todo), "taken_over": len(done)}
        _log.info(
            "%s, shard %s: %d videos, %d taken over, %d to summarise", name, shard, len(given), len(done), len(todo)
        )
        make = _maker(section, device, threads, bool(todo))
        for number, video in enumerate(todo, start=1):
            done[video] = _transcript(video, name, make(given[video].words.fields), keys[video])
            if section.use == "transformers":
                shelf.spill(done[video])
            if number % LOG_EVERY == 0:
                _log.info("%s, shard %s: %d of %d", name, shard, number, len(todo))
        for video, one in given.items():
            if not one.outcome.ok:
                done[video] = Transcript(video, name, one.outcome, key=keys[video])
        shelf.replace(done.values())
    for one in done.values():
        counts[one.outcome.status] = counts.get(one.outcome.status, 0) + 1
    _log.info("%s, shard %s: %s", name, shard, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def _maker(section: Summary, device: str, threads: int, needed: bool) -> Callable[[Sequence[Any]], list[Piece]]:
    """What makes the summary of a video's fields; a network is loaded only when it is needed."""
    if section.use == "extractive":
        return lambda fields: extract(fields, section.sentences)
    from triptych.crossmodal.seq2seq import Summariser

    made = Summariser(section)
    if needed:
        _log.info("loading %s on %s", section.model, device)
        made.load(device, threads)
    # Fields are summarised apart: a title is no beginning of what is said.
    return lambda fields: [piece for _, segments in fields for piece in made.summarise(segments)]


def extract(fields: Sequence[tuple[str, Sequence[Piece]]], count: int) -> list[Piece]:
    """The `count` sentences of some fields that stand for all of them, in their order, with their times."""
    listed = [sentence for _, segments in fields for sentence in extractive.sentences(segments)]
    return [tuple(listed[place]) for place in extractive.choose([one.text for one in listed], count)]


def _transcript(video: str, name: str, pieces: Sequence[Piece], key: str) -> Transcript:
    # Columns have no times: their sentences stand first.
    segments = tuple(Segment(*piece) for piece in sorted(pieces, key=lambda piece: piece[0]))
    outcome = OK if segments else Outcome("absent", "no_summary", "nothing in the text can be summarised")
    end = max((segment.end for segment in segments), default=None)
    return Transcript(video, name, outcome, segments=segments, duration=end, key=key)
