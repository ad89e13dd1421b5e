"""Caption files (WebVTT and SubRip) as cues: times and lines of plain text, mark-up removed, faults counted.

Formats: W3C WebVTT (https://www.w3.org/TR/webvtt1/); SubRip has no standard, so its common habits are accepted
(comma or point before the milliseconds, missing numbers, blank lines inside a cue).
"""

from __future__ import annotations

import codecs
import html
import itertools
import re
import unicodedata
from dataclasses import dataclass, field

MAX_CUES = 200_000
MAX_CUE_LINES = 40
MAX_CUE_CHARACTERS = 5_000
MAX_SECONDS = 200 * 3600.0

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_TIMING = re.compile(rf"^\s*{_TIME}\s*-{{1,2}}>\s*{_TIME}(?:\s.*)?$")
_ARROW = re.compile(r"-{1,2}>")
_WORD_TIMES = re.compile(r"<\d{1,4}:\d{2}[\d:.]*>")
_TAG = re.compile(r"<(?:/?[A-Za-z][^<>]*|/|\d[\d:.,]*)>")
_STYLE = re.compile(r"\{(?:\\[^{}]*|[A-Za-z]:[^{}]*)\}")
_LANGUAGE = re.compile(r"^language:\s*([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*)\s*$", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
#: Zero-width characters that belong to words and emoji of some scripts.
_JOINERS = "\u200c\u200d"


class NotCaptions(ValueError):
    """The text is no caption file; the message says what it looks like."""


@dataclass
class Cue:
    """Lines shown from `start` to `end` (seconds)."""

    start: float
    end: float
    lines: list[str]


@dataclass
class Parsed:
    """A caption file, parsed.

    Attributes:
        cues: in time order.
        language: from the file's header, where it tells.
        word_times: words carry times of their own, as in automatic captions that roll.
        warnings: code -> message.
    """

    cues: list[Cue] = field(default_factory=list)
    language: str | None = None
    word_times: bool = False
    warnings: dict[str, str] = field(default_factory=dict)


def decode(data: bytes) -> tuple[str, dict[str, str]]:
    """Caption bytes as text: UTF-8 (with or without mark), UTF-16 by its mark, else Windows-1252 with a warning.

    Raises:
        NotCaptions: the bytes are no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace"), {}
    if b"\0" in data[:4096]:
        raise NotCaptions("it is a binary file")
    try:
        return data.decode("utf-8-sig"), {}
    except UnicodeDecodeError as error:
        # Bytes that Windows-1252 leaves open become what Latin-1 makes of them.
        text = "".join(
            byte.decode("cp1252") if byte not in _OPEN else byte.decode("latin-1")
            for byte in (bytes([value]) for value in data)
        )
        message = f"not UTF-8 (byte {error.start}); read as Windows-1252"
        return text, {"encoding": message}


_OPEN = {b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"}


def parse(text: str) -> Parsed:
    """Cues of a WebVTT or SubRip text.

    A cue with unreadable times keeps its words at the end of the cue before it; times that run backwards are set
    right; both are counted in `warnings`.

    Raises:
        NotCaptions: there is no timing line in it and no WebVTT header.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff\n ").split("\n")
    is_vtt = bool(re.match(r"WEBVTT(\s|$)", lines[0]))
    starts = [number for number, line in enumerate(lines) if "->" in line and _is_timing(line)]
    if not starts and not is_vtt:
        raise NotCaptions(_looks_like(text))
    parsed = Parsed(language=_language(lines, starts[0] if starts else len(lines)))
    if len(starts) > MAX_CUES:
        parsed.warnings["many_cues"] = f"{len(starts)} cues; the first {MAX_CUES} are used"
        del starts[MAX_CUES:]
    parsed.word_times = bool(_WORD_TIMES.search(text))
    bad = backwards = 0
    clock = 0.0
    for start, end in itertools.pairwise([*starts, len(lines)]):
        times = _times(lines[start])
        if times is None:
            bad += 1
            times = (clock, clock)
        elif times[1] < times[0]:
            backwards += 1
            times = (times[0], times[0])
        clock = times[1]
        parsed.cues.append(Cue(*times, _payload(lines[start + 1 : end], is_vtt, is_last=end == len(lines))))
    if any(one.start > two.start for one, two in zip(parsed.cues, parsed.cues[1:], strict=False)):
        parsed.cues.sort(key=lambda cue: (cue.start, cue.end))
        parsed.warnings["unordered"] = "cues are not in time order; sorted"
    if bad + backwards:
        parsed.warnings["bad_timestamps"] = f"{bad + backwards} of {len(starts)} cues have times that cannot be right"
    return parsed


def clean(line: str) -> str:
    """A line without tags, styling, entities, control characters and doubled spaces."""
    line = html.unescape(_STYLE.sub("", _TAG.sub("", line)))
    if not line.isprintable():
        line = "".join(one if unicodedata.category(one)[0] != "C" or one in _JOINERS else " " for one in line)
    return _SPACE.sub(" ", unicodedata.normalize("NFC", line)).strip()


def _is_timing(line: str) -> bool:
    """A timing line, also one whose times are broken: an arrow between things that hold digits."""
    sides = _ARROW.split(line, maxsplit=1)
    return (
        len(sides) == 2 and len(line) < 400 and bool(re.match(r"\s*[\d:.,-]*\d", sides[0])) and sides[1].strip() != ""
    )


def _times(line: str) -> tuple[float, float] | None:
    match = _TIMING.match(line)
    if not match:
        return None
    parts = match.groups()
    start, end = _seconds(parts[:4]), _seconds(parts[4:])
    return (start, end) if max(start, end) <= MAX_SECONDS else None


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    thousandths = int((fraction or "0").ljust(3, "0"))
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + thousandths / 1000


def _payload(lines: list[str], is_vtt: bool, is_last: bool) -> list[str]:
    """The cleaned lines of a cue: WebVTT ends it at an empty line, SubRip at the next cue's number."""
    if is_vtt:
        body = []
        for line in lines:
            if line == "":
                break
            body.append(line)
    else:
        body = list(lines)
        while body and not body[-1].strip():
            body.pop()
        if not is_last and body and body[-1].strip().isdigit():
            body.pop()
    kept: list[str] = []
    room = MAX_CUE_CHARACTERS
    for line in body[:MAX_CUE_LINES]:
        text = clean(line[:room])
        room -= len(text)
        if text:
            kept.append(text)
        if room <= 0:
            break
    return kept


def _language(lines: list[str], first_cue: int) -> str | None:
    for line in lines[: min(first_cue, 50)]:
        match = _LANGUAGE.match(line)
        if match:
            return match.group(1).replace("_", "-")
    return None


def _looks_like(text: str) -> str:
    head = text[:2000].lstrip("\ufeff \n\r\t").lower()
    if not head:
        return "it is empty"
    if head.startswith(("<!doctype", "<html", "<?xml", "<tt")):
        return "it is a web page or XML"
    if head.startswith(("{", "[script info]")):
        return "it is JSON or another caption format"
    return "no line in it gives times as 00:00:01.000 --> 00:00:02.000"
