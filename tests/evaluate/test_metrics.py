"""Metrics against published numbers, against scikit-learn and against sums done by hand."""

import json

import numpy as np
import pytest
from evaluate.scored import THUMBNAILS, from_matrix, names, random_task, write, write_labels
from sklearn import metrics as sk

from triptych.evaluate import intervals, scores
from triptych.evaluate.metrics import evaluate_model, measure
from triptych.evaluate.predictions import PredictionsError, groups_of, read


def measured(path, groups, resamples=100):
    return measure(read(path), np.array(groups, dtype=object), resamples, 0)


def test_thumbnails_matrix_gives_the_published_numbers_to_all_digits(tmp_path):
    truth, probability = from_matrix(THUMBNAILS)
    path = write(tmp_path / "p.parquet", probability, truth, classes=["Computerphile", "LTT", "Underscore_"])
    found = measured(path, names(119))
    assert found["n"] == 119
    assert found["all"]["macro_f1"]["value"] == pytest.approx(0.9344505445547947, abs=1e-15)
    assert found["all"]["accuracy"]["value"] == 111 / 119
    assert [round(row["f1"], 8) for row in found["per_class"]] == [0.95384615, 0.94252874, 0.90697674]
    assert [row["support"] for row in found["per_class"]] == [31, 42, 46]


def test_single_label_metrics_are_those_of_scikit_learn(tmp_path):
    truth, probability = random_task(211, 5, seed=1)
    found = measured(write(tmp_path / "p.parquet", probability, truth), names(211))["all"]
    t, d = truth.argmax(1), probability.argmax(1)
    p = read(tmp_path / "p.parquet").repeats[0].probability
    expected = {
        "accuracy": sk.accuracy_score(t, d),
        "balanced_accuracy": sk.balanced_accuracy_score(t, d),
        "macro_f1": sk.f1_score(t, d, average="macro"),
        "weighted_f1": sk.f1_score(t, d, average="weighted"),
        "roc_auc": sk.roc_auc_score(t, probability, multi_class="ovr", average="macro"),
        "log_loss": sk.log_loss(t, probability),
        "brier": ((p - truth) ** 2).sum(1).mean(),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-9), name
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


def test_multi_label_metrics_are_those_of_scikit_learn(tmp_path):
    random = np.random.default_rng(2)
    truth = random.random((150, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]
    probability = np.round(np.clip(0.35 * truth + 0.7 * random.random((150, 6)), 0, 1), 2)  # rounded: many ties
    found = measured(write(tmp_path / "p.parquet", probability, truth, multi=True), names(150))
    decided, some = probability >= 0.5, truth.any(axis=0)
    expected = {
        "micro_f1": sk.f1_score(truth, decided, average="micro", zero_division=0),
        "macro_f1_supported": sk.f1_score(truth[:, some], decided[:, some], average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(truth, decided, average="weighted", zero_division=0),
        "samples_f1": sk.f1_score(truth, decided, average="samples", zero_division=1),
        "subset_accuracy": sk.accuracy_score(truth, decided),
        "hamming_loss": sk.hamming_loss(truth, decided),
        "map": sk.average_precision_score(truth[:, some], probability[:, some], average="macro"),
        "roc_auc": sk.roc_auc_score(truth[:, some], probability[:, some], average="macro"),
    }
    for name, value in expected.items():
        assert found["all"][name]["value"] == pytest.approx(value, abs=1e-9), name
    assert found["multi_label"] and found["classes_without_videos"] == 1
    assert found["per_class"][5]["average_precision"] is None and found["per_class"][5]["auc"] is None


def test_calibration_error_by_hand(tmp_path):
    # Three sure videos (0.9, bin 14 of 15), two right: |2/3 - 0.9|; two unsure (0.55, bin 9), one right: |1/2 - 0.55|.
    probability = [[0.9, 0.1]] * 3 + [[0.55, 0.45]] * 2
    truth = np.eye(2, dtype=bool)[[0, 0, 1, 0, 1]]
    found = measured(write(tmp_path / "p.parquet", probability, truth), names(5))["all"]
    assert found["ece"]["value"] == pytest.approx(3 / 5 * abs(2 / 3 - 0.9) + 2 / 5 * abs(1 / 2 - 0.55))
    assert found["brier"]["value"] == pytest.approx((2 * 0.02 + 2 * 0.81 + 2 * 0.2025 + 2 * 0.3025) / 5)


def test_calibration_bins_are_open_below_and_closed_above(tmp_path):
    # 0.6 = 9/15 ends its bin, so it does not fall together with 0.601; alone each bin has its own gap.
    probability = [[0.6, 0.4], [0.601, 0.399]]
    found = measured(write(tmp_path / "p.parquet", probability, np.eye(2, dtype=bool)[[0, 1]]), names(2))["all"]
    assert found["ece"]["value"] == pytest.approx((0.4 + 0.601) / 2)


def test_a_sure_mistake_costs_much_and_not_infinitely_much(tmp_path):
    found = measured(write(tmp_path / "p.parquet", [[1, 0], [1, 0]], np.eye(2, dtype=bool)), names(2))["all"]
    assert found["log_loss"]["value"] == pytest.approx(-np.log(1e-15) / 2)


def test_covered_videos_are_scored_on_their_own(tmp_path):
    truth, probability = from_matrix(np.array([[4, 2], [1, 5]]))
    right = (truth.argmax(1) == probability.argmax(1)).astype(bool)
    found = measured(write(tmp_path / "p.parquet", probability, truth, covered=right), names(12))
    assert found["all"]["accuracy"]["value"] == 0.75
    assert found["covered"]["n"] == 9 and found["covered"]["accuracy"]["value"] == 1.0


def test_a_model_that_covers_nothing_has_no_covered_numbers(tmp_path):
    truth, probability = random_task(10, 2, seed=0)
    found = measured(write(tmp_path / "p.parquet", probability, truth, covered=np.zeros(10, bool)), names(10))
    assert found["covered"] == {"n": 0, "groups": 0} and found["all"]["n"] == 10


def test_repeats_are_averaged_and_folds_kept(tmp_path):
    truth, one = random_task(40, 3, seed=3)
    two = random_task(40, 3, seed=4)[1]
    both = measured(write(tmp_path / "b.parquet", None, truth, repeats=[one, two]), names(40))
    alone = [measured(write(tmp_path / f"{k}.parquet", p, truth), names(40))["all"] for k, p in enumerate((one, two))]
    for name in ("accuracy", "macro_f1", "roc_auc", "ece"):
        assert both["all"][name]["value"] == pytest.approx(np.mean([each[name]["value"] for each in alone]))
    assert [(row["repeat"], row["fold"], row["n"]) for row in both["per_fold"]] == [
        (0, 0, 20), (0, 1, 20), (1, 0, 20), (1, 1, 20),
    ]  # fmt: skip
    weighted = np.mean([row["accuracy"] for row in both["per_fold"]])
    assert weighted == pytest.approx(both["all"]["accuracy"]["value"])


def test_metrics_file_is_the_same_bytes_each_time(tmp_path):
    truth, probability = random_task(30, 3, seed=5)
    write(tmp_path / "p.parquet", probability, truth)
    labels = write_labels(tmp_path / "labels.parquet", [f"g{k // 3}" for k in range(30)])
    written = []
    for number in range(2):
        outs = [tmp_path / f"{number}.{suffix}" for suffix in ("json", "svg", "csv")]
        evaluate_model(
            tmp_path / "p.parquet", labels, outs[0], task="topic", model="seen",
            spec={"head": "svc", "inputs": ["frames"], "balance": "none"}, evaluate={"bootstrap": 200, "seed": 0},
            svg=outs[1], csv=outs[2], multi_label=False,
        )  # fmt: skip
        written.append([out.read_bytes() for out in outs])
    assert written[0] == written[1]
    told = json.loads(written[0][0])
    assert told["groups"] == 10 and told["head"] == "svc" and told["inputs"] == ["frames"] and told["seeds"] == [0]


def test_ten_models_of_many_videos_need_no_pass_over_videos_for_each_resample(tmp_path):
    """The bootstrap of sums equals, resample by resample, the metrics of the drawn videos computed the long way."""
    truth, probability = random_task(60, 4, seed=6)
    found = read(write(tmp_path / "p.parquet", probability, truth))
    groups = np.array([f"g{k % 13}" for k in range(60)], dtype=object)
    _, index = np.unique(groups.astype(str), return_inverse=True)
    sums = intervals._of_groups(scores.statistics(found, found.repeats[0]), index, 13)
    for drawn in intervals.draws(13, 20, 0, 7):
        fast = intervals._metrics(found, drawn, (index, [sums]), True)
        for row, weights in enumerate(drawn):
            videos = np.repeat(np.arange(60), weights[index].astype(int))
            t, d = truth[videos].argmax(1), probability[videos].argmax(1)
            assert fast["accuracy"][row] == pytest.approx((t == d).mean())
            assert fast["macro_f1"][row] == pytest.approx(sk.f1_score(t, d, average="macro"))
            if len(set(t)) == 4:
                expected = sk.roc_auc_score(t, found.repeats[0].probability[videos], multi_class="ovr")
                assert fast["roc_auc"][row] == pytest.approx(expected)


def test_groups_widen_the_interval(tmp_path):
    """Copies of a video in one group tell nothing new: their interval is that of the groups, not of the videos."""
    truth, probability = random_task(30, 2, seed=7)
    once = measured(write(tmp_path / "a.parquet", probability, truth), names(30), 2000)["all"]["accuracy"]
    copied = write(tmp_path / "b.parquet", np.repeat(probability, 8, 0), np.repeat(truth, 8, 0))
    grouped = measured(copied, np.repeat(names(30), 8), 2000)["all"]["accuracy"]
    naive = measured(copied, names(240), 2000)["all"]["accuracy"]
    width = {key: one["high"] - one["low"] for key, one in (("once", once), ("grouped", grouped), ("naive", naive))}
    assert width["grouped"] == pytest.approx(width["once"], rel=0.1)
    assert width["naive"] < 0.5 * width["grouped"]


def test_interval_covers_the_true_accuracy_about_as_often_as_it_says():
    """400 samples of 40 groups: a 95 % interval that holds the truth in 90 to 98 % of them."""
    random = np.random.default_rng(8)
    held = 0
    for _ in range(400):
        right = np.clip(random.normal(0.7, 0.15, 40), 0, 1)
        counts = random.binomial(5, right)
        drawn = np.concatenate(list(intervals.draws(40, 400, 1, 400)))
        low, high = np.quantile(drawn @ counts / (drawn.sum(1) * 5), [0.025, 0.975])
        held += low <= 0.7 <= high
    assert 0.90 <= held / 400 <= 0.98


def test_one_group_has_no_interval(tmp_path):
    truth, probability = random_task(10, 2, seed=9)
    found = measured(write(tmp_path / "p.parquet", probability, truth), ["one"] * 10)["all"]
    assert found["accuracy"]["low"] is None and found["accuracy"]["value"] is not None


def test_a_flawless_score_is_no_certainty(tmp_path):
    """Ten groups all right: the exact interval of ten out of ten begins at .025 ** (1 / 10) = .69."""
    truth = np.eye(2, dtype=bool)[np.arange(30) % 2]
    groups = np.repeat(names(10), 3)
    found = measured(write(tmp_path / "p.parquet", np.where(truth, 0.9, 0.1), truth), groups)["all"]
    assert found["accuracy"] == {"value": 1.0, "low": pytest.approx(0.6915, abs=1e-4), "high": 1.0}
    assert found["macro_f1"] == {"value": 1.0, "low": None, "high": None}
    assert found["ece"] == {"value": pytest.approx(0.1), "low": None, "high": None}


def test_videos_of_unknown_groups_stop(tmp_path):
    labels = write_labels(tmp_path / "labels.parquet", ["a", None])
    assert groups_of(labels, ["v0000", "v0001"]).tolist() == ["g:a", "v:v0001"]
    with pytest.raises(PredictionsError, match="v0007"):
        groups_of(labels, ["v0007"])


def test_faulty_predictions_are_named(tmp_path):
    import pyarrow.parquet as pq

    truth, probability = random_task(6, 3, seed=10)
    path = write(tmp_path / "p.parquet", probability, truth)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), tmp_path / "lacks.parquet")
    with pytest.raises(PredictionsError, match="repeat 0 must hold each of 6 videos"):
        read(tmp_path / "lacks.parquet")
    half = table.set_column(6, "probability", [[p / 2 for p in table.column("probability").to_pylist()]])
    pq.write_table(half, tmp_path / "half.parquet")
    with pytest.raises(PredictionsError, match=r"sum to 0\.5"):
        read(tmp_path / "half.parquet")
    pq.write_table(table.filter([False] * len(table)), tmp_path / "none.parquet")
    with pytest.raises(PredictionsError, match="no out-of-fold"):
        read(tmp_path / "none.parquet")
    several = write(tmp_path / "several.parquet", np.full((4, 3), 0.9), np.ones((4, 3), bool), multi=True)
    with pytest.raises(PredictionsError, match="single-label"):
        read(several, multi=False)
