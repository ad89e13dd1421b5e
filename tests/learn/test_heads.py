"""Heads: one-vs-rest SVC against scikit-learn's, search and calibration inside the training fold, parameters."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from triptych.learn import calibrate, heads, params
from triptych.learn.svc import KernelSVC


def blobs(n: int, classes: int, spread: float, seed: int = 0):
    random = np.random.default_rng(seed)
    label = random.integers(classes, size=n)
    centres = np.random.default_rng(99).normal(size=(classes, 10)) * spread
    return centres[label] + random.normal(size=(n, 10)), label


def alone(n: int) -> list[str]:
    return [str(row) for row in range(n)]


@pytest.mark.parametrize("classes", [2, 5])
def test_svc_agrees_with_scikit_learns_own_one_vs_rest(classes):
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    x, y = blobs(500, classes, 0.6)
    test, truth = blobs(2000, classes, 0.6, seed=1)
    head = heads.make("svc", {}, multi=False, inner=3, seed=0).fit(x, np.eye(classes, dtype=bool)[y], alone(500))
    mine = head.predict_proba(test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        peer = OneVsRestClassifier(SVC(probability=True, random_state=0)).fit(x, y).predict_proba(test)
    targets = np.eye(classes, dtype=bool)[truth]
    assert abs((mine.argmax(1) == truth).mean() - (peer.argmax(1) == truth).mean()) <= 0.01
    assert calibrate.log_loss(mine, targets, False) == pytest.approx(calibrate.log_loss(peer, targets, False), rel=0.03)
    assert np.abs(mine - peer).mean() < 0.02


def test_svc_machines_are_the_exact_ones():
    from sklearn.svm import SVC

    x, y = blobs(200, 3, 0.7)
    head = KernelSVC([{"C": 2.0, "gamma": "scale"}], multi=False, folds=3, seed=0, threads=2)
    head.fit(x, np.eye(3, dtype=bool)[y], alone(200))
    for one in range(3):
        peer = SVC(C=2.0, gamma="scale").fit(x, y == one).decision_function(x)
        assert np.allclose(head._decide(x)[:, one], peer, atol=2e-2)


def test_sparse_and_dense_rows_give_the_same():
    from scipy import sparse

    x, y = blobs(120, 3, 1.0)
    x = np.maximum(x, 0)
    targets = np.eye(3, dtype=bool)[y]
    for name in ("svc", "linear_svc", "logistic", "knn"):
        both = [
            heads.make(name, {}, multi=False, inner=3, seed=0).fit(form, targets, alone(120)).predict_proba(form)
            for form in (x, sparse.csr_matrix(x))
        ]
        assert np.allclose(both[0], both[1], atol=5e-3), name


BOOSTED = {"max_iter": 20, "max_leaf_nodes": 4}


def test_boosting_reads_text_and_weighs_classes():
    from scipy import sparse

    x, y = blobs(240, 2, 0.2)
    rare = np.flatnonzero((y == 0) | (np.arange(240) % 6 == 0))
    x, targets = np.maximum(x[rare], 0), np.eye(2, dtype=bool)[y[rare]]

    def fitted(form, **more):
        head = heads.make("hist_gradient_boosting", BOOSTED, multi=False, inner=3, seed=0, **more)
        return head.fit(form, targets, alone(len(rare))).predict_proba(form)

    plain = fitted(x)
    assert (fitted(sparse.csr_matrix(x)) == plain).all()
    assert fitted(x, class_weight=True)[:, 1].mean() > plain[:, 1].mean() + 0.05


def test_boosting_of_several_labels_has_a_model_a_label_and_leaves_out_constant_ones():
    x, y = blobs(120, 2, 1.0)
    random = np.random.default_rng(0)
    targets = np.stack([y == 0, np.ones(120, bool), random.random(120) < 0.3, np.zeros(120, bool)], axis=1)
    for params_, weighted in ((BOOSTED, False), ({**BOOSTED, "l2": [0.0, 1.0], "calibrate": "temperature"}, True)):
        head = heads.make("hist_gradient_boosting", params_, multi=True, inner=2, seed=0, class_weight=weighted).fit(
            x, targets, alone(120)
        )
        p = head.predict_proba(x)
        assert p[:, 1].min() > 0.99 and p[:, 3].max() < 0.01 and ((p[:, 0] > 0.5) == targets[:, 0]).mean() > 0.9
    one = heads.make("hist_gradient_boosting", BOOSTED, multi=True, inner=2, seed=0).fit(
        x, targets[:, [0, 1]], alone(120)
    )
    assert one.predict_proba(x).shape == (120, 2)


def test_platt_agrees_with_a_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    f = random.normal(size=4000)
    target = random.random(4000) < calibrate.sigmoid(1.7 * f - 0.6)
    slope, offset = calibrate.platt(f, target)
    peer = LogisticRegression(C=1e6).fit(f[:, None], target)
    assert slope == pytest.approx(peer.coef_[0, 0], rel=0.02) and offset == pytest.approx(peer.intercept_[0], abs=0.02)
    assert calibrate.platt(f, target, np.full(4000, 1.0)) == (slope, offset)


def test_platt_stays_finite_when_classes_are_apart():
    slope, offset = calibrate.platt(np.repeat([-1.0, 1.0], 20), np.repeat([False, True], 20))
    assert np.isfinite([slope, offset]).all() and calibrate.sigmoid(np.array([slope + offset]))[0] > 0.9


def test_calibration_never_sees_its_own_groups():
    """Random labels of groups of copies: calibrated across groups it is unsure; told apart, it would be certain."""
    random = np.random.default_rng(1)
    confidence = {"honest": [], "leaky": []}
    for _ in range(5):
        base, label = random.normal(size=(60, 10)), random.integers(2, size=60)
        x, targets = np.repeat(base, 4, axis=0), np.eye(2, dtype=bool)[np.repeat(label, 4)]
        kinds = {"honest": np.repeat(np.arange(60), 4).astype(str).tolist(), "leaky": alone(240)}
        for name, groups in kinds.items():
            head = KernelSVC([{"C": 10.0, "gamma": "scale"}], multi=False, folds=3, seed=0, threads=1)
            unseen = head.fit(x, targets, groups).predict_proba(random.normal(size=(200, 10)))
            confidence[name].append(np.abs(unseen - 0.5).mean())
    assert np.mean(confidence["honest"]) < 0.12 < 0.2 < np.mean(confidence["leaky"])


@pytest.mark.parametrize(
    ("head", "name", "values"),
    [("svc", "gamma", [1e4, "scale"]), ("logistic", "C", [1e-6, 1.0]), ("knn", "neighbors", [1, 15])],
)
def test_a_list_is_searched_inside_the_training_fold(head, name, values):
    x, y = blobs(150, 3, 0.7)
    targets = np.eye(3, dtype=bool)[y]
    fitted = heads.make(head, {name: values}, multi=False, inner=3, seed=0).fit(x, targets, alone(150))
    chosen = fitted.point if hasattr(fitted, "point") else fitted.model.point
    assert chosen[name] == values[1]


def test_temperature_mends_overconfidence():
    x, y = blobs(200, 3, 0.5)
    test, truth = blobs(1000, 3, 0.5, seed=5)
    targets, judged = np.eye(3, dtype=bool)[y], np.eye(3, dtype=bool)[truth]
    losses = {}
    for kind in ("none", "temperature"):
        head = heads.make("mlp", {"calibrate": kind, "alpha": 0.0, "hidden": [32]}, multi=False, inner=3, seed=0)
        losses[kind] = calibrate.log_loss(head.fit(x, targets, alone(200)).predict_proba(test), judged, False)
    assert losses["temperature"] < 0.9 * losses["none"]


def test_class_weight_helps_the_rare_class():
    random = np.random.default_rng(0)
    y = (random.random(400) < 0.1).astype(int)
    x = random.normal(size=(400, 5)) + y[:, None] * 0.8
    targets = np.eye(2, dtype=bool)[y]
    for name in ("svc", "linear_svc", "logistic", "knn", "forest"):
        options = {"n_estimators": 30, "min_samples_leaf": 10} if name == "forest" else {}
        recall = []
        for weighted in (False, True):
            head = heads.make(name, options, multi=False, inner=3, seed=0, class_weight=weighted)
            p = head.fit(x[:300], targets[:300], alone(300)).predict_proba(x[300:])
            recall.append((p.argmax(axis=1) == 1)[y[300:] == 1].mean())
        assert recall[1] > recall[0], name


def test_baselines():
    targets = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    rows = np.zeros((2, 0))
    prior = heads.make("prior", {}, multi=False, inner=3, seed=0).fit(None, targets, None).predict_proba(rows)
    assert prior.tolist() == [[0.5, 0.25, 0.25]] * 2
    most = heads.make("majority", {}, multi=False, inner=3, seed=0).fit(None, targets, None).predict_proba(rows)
    assert most.tolist() == [[1, 0, 0]] * 2
    several = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    most = heads.make("majority", {}, multi=True, inner=3, seed=0).fit(None, several, None).predict_proba(rows)
    assert most.tolist() == [[1, 1, 0]] * 2


def test_parameters_name_the_nearest_and_what_is_valid():
    def faults(**model):
        return heads.validate({"inputs": ["seen"], **model}, "m")

    assert faults(head="svc", params={"C": 2, "gamma": "scale"}) == []
    assert faults(head="svc", params={"C": [0.1, 1, 10]}) == []
    assert faults(head="svc", params={"gama": 1}) == [
        "models.m.params.gama: the head `svc` has no such parameter; did you mean 'gamma'?"
    ]
    assert "(known: neighbors, weights, metric, calibrate)" in faults(head="knn", params={"trees": 3})[0]
    assert faults(head="svc", params={"C": -1}) == [
        "models.m.params.C: must be above 0, or a list of these (given: -1)"
    ]
    for wrong in (True, "1", None, float("nan"), float("inf"), 0):
        assert faults(head="logistic", params={"C": wrong}), wrong
    assert faults(head="svc", params={"C": []}) == ["models.m.params.C: the list is empty"]
    assert len(faults(head="forest", params={"n_estimators": 1.5, "max_features": 2, "max_depth": 0})) == 3
    assert faults(head="logistic", params={"ngrams": [1, 2]}), "text parameters belong to text"
    text = {"text": ["title"], "head": "logistic", "params": {"ngrams": [2, 1], "min_df": 0}}
    assert len(heads.validate(text, "m")) == 2
    late = {"fusion": "late", "members": ["one", "two"], "head": "mean", "params": {"weights": {"on": 1}}}
    assert heads.validate(late, "m") == ["models.m.params.weights: 'on' is no member; did you mean 'one'?"]
    assert heads.validate({"head": "prior", "balance": "class_weight"}, "m") == [
        "models.m.balance: `prior` fits nothing that could be balanced"
    ]


def test_the_docs_hold_the_tables_of_the_code():
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()
    for name, lines in params.markdown().items():
        assert lines in page, f"docs/models.md: the table of {name} differs; print it with params.markdown()"
