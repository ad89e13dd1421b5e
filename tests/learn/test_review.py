"""The sheet of samples: drawn by label, safe in spreadsheets, and read back when it is filled in."""

import csv
import io
from collections import Counter

import numpy as np
import pytest

from triptych.core.status import OK, Outcome
from triptych.learn import review
from triptych.learn.relabel_files import RelabelError, Table


def table(counts, multi=False):
    """Zero-shot labels: label -> videos; one video without any at the end."""
    names = list(counts)
    videos, labels, scores = [], [], []
    for label, count in counts.items():
        for number in range(count):
            videos.append(f"{names.index(label)}-{number:03d}")
            labels.append((label,))
            row = np.full(len(names), 0.1)
            row[names.index(label)] = 0.7
            scores.append(row)
    videos.append("none")
    labels.append(())
    scores.append(np.full(len(names), np.nan))
    outcomes = [OK] * (len(videos) - 1) + [Outcome("absent", "no_text", "silent")]
    return Table(videos, labels, np.array(scores), outcomes, {"labels": names, "multi_label": multi})


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def fill(source, target, answer, delimiter=","):
    rows = rows_of(source)
    for row in rows:
        row |= answer(row)
    with target.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return target


def test_the_draw_is_stratified_seeded_and_complete():
    found = table({"sea": 300, "hill": 100, "town": 2})
    drawn = review.draw(found, 100, 0)
    assert len(drawn) == len(set(drawn)) == 100 and "none" not in drawn
    assert Counter(video[0] for video in drawn) == {"0": 74, "1": 25, "2": 1}
    assert review.draw(found, 100, 0) == drawn and review.draw(found, 100, 1) != drawn
    assert len(review.draw(table({"sea": 3, "hill": 2}), 100, 0)) == 5
    assert review.draw(table({"sea": 0}), 10, 0) == []


def test_a_draw_smaller_than_the_labels_still_has_its_size():
    found = table({f"label {number}": 3 for number in range(8)})
    assert len(review.draw(found, 5, 0)) == 5


def test_one_video_more_changes_the_draw_by_little():
    before = set(review.draw(table({"sea": 300, "hill": 100}), 100, 0))
    after = set(review.draw(table({"sea": 301, "hill": 100}), 100, 0))
    assert len(before & after) >= 98


def test_no_cell_of_the_sheet_runs_in_a_spreadsheet(tmp_path):
    found = table({"=HYPERLINK(1)": 2, "+sea": 2})
    hostile = {video: "  =cmd|' /C calc'!A1\nsecond" for video in found.videos}
    review.write_sheet(tmp_path / "s.csv", found, 100, 0, hostile, hostile, {"0-000": "@picture.jpg"})
    rows = rows_of(tmp_path / "s.csv")
    assert len(rows) == 4 and list(rows[0]) == list(review.COLUMNS)
    for row in rows:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", " ")) for cell in row.values())
        assert "\n" not in "".join(row.values()) and row["correct?"] == row["right label"] == ""
        assert row["top 3"].count(";") == 1


def test_long_text_is_an_excerpt_and_the_scores_are_there(tmp_path):
    found = table({"sea": 1, "hill": 1, "town": 1, "moor": 1})
    review.write_sheet(tmp_path / "s.csv", found, 9, 0, {}, {"0-000": "word " * 500}, {})
    first = next(row for row in rows_of(tmp_path / "s.csv") if row["video"] == "0-000")
    assert len(first["text"]) == review.EXCERPT and first["label"] == "sea" and first["score"] == "0.700"
    assert first["top 3"].startswith("sea 0.700; ")


def test_a_filled_sheet_is_never_written_over(tmp_path):
    found = table({"sea": 2, "hill": 2})
    sheet = tmp_path / "s.csv"
    review.write_sheet(sheet, found, 9, 0, {}, {}, {})
    review.write_sheet(sheet, found, 9, 0, {}, {}, {})
    fill(sheet, sheet, lambda row: {"correct?": "yes"})
    with pytest.raises(RelabelError, match="move it elsewhere"):
        review.write_sheet(sheet, found, 9, 0, {}, {}, {})


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_accuracy_and_kappa_of_a_filled_sheet(tmp_path, delimiter):
    from sklearn.metrics import cohen_kappa_score

    found = table({"=sea": 6, "hill": 4})
    review.write_sheet(tmp_path / "s.csv", found, 99, 0, {}, {}, {})
    wrong = {"0-001", "1-002"}

    def answer(row):
        if row["video"] not in wrong:
            return {"correct?": "Yes"}
        return {"correct?": "no", "right label": "hill" if row["video"][0] == "0" else "'=sea"}

    facts = review.read_sheet(fill(tmp_path / "s.csv", tmp_path / "f.csv", answer, delimiter), found)
    assert (facts["n"], facts["right"], facts["accuracy"], facts["open"], facts["stale"]) == (10, 8, 0.8, 0, 0)
    made = [found.labels[number][0] for number in range(10)]
    other = {"=sea": "hill", "hill": "=sea"}
    hand = [other[label] if video in wrong else label for video, label in zip(found.videos, made, strict=False)]
    assert facts["kappa"] == pytest.approx(cohen_kappa_score(hand, made)) and facts["n_kappa"] == 10
    assert facts["low"] == pytest.approx(0.4902, abs=1e-4) and facts["high"] == pytest.approx(0.9433, abs=1e-4)
    assert facts["per_label"] == [{"label": "=sea", "n": 6, "right": 5}, {"label": "hill", "n": 4, "right": 3}]


def test_open_and_stale_rows_are_told_and_kappa_needs_the_right_labels(tmp_path):
    found = table({"sea": 3, "hill": 3})
    review.write_sheet(tmp_path / "s.csv", found, 99, 0, {}, {}, {})
    answers = {"0-000": "no", "0-001": "", "0-002": "y"}
    filled = fill(tmp_path / "s.csv", tmp_path / "f.csv", lambda row: {"correct?": answers.get(row["video"], "1")})
    facts = review.read_sheet(filled, found)
    assert (facts["n"], facts["right"], facts["open"], facts["kappa"]) == (5, 4, 1, None)
    found.labels[5] = ("sea",)
    assert review.read_sheet(filled, found)["stale"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "it lacks video, label, correct"),
        ("video,label,correct?\n0-000,sea,perhaps\n", "row 2: `correct.` is 'perhaps'"),
        ("", "it lacks rows"),
    ],
)
def test_what_is_no_filled_sheet_is_refused(tmp_path, text, told):
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(RelabelError, match=told):
        review.read_sheet(tmp_path / "f.csv", table({"sea": 1}))
