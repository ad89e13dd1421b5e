"""Published and derived numbers through our own path: predictions, metrics, machines."""

import numpy as np
import pytest
from evaluate.scored import THUMBNAILS, from_matrix, names, random_task, write, write_labels
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.svm import SVC

from triptych.evaluate.metrics import evaluate_model, measure
from triptych.evaluate.predictions import read
from triptych.learn import heads
from triptych.learn.table import decide

EVALUATE = {"bootstrap": 100, "seed": 0}


def test_thumbnail_classifier_from_its_published_matrix_to_its_published_scores(tmp_path):
    """119 thumbnails of three channels: F1 .95384615, .94252874, .90697674, macro .9344505445547947."""
    truth, probability = from_matrix(THUMBNAILS)
    classes = ["Computerphile", "LinusTechTips", "Underscore_"]
    predictions = write(tmp_path / "p.parquet", probability, truth, classes=classes)
    told = evaluate_model(
        predictions, write_labels(tmp_path / "labels.parquet", names(119)), tmp_path / "m.json", task="channel",
        model="mobilenet", spec={"head": "mlp"}, evaluate=EVALUATE, csv=tmp_path / "m.csv", multi_label=False,
    )  # fmt: skip
    assert told["all"]["macro_f1"]["value"] == pytest.approx(0.9344505445547947, abs=1e-16)
    assert told["all"]["accuracy"]["value"] == 111 / 119
    exact = [62 / 65, 82 / 87, 78 / 86]
    assert [row["f1"] for row in told["per_class"]] == pytest.approx(exact, abs=1e-15)
    assert [round(one, 8) for one in exact] == [0.95384615, 0.94252874, 0.90697674]
    counts = [line.split(",")[2] for line in (tmp_path / "m.csv").read_text().splitlines()[1:]]
    assert counts == [str(one) for one in THUMBNAILS.ravel()]


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_top_k_identities(tmp_path, k):
    """The k most probable labels of N videos with L labels in all: micro P = R L / (k N), true positives P k N."""
    random = np.random.default_rng(k)
    truth = random.random((90, 8)) < [0.6, 0.5, 0.4, 0.3, 0.2, 0.2, 0.1, 0.05]
    probability = np.clip(0.3 * truth + 0.7 * random.random((90, 8)), 0, 1)
    top = np.zeros(truth.shape, dtype=bool)
    np.put_along_axis(top, np.argsort(-probability, axis=1)[:, :k], True, axis=1)
    # Probabilities whose decisions are exactly these.
    path = write(tmp_path / "p.parquet", np.where(top, 0.5 + probability / 2, probability * 0.49), truth, multi=True)
    found = measure(read(path), np.array(names(90), dtype=object), 100, 0)
    n, labels = truth.shape[0], truth.sum()
    support = np.array([row["support"] for row in found["per_class"]])
    decided = np.array([row["predicted"] for row in found["per_class"]])
    hits = sum(row["recall"] * row["support"] for row in found["per_class"])
    precision, recall = hits / decided.sum(), hits / support.sum()
    assert decided.sum() == k * n and support.sum() == labels
    assert precision == pytest.approx(recall * labels / (k * n))
    assert round(precision * k * n) == (truth & top).sum()
    assert found["all"]["micro_f1"]["value"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_constant_baseline_with_several_labels_is_the_most_frequent_ones():
    """Drama, comedy and action for everyone: as many labels as a video has on average, by training frequency."""
    random = np.random.default_rng(0)
    train = random.random((400, 6)) < [0.1, 0.7, 0.2, 0.6, 0.05, 0.5]
    assert round(train.sum() / len(train)) == 2
    head = heads.make("majority", {}, multi=True, inner=3, seed=0).fit(np.zeros((400, 0)), train, names(400))
    p = head.predict_proba(np.zeros((3, 0)))
    assert decide(p, True).tolist() == [[False, True, False, True, False, False]] * 3
    # Every video gets the same two labels, so that precision and recall follow from the class shares alone.
    test = random.random((200, 6)) < [0.1, 0.7, 0.2, 0.6, 0.05, 0.5]
    constant = np.tile(decide(p, True)[0], (200, 1))
    hits = test[:, [1, 3]].sum()
    assert f1_score(test, constant, average="micro") == pytest.approx(2 * hits / (2 * 200 + test.sum()))


def test_prior_baseline_with_several_labels_ranks_no_video_above_another(tmp_path):
    """The same probabilities for all: average precision is the share of each class, ROC-AUC one half."""
    truth = np.random.default_rng(1).random((120, 4)) < [0.5, 0.3, 0.2, 0.1]
    probability = np.tile(truth.mean(axis=0), (120, 1))
    found = measure(read(write(tmp_path / "p.parquet", probability, truth, multi=True)), np.array(names(120)), 100, 0)
    assert found["all"]["map"]["value"] == pytest.approx(truth.mean(axis=0).mean())
    assert found["all"]["roc_auc"]["value"] == pytest.approx(0.5)


def test_digits_by_support_vectors_as_the_gallery_of_scikit_learn_has_it():
    """gamma .001, the first half to learn from: 871 of 899 right (.9689), by the same machine in ours."""
    x, y = load_digits(return_X_y=True)
    half = len(y) // 2
    targets = np.eye(10, dtype=bool)[y]
    point = {"C": 1.0, "gamma": 0.001}
    head = heads.make("svc", point, multi=False, inner=3, seed=0).fit(x[:half], targets[:half], names(half))
    decided = head.model._decide(x[half:]).argmax(axis=1)
    theirs = SVC(gamma=0.001).fit(x[:half], y[:half]).predict(x[half:])
    assert (theirs == y[half:]).sum() == (decided == y[half:]).sum() == 871
    # One against the rest and one against one differ on few digits; calibration moves few decisions.
    assert (decided == theirs).mean() > 0.98
    assert (head.predict_proba(x[half:]).argmax(axis=1) == y[half:]).mean() == pytest.approx(0.9689, abs=0.003)


def test_hashes_tell_labels_and_splits_apart(tmp_path):
    truth, probability = random_task(24, 3, seed=0)

    def hashes(name, truth, **options):
        found = read(write(tmp_path / name, probability, truth, **options))
        told = measure(found, np.array(names(24)), 100, 0)
        return told["labels_hash"], told["split_hash"]

    first = hashes("a", truth)
    other = np.roll(truth, 1, axis=0)
    assert hashes("b", truth) == first and hashes("c", truth, fold=np.arange(24) % 3)[0] == first[0]
    assert hashes("d", truth, fold=np.arange(24) % 3)[1] != first[1]
    assert hashes("e", other)[0] != first[0] and hashes("f", other)[1] == first[1]
