"""The transcript of a video: timed segments, source and language; one form for captions and speech recognition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core.files import replace_text
from triptych.core.status import OK, Outcome


@dataclass(frozen=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: seconds on the clock of the video.
        end: seconds, never before `start`.
        text: one line of plain text, without mark-up.
    """

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """What is said in one video, according to one source.

    Attributes:
        video: slug.
        source: name of the source in the study file (`captions`, `whisper`).
        outcome: `ok` only when there is text.
        language: tag such as `en` or `pt-BR`, where it is known.
        segments: in time order.
        sounds: what the source tells of sounds (`[Music]`), kept aside from the words.
        duration: seconds that the segments reach to; None without segments.
    """

    video: str
    source: str
    outcome: Outcome = OK
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    sounds: tuple[Segment, ...] = ()
    duration: float | None = None

    @property
    def text(self) -> str:
        """All words in one line."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def usable(self) -> bool:
        """Whether there is text to work with."""
        return self.outcome.ok and any(segment.text for segment in self.segments)

    def as_dict(self) -> dict[str, Any]:
        """A JSON-able form, read back by `from_dict`."""
        return {
            "video": self.video,
            "source": self.source,
            **self.outcome.as_dict(),
            "language": self.language,
            "segments": [_segment_dict(segment) for segment in self.segments],
            "sounds": [_segment_dict(sound) for sound in self.sounds],
            "duration": self.duration,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Transcript:
        """The inverse of `as_dict`."""
        return cls(
            video=data["video"],
            source=data["source"],
            outcome=Outcome.from_dict(dict(data)),
            language=data.get("language"),
            segments=tuple(Segment(**segment) for segment in data["segments"]),
            sounds=tuple(Segment(**sound) for sound in data.get("sounds", ())),
            duration=data.get("duration"),
        )


def _segment_dict(segment: Segment) -> dict[str, Any]:
    return {"start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text}


def write_transcripts(path: Path | str, transcripts: Iterable[Transcript]) -> None:
    """Write transcripts as JSON lines sorted by video, whole or not at all."""
    ordered = sorted(transcripts, key=lambda transcript: transcript.video)
    lines = [json.dumps(one.as_dict(), sort_keys=True, ensure_ascii=False) for one in ordered]
    replace_text(path, "".join(f"{line}\n" for line in lines))


def read_transcripts(path: Path | str) -> dict[str, Transcript]:
    """Read the transcripts of a shard, by video.

    Raises:
        ValueError: naming file and line, when a line is damaged.
        FileNotFoundError: no such file.
    """
    found: dict[str, Transcript] = {}
    # Split at line feeds alone: JSON may hold U+2028 and others that `splitlines` would cut at.
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), start=1):
        if not line:
            continue
        try:
            transcript = Transcript.from_dict(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: damaged ({error}); delete the file and run again") from error
        found[transcript.video] = transcript
    return found


@dataclass(frozen=True)
class Spoken:
    """What a transcriber found in one video, before it becomes a `Transcript`."""

    segments: tuple[Segment, ...]
    sounds: tuple[Segment, ...] = ()
    language: str | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)
