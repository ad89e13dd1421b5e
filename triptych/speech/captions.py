"""Transcripts from captions: the table's files, or those that came with a download."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import digest_bytes
from triptych.core.status import Manifest, Outcome, Refused, stop
from triptych.speech import cues, rolling
from triptych.speech.transcript import Transcript, write_transcripts

VERSION = "1"

#: Largest caption file; two hours of automatic captions with word times are about 1 MB.
MAX_BYTES = 16 * 2**20

_NAMED = re.compile(r"\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*)\.(?:vtt|srt)$")
#: Words between dots that are no language (`talk.old.vtt`).
_CODES = """
ab af am ar as az ba be bg bn bo br bs ca ceb co cs cy da de el en eo es et eu fa fi fil fo fr fy ga gd gl gn gu ha haw
he hi hmn hr ht hu hy id ig is it iw ja jv jw ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no
ny oc or pa pl ps pt ro ru rw sa sd si sk sl sm sn so sq sr st su sv sw ta te tg th ti tk tl tr ts tt ug uk ur uz vi xh
yi yo yue zh zu
"""
_LANGUAGES = frozenset(_CODES.split())
_log = logging.getLogger("triptych.captions")


def transcribe_shard(
    videos: Iterable[Mapping[str, Any]],
    source: str,
    params: Mapping[str, Any] | None,
    out: Path | str,
    *,
    language: str | None = None,
) -> dict[str, int]:
    """Write the transcripts of a shard from captions.

    Args:
        videos: `{"slug", "captions": path or "", "manifest": path of the fetch manifest or ""}` each; the captions of
            a downloaded video are named by its fetch manifest (artefact `captions`), which the table's own go before.
        source: name of the source in the study file.
        params: parameters of the source; captions know none.
        out: the JSON lines file to write.
        language: language of the text where the captions do not tell.

    Returns:
        Number of videos by status.

    Raises:
        ValueError: unknown parameters.
        OSError: `out` cannot be written.
    """
    problems = faults(params or {})
    if problems:
        raise ValueError("; ".join(problems))
    transcripts = [transcript_of(video, source, language) for video in videos]
    write_transcripts(out, transcripts)
    counts: dict[str, int] = {}
    for transcript in transcripts:
        counts[transcript.outcome.status] = counts.get(transcript.outcome.status, 0) + 1
    _log.info("%s: %s", source, ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none")
    return counts


def faults(params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters of a captions source."""
    return [f"captions have no parameter {name!r}" for name in params]


def transcript_of(video: Mapping[str, Any], source: str, language: str | None = None) -> Transcript:
    """The transcript of one video from its captions; what is wrong with them is its outcome."""
    slug = video["slug"]
    try:
        path, digest = _file_of(video)
        data = _read(path)
        if digest and digest_bytes(data) != digest:
            raise stop("failed", "damaged_captions", f"{path.name} is not the file that was downloaded; fetch it again")
        text, warnings = cues.decode(data)
        spoken = rolling.speech_of(cues.parse(text))
    except cues.NotCaptions as error:
        message = f"{Path(video.get('captions') or 'the captions').name} cannot be read as vtt or srt: {error}"
        return Transcript(slug, source, Outcome("failed", "unreadable_captions", message))
    except Refused as refused:
        return Transcript(slug, source, refused.outcome)
    outcome = rolling.outcome_of(spoken)
    outcome = Outcome(outcome.status, outcome.reason, outcome.message, {**outcome.warnings, **warnings})
    ends = [segment.end for segment in (*spoken.segments, *spoken.sounds)]
    return Transcript(
        slug,
        source,
        outcome,
        spoken.language or language_of_name(path.name) or language,
        spoken.segments,
        spoken.sounds,
        max(ends) if ends else None,
    )


def language_of_name(name: str) -> str | None:
    """The language that a file name tells (`talk.en.vtt`, `talk.pt-BR.srt`), if any."""
    match = _NAMED.search(name)
    if not match or match.group(1).replace("_", "-").split("-")[0].lower() not in _LANGUAGES:
        return None
    return match.group(1).replace("_", "-")


def _file_of(video: Mapping[str, Any]) -> tuple[Path, str | None]:
    """The caption file of a video and, for a downloaded one, its digest."""
    if video.get("captions"):
        return Path(video["captions"]), None
    if video.get("manifest"):
        manifest = Manifest.read(video["manifest"])
        artefact = manifest.artefacts.get("captions")
        if artefact:
            return Path(video["manifest"]).parent / artefact["path"], artefact.get("sha256")
        if not manifest.outcome.ok:
            outcome = manifest.outcome
            raise Refused(Outcome(outcome.status, outcome.reason, outcome.message, transient=outcome.transient))
    raise stop("absent", "no_captions", "the video has no captions")


def _read(path: Path) -> bytes:
    """The bytes of a caption file, bounded."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise stop("failed", "missing_captions", f"{path} is not a file; correct the table")
        if info.st_size > MAX_BYTES:
            size = f"{info.st_size / 2**20:.0f} MB"
            raise stop("refused", "captions_too_large", f"{path.name} has {size}, more than {MAX_BYTES >> 20} MB")
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise stop("failed", "missing_captions", f"{path} is not there; correct the table") from error
    except OSError as error:
        raise stop("failed", "missing_captions", f"{path} cannot be read: {error.strerror}") from error
    return data[:MAX_BYTES]
