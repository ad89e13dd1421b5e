"""Confusion matrices as table and picture, also with 85 classes and names that try to be something else."""

import csv
import xml.etree.ElementTree as ET

import numpy as np
from evaluate.scored import THUMBNAILS, from_matrix, write

from triptych.evaluate import confusion
from triptych.evaluate.predictions import read

SVG = "{http://www.w3.org/2000/svg}"


def drawn(tmp_path, classes, matrix):
    truth, probability = from_matrix(matrix)
    found = read(write(tmp_path / "p.parquet", probability, truth, classes=classes))
    confusion.draw(tmp_path / "c.svg", found, "seen: topic")
    confusion.write_csv(tmp_path / "c.csv", found)
    texts = [text for one in ET.parse(tmp_path / "c.svg").iter(f"{SVG}text") if (text := "".join(one.itertext()))]
    with (tmp_path / "c.csv").open(newline="") as handle:
        return texts, list(csv.DictReader(handle))


def test_counts_and_shares(tmp_path):
    texts, rows = drawn(tmp_path, ["C", "LTT", "U"], THUMBNAILS)
    assert [int(row["count"]) for row in rows] == THUMBNAILS.ravel().tolist()
    assert rows[6] == {"truth": "U", "predicted": "C", "count": "3", "share": f"{3 / 46:.6f}"}
    assert {"31", "41", "39", "C", "LTT", "U", "true", "predicted"} <= set(texts)


def test_85_classes_are_all_named_and_not_numbered(tmp_path):
    classes = [f"genre {k}" for k in range(85)]
    texts, rows = drawn(tmp_path, classes, np.eye(85, dtype=int) * 2 + np.roll(np.eye(85, dtype=int), 1, axis=1))
    assert len(rows) == 85 * 85
    assert all(texts.count(name) == 2 for name in classes)
    assert "3" not in texts and (tmp_path / "c.svg").stat().st_size < 400_000
    root = ET.parse(tmp_path / "c.svg").getroot()
    assert float(root.get("width").removesuffix("pt")) / 85 > 10  # points a class: room for a label of 6.5


def test_names_are_text(tmp_path):
    classes = ["$\\frac{1}{0}$", "<script>alert(1)</script>", "=HYPERLINK(1)", "名前"]
    texts, rows = drawn(tmp_path, classes, np.full((4, 4), 2))
    assert "$\\frac{1}{0}$" in texts and "<script>alert(1)</script>" in texts and "名前" in texts
    assert not list(ET.parse(tmp_path / "c.svg").iter(f"{SVG}script"))
    assert "'=HYPERLINK(1)" in {row["truth"] for row in rows}


def test_several_labels_count_in_each_of_their_rows(tmp_path):
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], bool)
    probability = np.array([[0.9, 0.2, 0.1], [0.8, 0.9, 0.1], [0.1, 0.1, 0.1]])
    found = read(write(tmp_path / "p.parquet", probability, truth, multi=True))
    assert confusion.counts(found).tolist() == [[1, 0, 0], [2, 1, 0], [0, 0, 0]]
