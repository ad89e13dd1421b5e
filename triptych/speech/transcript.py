"""The transcript of a video: timed segments, source and language; one form for captions and speech recognition."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core import sealed
from triptych.core.files import DamagedFile
from triptych.core.status import OK, Outcome


@dataclass(frozen=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: seconds on the clock of the video.
        end: seconds, never before `start`.
        text: one line of plain text, without mark-up.
        quality: what a recogniser tells of its own work: `no_speech_prob`, `avg_logprob`, `compression_ratio`.
        words: (start, end, word, probability) each, where the source was asked for times of words.
    """

    start: float
    end: float
    text: str
    quality: Mapping[str, float] | None = None
    words: tuple[tuple[float, float, str, float], ...] | None = None


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
        key: digest of the sound and of all that determined the text; empty for captions.
    """

    video: str
    source: str
    outcome: Outcome = OK
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    sounds: tuple[Segment, ...] = ()
    duration: float | None = None
    key: str = ""

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
            **({"key": self.key} if self.key else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Transcript:
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: the mapping holds no transcript.
        """
        if not isinstance(data, Mapping):
            raise TypeError("no mapping")
        texts = (data["video"], data["source"], data.get("language") or "", data.get("key", ""))
        if not all(isinstance(one, str) for one in texts):
            raise TypeError("video, source, language and key are no text")
        if data.get("duration") is not None:
            _number(data["duration"])
        return cls(
            video=data["video"],
            source=data["source"],
            outcome=Outcome.from_dict(dict(data)),
            language=data.get("language"),
            segments=tuple(_segment(segment) for segment in data["segments"]),
            sounds=tuple(_segment(sound) for sound in data.get("sounds", ())),
            duration=data.get("duration"),
            key=data.get("key", ""),
        )


def _segment_dict(segment: Segment) -> dict[str, Any]:
    told: dict[str, Any] = {"start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text}
    if segment.quality is not None:
        told["quality"] = {name: round(float(value), 4) for name, value in segment.quality.items()}
    if segment.words is not None:
        told["words"] = [[round(a, 3), round(b, 3), word, round(p, 4)] for a, b, word, p in segment.words]
    return told


def _segment(data: Mapping[str, Any]) -> Segment:
    if not isinstance(data["text"], str):
        raise TypeError("the text of a segment is no text")
    _number(data["start"], data["end"], *(data.get("quality") or {}).values())
    words = data.get("words")
    if words is None:
        return Segment(**data)
    for start, end, word, probability in words:
        _number(start, end, probability)
        if not isinstance(word, str):
            raise TypeError("a word is no text")
    return Segment(**{**data, "words": tuple(tuple(word) for word in words)})


def _number(*values: Any) -> None:
    if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in values):
        raise TypeError("times and qualities are no numbers")


def write_transcripts(path: Path | str, transcripts: Iterable[Transcript]) -> None:
    """Write transcripts as JSON lines sorted by video, whole or not at all."""
    ordered = sorted(transcripts, key=lambda transcript: transcript.video)
    sealed.write_lines(path, (one.as_dict() for one in ordered))


def read_transcripts(path: Path | str) -> dict[str, Transcript]:
    """Read the transcripts of a shard, by video.

    Raises:
        DamagedFile: naming file and line.
        FileNotFoundError: no such file.
    """
    found: dict[str, Transcript] = {}
    for number, told in enumerate(sealed.read_lines(path), start=1):
        try:
            transcript = Transcript.from_dict(told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(path, error, number) from error
        found[transcript.video] = transcript
    return found


@dataclass(frozen=True)
class Spoken:
    """What a transcriber found in one video, before it becomes a `Transcript`.

    Attributes:
        segments: in time order.
        sounds: what is told of sounds.
        language: of the text.
        warnings: code -> message.
        languages: language -> seconds in which it was heard, where a recogniser listened for it.
    """

    segments: tuple[Segment, ...]
    sounds: tuple[Segment, ...] = ()
    language: str | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)
