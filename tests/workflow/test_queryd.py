"""config/queryd.yaml, every model of it, through the real Snakefile, with tiny checkpoints of the true classes."""

import csv
import json

import pytest
import yaml
from harness import Workflow, demo_rows
from support import CHECKOUT
from tiny import audio, image, nli, objects, speech, text, video

STUDY = yaml.safe_load((CHECKOUT / "config" / "queryd.yaml").read_text(encoding="utf-8"))
VGGISH, YAMNET, VIVIT = "vggish.embedding mean+max", "yamnet.scores mean+max", "vivit.embedding mean"
ALL = f"mpnet.embedding wmean + {VGGISH} + {YAMNET} + {VIVIT}"
TUNED = "distilbert-base-uncased of transcript"
#: The rows of the project's result tables: embedding, classifier, balance, fusion.
ROWS = {
    "mpnet_mlp": ("mpnet.embedding wmean", "mlp", "none", ""),
    "distilbert": (TUNED, "finetune", "none", ""),
    "distilbert_balanced": (TUNED, "finetune", "under+over", ""),
    "vggish_svc": (VGGISH, "svc", "none", ""),
    "vggish_yamnet_svc": (f"{VGGISH} + {YAMNET}", "svc", "none", "early"),
    "objects_svc": ("objects.classes mean+max", "svc", "none", ""),
    "vivit_mlp": (VIVIT, "mlp", "none", ""),
    "early_svc": (ALL, "svc", "none", "early"),
    "intermediate_balanced": (ALL, "concat", "under+over", "intermediate"),
    "late_svc": (ALL, "logistic", "none", "late"),
}


def tiny(folder):
    """The study with checkpoints that are built here, short training, and labels and groups of the demo table."""
    study = json.loads(json.dumps(STUDY))
    sentence = str(text.build_sentence(folder / "sentence"))
    built = {
        "mpnet": sentence,
        "yamnet": str(audio.build_yamnet(folder / "yamnet")),
        "vggish": str(audio.build_vggish(folder / "vggish")),
        "clip": str(image.build_clip(folder / "clip")),
        "objects": str(objects.build_rt_detr(folder / "objects")),
        "vivit": str(video.build_vivit(folder / "vivit")),
    }
    for name, model in built.items():
        study["encoders"][name]["model"] = model
    study["encoders"]["objects"]["params"]["sentence_model"] = sentence
    study["transcripts"]["whisper"] = {
        "use": "faster-whisper",
        "model": str(speech.build_converted(folder / "converted", speech.build_whisper(folder / "whisper"))),
        "when": "no_text",
        "params": {"vad": False, "max_tokens": 6},
    }
    study["relabel"]["zero_shot"] |= {"model": str(nli.build_nli(folder / "nli")), "labels": {"column": "topic"}}
    for task in study["tasks"].values():
        task |= {"group": "film", "folds": 2, "repeats": 1, "min_groups": "allow"}
    study["tasks"]["category"]["label"] = "topic"
    distilbert = str(text.build_distilbert(folder / "distilbert-base-uncased"))
    for name, model in study["models"].items():
        # One model on the second set of labels is enough; it is a row of the project's there.
        model["tasks"] = ["category", "zero_shot"] if name == "objects_svc" else ["category"]
        if model["head"] == "finetune":
            model["params"] = {"model": distilbert, "epochs": 1}
        if model.get("fusion") == "intermediate":
            model["params"] = {"epochs": 2}
        if model["head"] in ("finetune", "mlp") or model.get("fusion") == "intermediate":
            model["seeds"] = 1
    return study


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    study = tiny(tmp_path_factory.mktemp("models"))
    changes = {key: value for key, value in study.items() if key not in ("study", "corpus")}
    rows = demo_rows(films=2, clips=2)
    workflow = Workflow(
        tmp_path_factory.mktemp("queryd") / "run", rows, **changes | {"shards": 1, "min_ok_fraction": 0.0}
    )
    workflow.study["keyframes"] = {"count": 4, "uniform": 8}
    workflow.write()
    workflow.run()
    return workflow


def comparison(workflow, task):
    with workflow.path("comparison", f"{task}.csv").open(encoding="utf-8", newline="") as handle:
        return {row["model"]: row for row in csv.DictReader(handle)}


def test_each_row_of_the_project_is_compared_with_baselines_and_intervals(done):
    found = comparison(done, "category") | {"objects_svc": comparison(done, "zero_shot")["objects_svc"]}
    assert {"majority", "prior"} <= set(found)
    for name, (embedding, classifier, balance, fusion) in ROWS.items():
        row = found[name]
        assert (row["embedding"], row["classifier"], row["balance"], row["fusion"]) == (
            embedding,
            classifier,
            balance,
            fusion,
        )
        assert float(row["accuracy_low"]) <= float(row["accuracy"]) <= float(row["accuracy_high"])
        assert float(row["seconds"]) > 0


def test_each_row_names_its_set_of_labels(done):
    assert {row["label_set"] for row in comparison(done, "category").values()} == {"topic"}
    assert {row["label_set"] for row in comparison(done, "zero_shot").values()} == {"relabel zero_shot"}


def test_no_model_of_words_learns_labels_made_from_words():
    models = STUDY["models"]
    reads = {name for name, model in models.items() if "text" in model or "mpnet" in model.get("inputs", [])}
    assert reads and all(STUDY["models"][name]["tasks"] == ["category"] for name in reads)
