"""Reliability curves against sums by hand, and the files that people see."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from evaluate.scored import names, write, write_labels

from triptych.evaluate import calibration_curve
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.predictions import groups_of, read


def test_bins_by_hand(tmp_path):
    probability = [[0.9, 0.1]] * 3 + [[0.55, 0.45]] * 2
    truth = np.eye(2, dtype=bool)[[0, 0, 1, 0, 1]]
    found = read(write(tmp_path / "p.parquet", probability, truth))
    low, high = calibration_curve.curve(found, np.array(names(5)), 400, 0)
    assert (low["bin"], low["count"], low["share"]) == (8, 2, 0.5) and low["confidence"] == pytest.approx(0.55)
    assert (high["bin"], high["count"]) == (13, 3) and high["share"] == pytest.approx(2 / 3)
    assert high["low"] < high["share"] < high["high"]


def test_several_labels_count_every_pair(tmp_path):
    truth = np.array([[1, 0, 0], [1, 1, 0]], dtype=bool)
    found = read(write(tmp_path / "p.parquet", np.where(truth, 0.7, 0.3), truth, multi=True))
    bins = calibration_curve.curve(found, np.array(names(2)))
    assert [(one["count"], one["share"], one["low"]) for one in bins] == [(3, 0, None), (3, 1, None)]


def test_the_gaps_of_the_bins_are_the_calibration_error(tmp_path):
    random = np.random.default_rng(0)
    truth = np.eye(3, dtype=bool)[random.integers(0, 3, 200)]
    probability = random.dirichlet([1, 1, 1], 200)
    path, labels = write(tmp_path / "p.parquet", probability, truth), write_labels(tmp_path / "l", names(200))
    evaluate = {"bootstrap": 100, "seed": 0}
    told = evaluate_model(path, labels, tmp_path / "m", task="t", model="m", spec={}, evaluate=evaluate)
    out = tmp_path / "r.svg"
    found, options = read(path), {"metrics": told, "evaluate": evaluate, "title": "a: <b> & $x$\x01"}
    bins = calibration_curve.draw_model(found, groups_of(labels, found.videos), out, **options)
    gap = sum(one["count"] * abs(one["share"] - one["confidence"]) for one in bins) / 200
    assert gap == pytest.approx(told["all"]["ece"]["value"])
    texts = [one.text for one in ET.parse(out).iter("{http://www.w3.org/2000/svg}text")]
    ece, brier = told["all"]["ece"], told["all"]["brier"]
    assert "a: <b> & $x$\N{WHITE SQUARE}" in texts and any("n = 200" in text for text in texts)
    assert f"ECE {ece['value']:.3f} ({ece['low']:.3f} to {ece['high']:.3f}) · Brier {brier['value']:.3f}" in texts[1]
    # Small enough for a page with one for each of many models, and the same bytes each time.
    first = out.read_bytes()
    options = {"reliability": out, "task": "<b> & $x$\x01", "model": "a", "spec": {}, "evaluate": evaluate}
    evaluate_model(path, labels, tmp_path / "m", **options)
    assert len(first) < 8000 and first == out.read_bytes()
