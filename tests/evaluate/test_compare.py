"""The comparison table: same videos for all, the best single modality as reference, seconds by stage."""

import csv

import numpy as np
import pytest
from evaluate.scored import names, random_task, write, write_labels

from triptych.core.config import Study
from triptych.core.paths import Paths
from triptych.evaluate import compare, modality
from triptych.evaluate.availability import by_availability
from triptych.evaluate.compute import compute_seconds
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.paired import holm, paired_p
from triptych.evaluate.predictions import PredictionsError, read

STUDY = Study.model_validate(
    {
        "study": "t",
        "corpus": "videos.csv",
        "transcripts": {"captions": {"use": "captions"}},
        "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
        "features": {
            "frames": {"from": "picture.frame"},
            "motion": {"from": "picture.motion"},
            "heard": {"from": "sound.clip"},
        },
        "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
        "models": {
            "seen": {"inputs": ["frames", "motion"], "fusion": "early", "head": "logistic"},
            "heard": {"inputs": ["heard"], "head": "svc"},
            "said": {"text": ["transcript"]},
            "early": {"inputs": ["frames", "heard"], "fusion": "early"},
            "late": {"fusion": "late", "members": ["seen", "heard", "said"], "head": "mean"},
        },
    }
).model_dump(by_alias=True, mode="json")
STRENGTHS = {"majority": 0, "prior": 0, "seen": 1, "heard": 2, "said": 0.5, "early": 3, "late": 4}
EVALUATE = {"bootstrap": 200, "permutations": 2000, "seed": 0}


@pytest.fixture
def files(tmp_path):
    metrics, predictions = {}, {}
    labels = write_labels(tmp_path / "labels.parquet", [f"film{k // 2}" for k in range(120)])
    for name, spec in modality.models_of(STUDY, "topic").items():
        truth, probability = random_task(120, 4, seed=11, strength=STRENGTHS[name])
        covered = np.arange(120) % 10 > 0 if name == "said" else None
        predictions[name] = write(tmp_path / f"{name}.parquet", probability, truth, covered=covered)
        metrics[name] = tmp_path / f"{name}.json"
        evaluate_model(predictions[name], labels, metrics[name], task="topic", model=name, spec=spec, evaluate=EVALUATE)
    return {"metrics": metrics, "predictions": predictions, "labels": labels, "out": tmp_path / "comparison.csv"}


def test_single_modality_is_told_by_what_is_read_not_by_the_number_of_features():
    models = modality.models_of(STUDY, "topic")
    assert list(models) == ["majority", "prior", "seen", "heard", "said", "early", "late"]
    assert [name for name, model in models.items() if modality.is_single(model, STUDY)] == ["seen", "heard", "said"]
    assert modality.panels(models["late"], STUDY) == ["heard", "said", "seen"]
    assert modality.panels(models["early"], STUDY) == ["heard", "seen"]


def test_table_has_a_row_a_model_with_n_intervals_and_tests(files):
    compare.comparison(**files, study=STUDY, evaluate=EVALUATE, compute={"seen": {"media": 3.0, "train": 1.5}})
    with files["out"].open(newline="") as handle:
        rows = {row["model"]: row for row in csv.DictReader(handle)}
    assert list(rows) == list(STRENGTHS)
    assert {row["n"] for row in rows.values()} == {"120"} and {row["groups"] for row in rows.values()} == {"60"}
    assert {row["vs"] for row in rows.values()} == {"heard"} and rows["heard"]["p"] == ""
    assert float(rows["late"]["p_holm"]) < 0.01 < float(rows["late"]["accuracy"])
    assert float(rows["late"]["p"]) <= float(rows["late"]["p_holm"])
    assert float(rows["late"]["accuracy_low"]) < float(rows["late"]["accuracy"]) < float(rows["late"]["accuracy_high"])
    assert rows["seen"]["kind"] == "single" and rows["early"]["kind"] == "fusion"
    assert {(row["seeds"], row["sd_seeds"]) for row in rows.values()} == {("1", "")}
    assert rows["late"]["inputs"] == "seen+heard+said" and rows["said"]["inputs"] == "text:transcript"
    assert rows["said"]["n_covered"] == "108" and rows["said"]["accuracy_covered"]
    assert rows["seen"]["seconds"] == "4.5" and rows["seen"]["seconds_media"] == "3.0" and rows["late"]["seconds"] == ""


def test_a_model_with_several_seeds_is_tested_by_the_mean_of_each_video(files):
    truth, first = random_task(120, 4, seed=11, strength=STRENGTHS["late"])
    _, second = random_task(120, 4, seed=11, strength=1)
    path = write(files["predictions"]["late"], None, truth, runs=[first, second])
    spec = modality.models_of(STUDY, "topic")["late"]
    metrics = files["metrics"]["late"]
    told = evaluate_model(path, files["labels"], metrics, task="topic", model="late", spec=spec, evaluate=EVALUATE)
    rows = {row["model"]: row for row in compare.comparison(**files, study=STUDY, evaluate=EVALUATE)}
    right = [(one.argmax(axis=1) == truth.argmax(axis=1)).astype(float) for one in (first, second)]
    assert rows["late"]["seeds"] == 2 and rows["late"]["accuracy"] == pytest.approx(np.mean(right))
    assert rows["late"]["sd_seeds"] == pytest.approx(np.std([one.mean() for one in right], ddof=1))
    base = read(files["predictions"]["heard"])
    reference = (base.truth & base.repeats[0].decision).any(axis=1)
    difference, groups = np.mean(right, axis=0) - reference, np.array([f"g:film{k // 2}" for k in range(120)])
    assert told["seeds"] == [0, 1000] and rows["late"]["difference"] == pytest.approx(difference.mean())
    assert rows["late"]["p"] == paired_p(difference, groups, EVALUATE["permutations"], EVALUATE["seed"])
    family = {name: row["p"] for name, row in rows.items() if row["p"] is not None}
    assert len(family) == 6 and {name: rows[name]["p_holm"] for name in family} == holm(family)


def test_rows_on_different_videos_are_an_error(files, tmp_path):
    truth, probability = random_task(119, 4, seed=11)
    files["predictions"]["early"] = write(tmp_path / "other.parquet", probability, truth)
    with pytest.raises(PredictionsError, match=r"'majority' and 'early' are scored on different videos: 1 .*v0119"):
        compare.comparison(**files, study=STUDY, evaluate=EVALUATE)


def test_rows_on_different_labels_or_folds_are_an_error(files, tmp_path):
    truth, probability = random_task(120, 4, seed=11)
    files["predictions"]["early"] = write(tmp_path / "labels.other", probability, np.roll(truth, 1, axis=0))
    with pytest.raises(PredictionsError, match="different labels"):
        compare.comparison(**files, study=STUDY, evaluate=EVALUATE)
    files["predictions"]["early"] = write(tmp_path / "folds.other", probability, truth, fold=np.arange(120) % 3)
    with pytest.raises(PredictionsError, match="different folds"):
        compare.comparison(**files, study=STUDY, evaluate=EVALUATE)


def test_availability_patterns(files):
    found = {name: read(path) for name, path in files["predictions"].items()}
    rows = by_availability(found, {name: name for name in ("seen", "heard", "said")}, np.array(names(120)), 200, 0)
    assert [(row["has"], row["n"]) for row in rows] == [(["heard", "said", "seen"], 108), (["heard", "seen"], 12)]
    for row in rows:
        low, high = row["between"]["early"]
        assert low < row["scores"]["early"] < high
    # Fewer videos tell less.
    width = [row["between"]["early"][1] - row["between"]["early"][0] for row in rows]
    assert width[0] < width[1] and [row["groups"] for row in rows] == [108, 12]
    weighted = sum(row["n"] * row["scores"]["late"] for row in rows) / 120
    truth = found["late"].truth
    assert weighted == pytest.approx((truth & found["late"].repeats[0].decision).sum() / 120)


def test_seconds_by_stage(tmp_path):
    paths = Paths("t", str(tmp_path))
    files = {"probe/a": 1, "audio/a": 2, "keyframes/a": 4, "keyframes/b": 8, "embed-picture/0": 16, "embed-sound/0": 32}
    files |= {"transcripts-captions/0": 64, "train-topic/seen": 128, "train-topic/late": 256, "features/frames": 0.5}
    for name, seconds in files.items():
        path = tmp_path / "t" / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{seconds}\t0:00:01\t-\t1\n")
    (tmp_path / "t/benchmarks/keyframes/torn.tsv").write_text("s\th:m")
    found = compute_seconds(paths, STUDY, "topic")
    assert found["seen"] == {"media": 13, "embed": 16.5, "train": 128}
    assert found["heard"] == {"media": 3, "embed": 32}
    assert found["late"] == {"media": 15, "transcribe": 64, "embed": 48.5, "train": 384}
    assert found["majority"] == {}


def test_a_model_depends_on_the_transcripts_that_it_reads():
    study = {
        "transcripts": {"captions": {"use": "captions"}, "asr": {"use": "whisper"}, "screen": {"use": "ocr"}},
        "encoders": {"words": {"use": "minilm", "text": ["transcript"]}},
        "features": {"said": {"from": "words.embedding"}},
        "models": {"m": {"text": ["screen", "title"]}},
    }
    assert modality.transcripts_of({"text": ["screen", "title"]}, study) == ["screen"]
    assert modality.transcripts_of({"inputs": ["said"]}, study) == ["captions", "asr", "text"]
    assert modality.transcripts_of({"inputs": ["said"], "text": ["asr"], "members": ["m"]}, study) == [
        *("captions", "asr", "screen", "text")
    ]
    assert modality.transcripts_of({"text": ["title"]}, study) == []


def test_no_single_modality_model_gives_no_tests(files):
    tests = compare.paired_tests({"a": read(files["predictions"]["seen"])}, np.array(names(120)), None, 100, 0)
    assert tests == {}
