"""From cues to speech: lines that roll from cue to cue are said once; sounds in brackets are kept aside."""

from __future__ import annotations

import itertools
import re

from triptych.core.status import Outcome
from triptych.speech.cues import Cue, Parsed
from triptych.speech.transcript import Segment, Spoken

#: Share of neighbouring cues that must repeat a line before a file is taken for rolling captions.
ROLLING_SHARE = 0.2

_BRACKETS = re.compile(r"\[([^\[\]]{0,120})\]")
_ALONE = re.compile(r"^[-\s]*\(([^()]{1,120})\)$")
_NOTES = re.compile(r"[♩-♬]+")
_SPEAKER = re.compile(r"^\s*(?:>>+|&gt;&gt;)\s*")


def speech_of(parsed: Parsed) -> Spoken:
    """Segments and sounds of parsed captions."""
    words: list[Cue] = []
    sounds: list[Segment] = []
    for cue in parsed.cues:
        kept, heard = _split_sounds(cue)
        words.append(Cue(cue.start, cue.end, kept))
        sounds.extend(heard)
    words = [cue for cue in words if cue.lines]
    rolls = parsed.word_times or _rolls(words)
    said = _unroll(words) if rolls else _without_doubles(words)
    return Spoken(tuple(said), tuple(_once(sounds)), parsed.language, parsed.warnings)


def _split_sounds(cue: Cue) -> tuple[list[str], list[Segment]]:
    """The lines of a cue without `[Music]`, `(applause)` and notes, and those sounds."""
    lines, sounds = [], []
    for line in cue.lines:
        names = [name.strip() for name in _BRACKETS.findall(line)]
        rest = _BRACKETS.sub(" ", line)
        alone = _ALONE.match(rest)
        if alone:
            names.append(alone.group(1).strip())
            rest = ""
        if _NOTES.search(rest):
            names.append("music")
            rest = _NOTES.sub(" ", rest)
        # `[ __ ]` hides a word, it names no sound.
        sounds.extend(Segment(cue.start, cue.end, name.lower()) for name in names if name.strip("_ \xa0"))
        rest = " ".join(_SPEAKER.sub("", rest).split())
        if rest.strip("-–— "):
            lines.append(rest)
    return lines, sounds


def _rolls(cues: list[Cue]) -> bool:
    """Whether cues repeat their neighbours' lines often enough to be rolling or growing captions."""
    pairs = list(itertools.pairwise(cues))
    repeated = 0
    for before, after in pairs:
        rolled = len(after.lines) > 1 and after.lines[0] == before.lines[-1]
        old, new = " ".join(before.lines).split(), " ".join(after.lines).split()
        grown = len(new) > len(old) > 1 and new[: len(old)] == old
        repeated += rolled or grown
    return bool(pairs) and repeated >= ROLLING_SHARE * len(pairs)


def _unroll(cues: list[Cue]) -> list[Segment]:
    """Each cue's words without those that the cue before it showed already."""
    said: list[Segment] = []
    shown: list[str] = []
    for number, cue in enumerate(cues):
        words = " ".join(cue.lines).split()
        fresh = words[_overlap(shown, cue.lines, words) :]
        shown = words
        if not fresh:
            continue
        end = min(cue.end, max(cue.start, cues[number + 1].start)) if number + 1 < len(cues) else cue.end
        said.append(Segment(cue.start, end, " ".join(fresh)))
    return said


def _overlap(shown: list[str], lines: list[str], words: list[str]) -> int:
    """Number of leading words that were on the screen: whole leading lines, or all that was shown before."""
    counts, total = [], 0
    for line in lines:
        total += len(line.split())
        counts.append(total)
    counts.append(len(shown))
    for count in sorted(set(counts), reverse=True):
        if 0 < count <= min(len(shown), len(words)) and shown[-count:] == words[:count]:
            return count
    return 0


def _without_doubles(cues: list[Cue]) -> list[Segment]:
    """Segments of ordinary captions; a cue that repeats one still on the screen is said once."""
    said: list[Segment] = []
    for cue in cues:
        text = " ".join(cue.lines)
        if said and said[-1].text == text and cue.start < said[-1].end:
            said[-1] = Segment(said[-1].start, max(said[-1].end, cue.end), text)
        else:
            said.append(Segment(cue.start, cue.end, text))
    return said


def _once(sounds: list[Segment]) -> list[Segment]:
    """Sounds whose cues touch are one."""
    kept: list[Segment] = []
    for sound in sounds:
        if kept and kept[-1].text == sound.text and sound.start <= kept[-1].end + 0.05:
            kept[-1] = Segment(kept[-1].start, max(kept[-1].end, sound.end), sound.text)
        else:
            kept.append(sound)
    return kept


def outcome_of(spoken: Spoken) -> Outcome:
    """`ok` when there are words, else `absent: empty_captions`."""
    if spoken.segments:
        return Outcome("ok", warnings=dict(spoken.warnings))
    told = " (only sounds)" if spoken.sounds else ""
    return Outcome("absent", "empty_captions", f"the captions hold no words{told}", warnings=dict(spoken.warnings))
