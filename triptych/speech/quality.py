"""What of a recogniser's text is kept: nothing that was made up over silence, and no loop of repetitions.

Thresholds of `no_speech_prob`, `avg_logprob` and the compression ratio are those of Whisper (Radford et al. 2022,
arXiv 2212.04356, section 4.5): a segment is silence when its probability of no speech is above 0.6 and its average log
probability below -1; a text that gzip shrinks by more than 2.4 repeats itself.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from triptych.core.params import Param
from triptych.core.status import Outcome
from triptych.speech.transcript import Segment, Spoken

#: Parameters of every recogniser.
PARAMETERS = {
    "no_speech_threshold": Param(0.6, "probability of no speech above which a segment may be silence", low=0, high=1),
    "logprob_threshold": Param(-1.0, "average log probability below which a segment is doubtful", low=-100, high=0),
    "compression_ratio_threshold": Param(2.4, "gzip ratio above which a text repeats itself", low=1, high=1000),
    "loop_repeats": Param(5, "times in a row that words may be said; more is a loop", low=2, high=1000),
    "silence_db": Param(-60.0, "peak, in dB of full scale, up to which sound is silence", low=-120, high=0),
}
#: Longest run of words that is looked for as the unit of a loop.
LONGEST_LOOP = 12
#: Words that a loop must span to count: a laugh or "no no no no no" is speech.
SHORTEST_SPAN = 10
#: Share of a video's speech that a language must have to be told.
LANGUAGE_SHARE = 0.05

_WHY = {
    "on_silence": "over silence",
    "no_speech": "without speech",
    "repetition": "repeating themselves",
}


def compression_ratio(text: str) -> float:
    """Bytes of a text to bytes of its gzip, as Whisper counts them."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silent(samples: np.ndarray, silence_db: float) -> bool:
    """Whether no sample of (n,) numbers in [-1, 1] is louder than `silence_db`; no samples are silent."""
    return not samples.size or float(max(samples.max(), -samples.min())) <= 10 ** (silence_db / 20)


def silent() -> Outcome:
    """The outcome of a video whose sound is silence: no model is asked."""
    return Outcome("absent", "silent", "the sound track is silent; it was not given to the recogniser")


def judge(spoken: Spoken, samples: np.ndarray, rate: int, params: Mapping[str, Any]) -> tuple[Spoken, Outcome]:
    """Drop what is not speech, and tell it.

    Args:
        spoken: what a recogniser heard, times from the first sample.
        samples: (n,) sound that it was given.
        rate: samples a second.
        params: at least those of `PARAMETERS`.

    Returns:
        The text that stays with its language, and the outcome: `absent: no_speech` or `absent: repetition` when
        nothing stays. Warnings: `dropped_segments`, `low_confidence`, `languages`.
    """
    kept: list[Segment] = []
    dropped: Counter[str] = Counter()
    heard = [segment for segment in spoken.segments if segment.text.strip()]
    length = len(samples) / rate
    for segment in heard:
        text = " ".join(segment.text.split())
        # Windows are padded to 30 s, and a model may write times that no sound has.
        start = min(max(0.0, segment.start), length)
        end = min(max(start, segment.end), length)
        segment = replace(segment, start=start, end=end, text=text, quality=_completed(segment.quality, text))
        why = _fault(segment, samples, rate, params)
        if why:
            dropped[why] += 1
        else:
            kept.append(segment)
    stays = _without_loops(sorted(kept, key=lambda segment: segment.start), int(params["loop_repeats"]))
    if len(stays) < len(kept):
        dropped["repetition"] += len(kept) - len(stays)
    warnings = dict(spoken.warnings)
    if dropped:
        told = ", ".join(f"{number} {_WHY[why]}" for why, number in sorted(dropped.items()))
        warnings["dropped_segments"] = f"{sum(dropped.values())} of {len(heard)} dropped: {told}"
    doubtful = sum(_doubtful(segment, params) for segment in stays)
    if doubtful:
        warnings["low_confidence"] = (
            f"{doubtful} of {len(stays)} segments have an average log probability below {params['logprob_threshold']:g}"
        )
    language, mixed = languages(spoken)
    if mixed and stays:
        warnings["languages"] = mixed
    outcome = Outcome("ok", warnings=warnings) if stays else _nothing(dropped, len(heard), warnings)
    return replace(spoken, segments=tuple(stays), language=language if stays else None), outcome


def languages(spoken: Spoken) -> tuple[str | None, str | None]:
    """The most frequent language, and, when several were heard, their shares (`en 80 %, fr 20 %`)."""
    total = sum(spoken.languages.values())
    if not total:
        return spoken.language, None
    ranked = sorted(spoken.languages.items(), key=lambda one: (-one[1], one[0]))
    told = [(name, seconds / total) for name, seconds in ranked if seconds / total >= LANGUAGE_SHARE]
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in told)
    return ranked[0][0], shares if len(told) > 1 else None


def is_loop(text: str, repeats: int) -> bool:
    """Whether most of a text is the same few words said more than `repeats` times in a row."""
    words = text.lower().split()
    longest = 0
    for size in range(1, min(LONGEST_LOOP, len(words) // 2) + 1):
        run = 0
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else 0
            if run >= size * repeats:
                longest = max(longest, run + size)
    return longest >= max(SHORTEST_SPAN, len(words) / 2)


def _fault(segment: Segment, samples: np.ndarray, rate: int, params: Mapping[str, Any]) -> str | None:
    """Why a segment is no speech, or None."""
    quality = segment.quality or {}
    first, last = max(0, int(segment.start * rate)), max(0, int(np.ceil(segment.end * rate)))
    if first < min(last, len(samples)) and is_silent(samples[first:last], params["silence_db"]):
        return "on_silence"
    if quality.get("no_speech_prob", 0.0) > params["no_speech_threshold"] and _doubtful(segment, params):
        return "no_speech"
    too_regular = quality.get("compression_ratio", 0.0) > params["compression_ratio_threshold"]
    if too_regular or is_loop(segment.text, int(params["loop_repeats"])):
        return "repetition"
    return None


def _doubtful(segment: Segment, params: Mapping[str, Any]) -> bool:
    return (segment.quality or {}).get("avg_logprob", 0.0) < params["logprob_threshold"]


def _completed(quality: Mapping[str, float] | None, text: str) -> dict[str, float]:
    """Finite numbers of a segment, with the compression ratio of its own text."""
    told = {name: float(value) for name, value in (quality or {}).items() if value is not None and np.isfinite(value)}
    return told | {"compression_ratio": compression_ratio(text)}


def _without_loops(segments: Sequence[Segment], repeats: int) -> list[Segment]:
    """Segments without runs of more than `repeats` times the same text: of such a run none is to be trusted."""
    found: list[Segment] = []
    run: list[Segment] = []
    for segment in [*segments, None]:
        if segment is not None and run and segment.text.lower() == run[-1].text.lower():
            run.append(segment)
            continue
        found += run if len(run) <= repeats else []
        run = [segment] if segment is not None else []
    return found


def _nothing(dropped: Mapping[str, int], heard: int, warnings: dict[str, str]) -> Outcome:
    if not heard:
        return Outcome("absent", "no_speech", "the recogniser heard no speech", warnings=warnings)
    told = warnings["dropped_segments"]
    reason = "repetition" if dropped["repetition"] * 2 > heard else "no_speech"
    return Outcome("absent", reason, f"the recogniser gave no text to rely on: {told}", warnings=warnings)
