"""Learning curves: shares of groups, tested on whole folds, for every model that is trained."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from learn.world import World, planted, table

from triptych.core import sealed
from triptych.core.config import Study
from triptych.core.study import StudyError, parse_study
from triptych.learn import curve, predict

SHARES = {"curve_shares": [1.0, 0.2, 0.5], "curve_draws": 2, "bootstrap": 200, "seed": 0}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four classes of eight films of four clips; a feature that takes many films to learn."""
    rows = table({name: [4] * 8 for name in "abcd"})
    task = {"label": "topic", "group": "film", "folds": 4}
    world = World(tmp_path_factory.mktemp("curve"), rows, task).prepare()
    world.feature("weak", planted(rows, 12, 0.45, 0))
    world.feature("other", planted(rows, 8, 0.45, 1))
    world.texts = {row["slug"]: f"{row['fields']['topic'] * 3} same words" for row in rows}
    return world


def curved(world, name, model, tmp_path, evaluate=SHARES):
    return curve.learning_curve(
        name,
        model,
        world.task,
        labels=world.labels,
        splits=world.splits,
        out=tmp_path / "c.json",
        svg=tmp_path / "c.svg",
        evaluate=evaluate,
        features={one: world.features[one] for one in model.get("inputs", [])},
        fields={column: world.texts for column in model.get("text", [])},
    )


def test_more_films_teach_more_and_the_end_is_the_model_itself(world, tmp_path):
    model = {"inputs": ["weak"], "head": "logistic"}
    told = curved(world, "weak", model, tmp_path)
    assert [one["share"] for one in told["points"]] == [0.2, 0.5, 1.0]
    assert [one["n_train"] for one in told["points"]] == [4 * one["groups_train"] for one in told["points"]]
    assert told["points"][0]["groups_train"] == 5 and told["points"][-1]["n_train"] == 96
    scores = [one["accuracy"]["value"] for one in told["points"]]
    assert scores[0] + 0.1 < scores[-1]
    for one in told["points"]:
        assert one["accuracy"]["low"] < one["accuracy"]["value"] < one["accuracy"]["high"]
    # A head without random numbers is fitted once on everything, and is then the model of the predictions.
    assert [len(one["draws"]) for one in told["points"]] == [2, 2, 1]
    found = world.run("weak", model)
    right = [all(row["decision"] == row["truth"] for row in rows.values()) for rows in found.values()]
    assert scores[-1] == pytest.approx(np.mean(right))
    assert sealed.read_json(tmp_path / "c.json") == told
    texts = [one.text for one in ET.parse(tmp_path / "c.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert "accuracy, %" in texts and "96" in texts


def test_early_fusion_with_text_and_networks_of_scikit_learn_have_curves(world, tmp_path):
    evaluate = {**SHARES, "curve_shares": [0.3, 1.0]}
    early = {"inputs": ["weak", "other"], "text": ["title"], "fusion": "early", "head": "logistic"}
    told = curved(world, "early", early, tmp_path, evaluate)
    assert told["points"][-1]["accuracy"]["value"] > 0.9 and told["n"] == 128 and told["groups"] == 32
    net = {"inputs": ["weak"], "head": "mlp", "params": {"hidden": [4], "max_iter": 20, "learning_rate": 0.05}}
    first = curved(world, "net", net, tmp_path, evaluate)
    # Two seeds of a network differ, and the same ones give the same curve.
    assert len(first["points"][-1]["draws"]) == 2 and len(set(first["points"][-1]["draws"])) == 2
    assert curved(world, "net", net, tmp_path, {**evaluate, "curve_shares": [1.0]})["points"] == first["points"][-1:]


@pytest.mark.parametrize(
    "model",
    [
        {"inputs": ["weak", "other"], "fusion": "intermediate", "head": "concat", "params": {"epochs": 3, "width": 8}},
        {"inputs": ["weak"], "head": "logistic", "reduce": {"use": "pca", "width": 4}},
    ],
)
def test_fusion_networks_and_reduced_features_have_curves(world, tmp_path, model):
    evaluate = {**SHARES, "curve_shares": [0.5], "curve_draws": 1}
    (told,) = curved(world, "one", model, tmp_path, evaluate)["points"]
    assert told["n_train"] == 48 and told["accuracy"]["value"] is not None and len(told["draws"]) == 1


def test_only_training_films_are_drawn(world, tmp_path, monkeypatch):
    """Every fit gets whole films of its training folds, and predicts its whole test fold."""
    fits = []
    real = predict.Problem.fit_predict

    def watched(self, train, test, seed):
        fits.append((self.groups, set(train.tolist()), set(test.tolist())))
        return real(self, train, test, seed)

    monkeypatch.setattr(predict.Problem, "fit_predict", watched)
    curved(world, "weak", {"inputs": ["weak"], "head": "logistic"}, tmp_path)
    assert len(fits) == 4 * (2 + 2 + 1)
    for groups, train, test in fits:
        held = {groups[row] for row in train}
        assert len(test) == 32 and not held & {groups[row] for row in test}
        assert train == {row for row, group in enumerate(groups) if group in held}


def test_shares_are_nested_and_keep_every_class():
    groups = np.repeat([f"g{k}" for k in range(24)], 3)
    targets = np.eye(3, dtype=bool)[np.repeat([0] * 16 + [1] * 6 + [2] * 2, 3)]
    drawn = {share: set(curve.subset(groups, targets, share, [0, 1]).tolist()) for share in (0.05, 0.25, 0.5, 1.0)}
    assert drawn[0.05] < drawn[0.25] < drawn[0.5] < drawn[1.0] == set(range(72))
    # Three groups at least, for three classes; then the share of the groups, as the classes share them.
    assert [len(rows) for rows in drawn.values()] == [9, 18, 36, 72]
    for rows in drawn.values():
        counts = np.array([len({groups[row] for row in rows if targets[row, one]}) for one in range(3)])
        assert (counts >= 1).all() and (np.abs(counts - len(rows) / 72 * np.array([16, 6, 2])) <= 2).all()
    assert set(curve.subset(groups, targets, 0.5, [0, 2]).tolist()) != drawn[0.5]


def test_a_share_is_a_share_with_more_labels_than_groups_too():
    random = np.random.default_rng(0)
    targets = random.random((200, 60)) < 0.05
    groups = [f"g{k // 4}" for k in range(200)]
    assert [len(curve.subset(groups, targets, share, [0])) for share in (0.01, 0.2, 0.5, 1.0)] == [8, 40, 100, 200]
    rare = random.random((200, 4)) < [0.6, 0.4, 0.2, 0.03]
    assert rare[curve.subset([f"g{k // 2}" for k in range(200)], rare, 0.1, [0])].any(axis=0).all()


def test_models_that_read_other_models_have_none():
    study = {
        "study": "t", "corpus": "c.csv", "encoders": {"p": {"use": "classic-image"}},
        "features": {"f": {"from": "p.frame"}},
        "models": {name: {"inputs": ["f"]} for name in ("a", "b")},
    }  # fmt: skip
    study["models"]["both"] = {"fusion": "late", "members": ["a", "b"], "head": "mean"}
    for curves, word in ((["both"], "reads other models' predictions"), (["aa"], "there is no model 'aa'")):
        with pytest.raises(StudyError, match=word):
            parse_study({**study, "evaluate": {"curves": curves}}, "study.yaml")
    with pytest.raises(StudyError, match="shares"):
        parse_study({**study, "evaluate": {"curve_shares": [0.5, 1.5]}}, "study.yaml")
    assert Study.model_validate({**study, "evaluate": {"curves": ["a", "b"]}}).evaluate.curves == ["a", "b"]
    with pytest.raises(ValueError, match="only models that are trained"):
        model = {"fusion": "late", "members": ["a", "b"], "head": "mean"}
        curve.learning_curve("both", model, {}, labels="", splits="", out="", svg="", evaluate=SHARES)
