"""Labels in doubt: planted errors are found, and nothing is found where there is nothing."""

import csv

import numpy as np
import pytest
from evaluate.scored import write
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from triptych.evaluate import hints
from triptych.evaluate.predictions import PredictionsError, read


@pytest.fixture(scope="module")
def digits():
    """Every second digit, 6 % of the labels changed; out-of-fold probabilities of two models."""
    x, y = load_digits(return_X_y=True)
    x, y = x[::2] / 16, y[::2]
    random = np.random.default_rng(0)
    flipped = random.random(len(y)) < 0.06
    given = np.where(flipped, (y + random.integers(1, 10, len(y))) % 10, y)
    models = {"linear": LogisticRegression(max_iter=200), "bayes": GaussianNB(var_smoothing=0.05)}
    tables = {name: cross_val_predict(one, x, given, cv=3, method="predict_proba") for name, one in models.items()}
    return y, given, flipped, tables


def test_planted_errors_are_found_far_above_chance(digits, tmp_path):
    y, given, flipped, tables = digits
    truth = np.eye(10, dtype=bool)[given]
    files = {name: write(tmp_path / name, p, truth, classes=list("0123456789")) for name, p in tables.items()}
    rows = hints.label_hints(files, tmp_path / "hints.csv", False)
    number = flipped.sum()
    first = [int(row["video"][1:]) for row in rows[:number]]
    assert flipped[first].mean() > 0.7 > 10 * flipped.mean()
    # The label that was there before is the one that is suggested.
    right = [row["suggested"] == str(y[int(row["video"][1:])]) for row in rows if flipped[int(row["video"][1:])]]
    assert np.mean(right) > 0.85
    assert all(row["given"] == str(given[int(row["video"][1:])]) for row in rows)
    with (tmp_path / "hints.csv").open(newline="") as handle:
        written = list(csv.DictReader(handle))
    assert [row["video"] for row in written] == [row["video"] for row in rows]
    scores = [float(row["score"]) for row in written]
    assert scores == sorted(scores) and 0 <= scores[0] < 0.1 and max(scores) < 0.6
    assert {row["agree"] for row in written} == {"2 of 2"} and {row["models"] for row in written} == {"linear+bayes"}


def test_labels_in_several_are_questions_of_their_own(digits, tmp_path):
    """Digits as sets of two labels, odd and large; one of them is turned round in some."""
    y, _, flipped, _ = digits
    x = load_digits().data[::2] / 16
    true = np.stack([y >= 5, y % 2 == 1], axis=1)
    given = true.copy()
    given[flipped, 1] ^= True
    p = [
        cross_val_predict(LogisticRegression(max_iter=200), x, given[:, k], cv=3, method="predict_proba")
        for k in (0, 1)
    ]
    probability = np.stack([one[:, 1] for one in p], axis=1)
    found = hints.hints({"m": read(write(tmp_path / "m", probability, given, classes=["large", "odd"], multi=True))})
    odd = [row for row in found if "odd" in row["given"]]
    first = [int(row["video"][1:]) for row in odd[: flipped.sum()]]
    assert flipped[first].mean() > 6 * flipped.mean()
    for row in odd:
        assert {row["given"], row["suggested"]} == {"odd", "not odd"}


def test_confident_joint_by_hand():
    """Thresholds .6 and .7: the third row is above that of the other class and not of its own."""
    truth = np.eye(2, dtype=bool)[[0, 0, 0, 1, 1]]
    probability = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6]])
    assert hints.doubtful(probability, truth).tolist() == [0, 0, 1, 1, 1]
    assert hints.margin(probability, truth) == pytest.approx([0.8, 0.6, -0.8, 0.6, 0.2])


def test_ties_and_empty_classes_raise_no_doubt():
    truth = np.eye(3, dtype=bool)[[0, 1, 1, 0]]
    assert hints.doubtful(np.full((4, 3), 1 / 3), truth).tolist() == [0, 1, 1, 0]


def test_a_model_that_does_not_cover_a_video_has_no_say(tmp_path):
    truth = np.eye(2, dtype=bool)[[0] * 10 + [1] * 10]
    good = np.where(truth, 0.9, 0.1)
    bad = good.copy()
    bad[0] = [0.05, 0.95]
    everything = {"one": read(write(tmp_path / "one", bad, truth))}
    blind = read(write(tmp_path / "two", good, truth, covered=np.arange(20) > 0))
    found = hints.hints({**everything, "two": blind})
    assert [(row["video"], row["agree"], row["models"]) for row in found] == [("v0000", "1 of 1", ["one"])]
    # One of two is no majority.
    assert hints.hints({**everything, "two": read(write(tmp_path / "three", good, truth))}) == []


def test_cells_are_safe_and_no_models_give_an_empty_table(tmp_path):
    truth = np.eye(2, dtype=bool)[[0] * 8 + [1] * 8]
    probability = np.where(truth, 0.9, 0.1)
    probability[3] = [0.1, 0.9]
    path = write(tmp_path / "p", probability, truth, classes=["=cmd|' /C calc'!A1", "b"])
    hints.label_hints({"m": path}, tmp_path / "h.csv")
    with (tmp_path / "h.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["video"], row["given"][:5], row["suggested"]) for row in rows] == [("v0003", "'=cmd", "b")]
    assert hints.label_hints({}, tmp_path / "none.csv") == []
    assert (tmp_path / "none.csv").read_text() == ",".join(hints.HEADER) + "\n"
    other = write(tmp_path / "q", probability[:9], truth[:9], classes=["=cmd|' /C calc'!A1", "b"])
    with pytest.raises(PredictionsError, match="different videos"):
        hints.label_hints({"m": path, "n": other}, tmp_path / "h.csv")
