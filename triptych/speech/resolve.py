"""One transcript a video from several sources: the first, in the order of the study file, that has text."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triptych.core.status import Outcome
from triptych.speech.transcript import Transcript, read_transcripts, write_transcripts

VERSION = "1"

_log = logging.getLogger("triptych.resolve")


def resolve_shard(sources: Sequence[Mapping[str, str]], videos: Iterable[str], out: Path | str) -> dict[str, int]:
    """Write the resolved transcripts of a shard.

    Args:
        sources: `{"name", "path"}` of each source in order; a source that was asked only `when: no_text` tells of the
            others `absent: not_needed`, and is passed over.
        videos: slugs of the shard.
        out: the JSON lines file to write; each line names the source that won.

    Returns:
        Number of videos by winning source, those without text under their status.
    """
    read = {source["name"]: read_transcripts(source["path"]) for source in sources}
    resolved = [resolve(video, [read[source["name"]].get(video) for source in sources]) for video in videos]
    # A key is for the source's own file: another key of the same text is no other text.
    write_transcripts(out, [replace(one, key="") for one in resolved])
    counts: dict[str, int] = {}
    for transcript in resolved:
        name = transcript.source if transcript.outcome.ok else transcript.outcome.status
        counts[name] = counts.get(name, 0) + 1
    _log.info("text: %s", ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "none")
    return counts


def resolve(video: str, candidates: Iterable[Transcript | None]) -> Transcript:
    """The first usable transcript of a video; without one, an outcome that tells what each source met."""
    asked = [one for one in candidates if one is not None and one.outcome.reason != "not_needed"]
    for transcript in asked:
        if transcript.usable:
            return transcript
    if not asked:
        return Transcript(video, "", Outcome("absent", "no_transcript_source", "no source of transcripts was asked"))
    # A failure tells more than an absence; among equals the earlier source goes first.
    ranked = sorted(asked, key=lambda one: ("failed", "refused", "absent", "ok").index(one.outcome.status))
    worst = ranked[0]
    if worst.outcome.ok:
        return replace(worst, segments=(), outcome=Outcome("absent", "no_text", f"{worst.source} found no words"))
    told = "; ".join(f"{one.source}: {one.outcome.message or one.outcome.reason}" for one in asked)
    return replace(worst, segments=(), outcome=replace(worst.outcome, message=told))


def without_text(sources: Sequence[Mapping[str, str]], videos: Iterable[str]) -> list[str]:
    """The videos that none of `sources` has text for: what a source with `when: no_text` is asked for."""
    read = [read_transcripts(source["path"]) for source in sources]
    return [video for video in videos if not any(video in one and one[video].usable for one in read)]


def not_needed(video: str, source: str) -> Transcript:
    """The line of a source that was not asked, since an earlier one has text."""
    return Transcript(video, source, Outcome("absent", "not_needed", "an earlier source has text"))
