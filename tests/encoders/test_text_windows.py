"""Windows: whole segments, halves of long ones with their times, and rows that keep the weighted mean."""

import itertools

import numpy as np

from triptych.encoders.text_windows import Window, merged, thinned, windows


def count(texts):
    return [len(text.split()) for text in texts]


def test_windows_pack_whole_segments():
    segments = [(0, 1, "a b c"), (1, 2, "d e"), (2, 3, "f g h i")]
    assert windows(segments, 5, count) == [(0, 2, "a b c d e", 5), (2, 3, "f g h i", 4)]
    assert windows(segments, 100, count) == [(0, 3, "a b c d e f g h i", 9)]
    assert windows([(0, 1, " ")], 5, count) == []


def test_long_segments_are_halved_with_their_times():
    found = windows([(0.0, 8.0, "a b c d e f g h")], 2, count)
    assert " ".join(one.text for one in found).split() == list("abcdefgh")
    assert all(one.tokens == len(one.text.split()) <= 2 for one in found)
    assert found[0].start == 0 and found[-1].end == 8
    assert all(one.end <= two.start + 1e-9 for one, two in itertools.pairwise(found))


def test_a_window_whose_tokens_do_not_add_up_is_halved_again():
    def with_spaces(texts):
        return [len(text) for text in texts]  # each space is a token of its own, which segments alone do not have

    found = windows([(float(at), at + 1.0, "ab") for at in range(4)], 4, with_spaces)
    assert [one.text for one in found] == ["ab"] * 4 and all(one.tokens == 2 for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)


def test_long_texts_are_thinned_evenly():
    listed = [Window(at, at + 1, str(at), 1) for at in range(10)]
    assert [one.start for one in thinned(listed, 4)] == [0, 3, 6, 9] and thinned(listed, 10) == listed


def test_rows_that_are_merged_keep_the_weighted_mean():
    numbers = np.random.default_rng(0)
    listed = [Window(at, at + 1.0, "x", int(size)) for at, size in enumerate(numbers.integers(1, 50, 150))]
    vectors = numbers.normal(size=(150, 3)).astype(np.float32)
    rows, spans, tokens = merged(vectors, listed, 64)
    assert rows.shape == (64, 3) and tokens.shape == (64, 1) and tokens.sum() == sum(one.tokens for one in listed)
    assert spans[0, 0] == 0 and spans[-1, 1] == 150 and (spans[1:, 0] == spans[:-1, 1]).all()
    whole = np.average(vectors, axis=0, weights=[one.tokens for one in listed])
    np.testing.assert_allclose(np.average(rows, axis=0, weights=tokens[:, 0]), whole, rtol=1e-5, atol=1e-6)
    same, _, sizes = merged(vectors[:5], listed[:5], 64)
    assert (same == vectors[:5]).all() and sizes[:, 0].tolist() == [one.tokens for one in listed[:5]]
