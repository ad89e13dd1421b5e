"""Sentences of timed text, and which of them stand for the whole."""

import pytest

from triptych.crossmodal import extractive


def texts(segments):
    return [one.text for one in extractive.sentences(segments)]


def test_a_sentence_may_reach_over_segments_and_keeps_its_times():
    found = extractive.sentences([(0.0, 4.0, "Ships leave. The sea"), (4.0, 6.0, "is calm.")])
    assert [one.text for one in found] == ["Ships leave.", "The sea is calm."]
    assert found[0].start == 0.0 and found[1].end == 6.0
    assert found[0].end == found[1].start == pytest.approx(4.0 * 12 / 20)


@pytest.mark.parametrize(
    "text, parts",
    [
        ("Mr. Smith saw Dr. Jones. He waved.", ["Mr. Smith saw Dr. Jones.", "He waved."]),
        ('"Who?" she asked. 3. Then J. R. left!', ['"Who?"', "she asked.", "3. Then J. R. left!"]),
        ("猫が好きです。犬も好きです。", ["猫が好きです。", "犬も好きです。"]),
        ("Pi is 3.14 or so. Yes…", ["Pi is 3.14 or so.", "Yes…"]),
    ],
)
def test_what_ends_a_sentence(text, parts):
    assert texts([(0.0, 1.0, text)]) == parts


def test_text_without_punctuation_goes_by_segments_and_long_ones_are_cut():
    spoken = [(float(at), at + 1.0, f"and then we came to place {at}") for at in range(9)]
    assert texts(spoken) == [text for _, _, text in spoken]
    found = extractive.sentences([(0.0, 100.0, " ".join(["word"] * 100))])
    assert [len(one.text.split()) for one in found] == [50, 50] and found[1].start == 50.0


def test_the_chosen_are_near_to_the_whole_and_unlike_one_another():
    said = [
        "Yes.",
        "The harbour is full of fishing ships.",
        "The harbour is full of fishing ships!",
        "Ships of the harbour bring fish at night.",
        "My aunt never liked tomatoes.",
        "In the kitchen a cook fries the fish of the harbour.",
    ]
    chosen = extractive.choose(said, 3)
    assert chosen == sorted(chosen) and 0 not in chosen and len(chosen) == 3
    assert 4 not in extractive.choose(said, 2)
    assert len({said[place].rstrip(".!") for place in chosen}) == 3
    # A repetition adds nothing, so there are fewer than were asked for.
    assert extractive.choose(said, 6) == [0, 1, 3, 4, 5]


def test_nothing_to_choose_from():
    assert extractive.choose([], 3) == [] and extractive.choose(["...", "—"], 3) == []
    assert extractive.sentences([(0.0, 1.0, "  ")]) == []
