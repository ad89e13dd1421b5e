"""Networks through the real Snakefile: a sequence feature, intermediate fusion with text, and faults told before."""

import json

import pandas as pd
import pytest

from triptych.commands import check
from triptych.core.config import Model

FAST = {"epochs": 3, "width": 8, "validation": 0.3}
RULES = [("train_model", "none"), ("draw_learning_curve", "none")]
RULES += [("train_network", "thin"), ("draw_network_curve", "thin")]


def test_networks_give_predictions_like_any_model(workflow):
    pytest.importorskip("torch")
    workflow.study["features"] = {**workflow.study["features"], "frames": {"from": "picture.frame", "pool": "sequence"}}
    workflow.study["models"] = {
        "moves": {"inputs": ["frames"], "head": "conv1d", "params": FAST, "seeds": 1},
        "joint": {
            **{"inputs": ["frames", "heard"], "text": ["transcript"], "fusion": "intermediate", "head": "gated"},
            **{"params": FAST, "seeds": 1},
        },
    }
    workflow.write()
    workflow.run()
    for name in ("moves", "joint"):
        predictions = pd.read_parquet(workflow.path("predictions", "topic", f"{name}.parquet"))
        tested = predictions[predictions.role == "test"]
        assert set(tested.video) == {row["id"] for row in workflow.rows} and tested.covered.all()
        assert tested.groupby("video").probability.sum().round(6).eq(1).all()
        assert json.loads(workflow.path("metrics", "topic", f"{name}.json").read_text())["all"]["n"] == 5
    page = workflow.path("report", "index.html").read_text()
    assert "sequence" in page and "joint" in page


def test_what_needs_torch_runs_in_the_environment_that_has_it(workflow):
    thin = {"inputs": ["seen"], "head": "logistic", "reduce": {"use": "autoencoder", "width": 2}}
    # A model may have any name, also a word that stands for nothing elsewhere.
    workflow.study["models"] = {"none": {"inputs": ["seen"], "head": "logistic"}, "thin": thin}
    workflow.study["evaluate"] = {**workflow.study["evaluate"], "curves": ["none", "thin"]}
    workflow.write()
    planned = {f"{rule} task=topic model={name}" for rule, name in RULES}
    assert planned == {job for job in workflow.plan() if job.endswith(("=none", "=thin")) and "evaluate" not in job}


def study(**models) -> dict:
    return {
        "study": "s",
        "corpus": "videos.csv",
        "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
        "features": {
            "frames": {"from": "picture.frame", "pool": "sequence"},
            "seen": {"from": "picture.frame"},
            "heard": {"from": "sound.clip"},
        },
        "tasks": {
            "topic": {"label": "topic", "group": "none"},
            "topics": {"label": "topic", "group": "none", "multi_label": True},
        },
        "models": models,
    }


def faults(**models) -> list[str]:
    return check.check_study_alone(check.parse_study(study(**models)))


def test_a_loss_must_fit_the_task():
    found = faults(
        one={"inputs": ["frames"], "head": "conv1d", "params": {"loss": "focal"}, "tasks": ["topic"]},
        two={"inputs": ["frames"], "head": "conv1d", "params": {"loss": "cross_entropy"}},
        three={"inputs": ["frames"], "head": "conv1d", "params": {"loss": "asymmetric"}, "tasks": ["topics"]},
        four={"inputs": ["frames"], "head": "conv1d"},
    )
    assert found == [
        "models.one.params.loss: task 'topic' has one class a video: use cross_entropy (given: 'focal')",
        "models.two.params.loss: task 'topics' has several labels a video: use bce or focal or asymmetric "
        "(given: 'cross_entropy')",
    ]


def test_what_must_be_installed_is_told_before_any_job(monkeypatch):
    models = {
        "net": {"inputs": ["frames"], "head": "conv1d"},
        "both": {"inputs": ["seen", "heard"], "fusion": "intermediate", "head": "gated"},
        "less": {"inputs": ["seen"], "reduce": {"use": "autoencoder"}},
        "components": {"inputs": ["seen"], "reduce": {"use": "pca"}},
    }
    assert faults(**models) == []
    from triptych.learn.networks import params

    monkeypatch.setattr(params.importlib.util, "find_spec", lambda name: None)
    how = 'needs torch, which is not installed; pip install "triptych[models]"'
    assert params.study_faults({name: Model(**model) for name, model in models.items()}, {}) == [
        f"models.net.head: conv1d {how}",
        f"models.both.head: gated {how}",
        f"models.less.reduce.use: autoencoder {how}",
    ]
    assert params.study_faults({"net": Model(**models["net"])}, {}, installed=False) == []


def test_sequences_are_refused_where_one_row_is_wanted():
    with pytest.raises(check.StudyError, match="feature 'frames' is a sequence; `svc` reads pooled features"):
        check.parse_study(study(one={"inputs": ["frames"], "head": "svc"}))
    with pytest.raises(check.StudyError, match="`conv1d` reads a sequence feature; set `pool: sequence` for 'seen'"):
        check.parse_study(study(one={"inputs": ["seen"], "head": "conv1d"}))
    reads = {
        "mapping": {"to": {"features": ["frames", "heard"], "task": "topic"}},
        "duplicates": {"features": {"frames": 0.9}},
    }
    with pytest.raises(check.StudyError) as told:
        check.parse_study(study() | reads)
    assert [fault.split(":")[0] for fault in told.value.faults] == ["mapping.to", "duplicates.features"]
    assert "feature 'frames' is a sequence, which is for networks" in told.value.faults[0]
