"""Silence and loops of repetition give no text; what is dropped is counted."""

import numpy as np
import pytest
from tiny import speech

from triptych.speech import quality
from triptych.speech.transcript import Segment, Spoken, Transcript

PARAMS = {name: param.default for name, param in quality.PARAMETERS.items()}
LOUD = speech.noise(60) + np.float32(0.01)
GOOD = {"no_speech_prob": 0.1, "avg_logprob": -0.3}


def judge(*segments, samples=LOUD, languages=None, **changes):
    spoken = Spoken(tuple(segments), language="en", languages=languages or {})
    return quality.judge(spoken, samples, 16_000, PARAMS | changes)


def test_good_text_stays_with_what_the_recogniser_told():
    spoken, outcome = judge(Segment(0, 2, " hello  there ", GOOD))
    (segment,) = spoken.segments
    assert segment.text == "hello there" and outcome.ok and not outcome.warnings
    assert segment.quality["avg_logprob"] == -0.3 and segment.quality["compression_ratio"] < 1


@pytest.mark.parametrize(
    ("no_speech", "logprob", "stays"), [(0.7, -1.2, False), (0.7, -0.5, True), (0.5, -1.2, True), (0.1, -0.1, True)]
)
def test_silence_needs_both_thresholds(no_speech, logprob, stays):
    told = {"no_speech_prob": no_speech, "avg_logprob": logprob}
    spoken, outcome = judge(Segment(0, 2, "thank you for watching", told))
    assert bool(spoken.segments) is stays
    if not stays:
        assert (outcome.status, outcome.reason) == ("absent", "no_speech")
        assert outcome.warnings["dropped_segments"] == "1 of 1 dropped: 1 without speech"
    assert ("low_confidence" in outcome.warnings) is (stays and logprob < -1)


def test_loops_are_dropped_and_counted():
    loop = Segment(2, 9, "and then we go " * 9, GOOD)
    spoken, outcome = judge(Segment(0, 2, "this is what was said", GOOD), loop)
    assert [segment.text for segment in spoken.segments] == ["this is what was said"]
    assert outcome.warnings["dropped_segments"] == "1 of 2 dropped: 1 repeating themselves"
    assert judge(loop)[1].reason == "repetition"


def test_the_same_sentence_again_and_again():
    said = [Segment(number, number + 1, "thanks for watching", GOOD) for number in range(6)]
    assert judge(*said)[1].reason == "repetition"
    assert len(judge(*said[:5])[0].segments) == 5


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("no no no no no", False),
        ("a rose is a rose is a rose", False),
        ("we are we are we are we are we are we are we are", True),
        ("so it was " + "ha " * 12, True),
        ("the day begins and ends " * 6, True),
        ("", False),
    ],
)
def test_what_a_loop_is(text, loop):
    assert quality.is_loop(text, 5) is loop


def test_text_over_digital_silence_is_invented():
    samples = LOUD.copy()
    samples[: 10 * 16_000] = 0
    spoken, outcome = judge(Segment(1, 4, "subtitles by", GOOD), Segment(20, 24, "real words", GOOD), samples=samples)
    assert [segment.text for segment in spoken.segments] == ["real words"]
    assert outcome.warnings["dropped_segments"] == "1 of 2 dropped: 1 over silence"


def test_times_stay_within_the_sound_and_in_order():
    spoken, _ = judge(Segment(50, 99, "late", GOOD), Segment(-4, 2, "early", GOOD))
    assert [(one.start, one.end, one.text) for one in spoken.segments] == [(0.0, 2, "early"), (50, 60.0, "late")]


def test_several_languages_are_told():
    spoken, outcome = judge(Segment(0, 2, "words", GOOD), languages={"fr": 12.0, "en": 48.0, "de": 0.5})
    assert spoken.language == "en" and outcome.warnings["languages"] == "en 79 %, fr 20 %"
    assert "languages" not in judge(Segment(0, 2, "words", GOOD), languages={"en": 60.0})[1].warnings


def test_nothing_heard_is_absent():
    spoken, outcome = judge()
    assert (outcome.status, outcome.reason, spoken.language) == ("absent", "no_speech", None)


def test_silence():
    assert quality.is_silent(np.zeros(0, np.float32), -60) and quality.is_silent(np.full(9, 0.0009, np.float32), -60)
    assert not quality.is_silent(np.full(9, -0.1, np.float32), -60)


def test_lines_of_captions_stay_as_they_were_and_both_forms_are_read():
    plain = Transcript("a", "captions", segments=(Segment(0, 1, "x"),))
    assert plain.as_dict()["segments"] == [{"start": 0, "end": 1, "text": "x"}] and "key" not in plain.as_dict()
    rich = Transcript(
        "a", "whisper", segments=(Segment(0, 1, "x", {"avg_logprob": -0.5}, ((0.0, 1.0, "x", 0.5),)),), key="ab"
    )
    for one in (plain, rich):
        assert Transcript.from_dict(one.as_dict()) == one
