"""Grids: lists in a model's keys stand for a model each combination; the study that is read holds plain models only."""

import pytest
import yaml
from jsonschema import Draft202012Validator

from triptych.commands.check import CheckError, load
from triptych.core import schema
from triptych.core.config import Study
from triptych.core.config.grid import expand
from triptych.core.study import StudyError, parse_study

BASE = {
    "study": "s",
    "corpus": "videos.csv",
    "transcripts": {"captions": {"use": "captions"}},
    "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
    "features": {"seen": {"from": "picture.frame"}, "heard": {"from": "sound.clip"}},
    "tasks": {"t": {"label": "topic", "group": "none"}},
}
GRID = {
    "inputs": [["seen"], ["heard"]],
    "head": ["svc", "mlp"],
    "balance": ["none", "class_weight", "under+over"],
    "inner": 4,
}


def study(models, **more) -> Study:
    return parse_study({**BASE, "models": models, **more})


def faults(models, **more) -> list[str]:
    with pytest.raises(StudyError) as caught:
        study(models, **more)
    return caught.value.faults


def test_every_combination_is_a_model_with_a_readable_name():
    found = study({"first": {"head": "knn", "inputs": ["seen"]}, "g": GRID}).models
    assert list(found) == [
        "first",
        *(
            f"g-{feature}-{head}-{balance}"
            for feature in ("seen", "heard")
            for head in ("svc", "mlp")
            for balance in ("natural", "weighted", "balanced")
        ),
    ]
    one = found["g-heard-mlp-balanced"]
    assert (one.inputs, one.head, one.balance, one.inner) == (["heard"], "mlp", "under+over", 4)


def test_parts_of_a_name_are_only_what_varies():
    found = study(
        {"g": {"inputs": [["seen", "heard"]], "fusion": "early", "head": ["svc", "knn"], "balance": ["none"]}}
    )
    assert list(found.models) == ["g-svc", "g-knn"] and found.models["g-svc"].inputs == ["seen", "heard"]
    assert list(study({"g": {"inputs": [["seen"]], "head": ["svc"]}}).models) == ["g"]


@pytest.mark.parametrize("none", [None, "none"])
def test_text_vectorizers_and_no_fusion_have_names_too(none):
    found = study({"g": {"text": [["transcript"], ["transcript", "title"]], "vectorizer": ["tfidf", "counts"]}}).models
    assert list(found)[1:3] == ["g-transcript-counts", "g-transcript_title-tfidf"]
    one = {"inputs": ["seen"], "head": "svc", "fusion": [none, "early"], "text": [[]]}
    told = expand({**BASE, "models": {"g": one}}).data["models"]
    assert list(told) == ["g-single", "g-early"] and told["g-single"]["fusion"] is None


def test_names_of_grids_mean_all_their_models():
    found = study(
        {
            "stack": {"fusion": "late", "members": ["g", "words"], "head": ["mean", "logistic"]},
            "pairs": {"fusion": "late", "members": [["g", "words"], ["words", "g-seen-svc"]], "head": "mean"},
            "best": {"select": ["g", "words"]},
            "words": {"text": ["transcript"]},
            "g": {"inputs": [["seen"], ["heard"]], "head": ["svc", "knn"]},
        },
        evaluate={"curves": ["words", "g"]},
    )
    own = ["g-seen-svc", "g-seen-knn", "g-heard-svc", "g-heard-knn"]
    assert found.models["stack-mean"].members == found.models["stack-logistic"].members == [*own, "words"]
    assert found.models["pairs-g_words"].members == [*own, "words"]
    assert found.models["pairs-words_g-seen-svc"].members == ["words", "g-seen-svc"]
    assert found.models["best"].select == [*own, "words"]
    assert found.evaluate.curves == ["words", *own]
    assert found.inner_folds("g-heard-knn", "t") == 3


def test_weights_of_a_grid_are_those_of_its_models():
    found = study(
        {
            "g": {"inputs": ["seen"], "head": ["svc", "knn"]},
            "late": {"fusion": "late", "members": ["g"], "head": "mean", "params": {"weights": {"g": 2, "g-svc": 3}}},
        }
    )
    assert found.models["late"].params["weights"] == {"g-svc": 3, "g-knn": 2}


def test_a_study_read_again_from_what_was_written_is_the_same():
    found = study({"g": GRID, "best": {"select": ["g"]}}, evaluate={"curves": ["g"]})
    dumped = found.model_dump(by_alias=True, mode="json")
    again = Study.model_validate(yaml.safe_load(yaml.safe_dump(dumped, sort_keys=False)))
    assert again == found and again.model_dump(by_alias=True, mode="json") == dumped
    assert list(again.models) == list(found.models)
    assert Study.model_validate(found) is found


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (
            {"inputs": [["seen"], ["seen", "heard"]], "head": ["svc", "knn", "mlp"]},
            "models.g: a head reads one feature (`inputs: [seen]`) or text fields (`text: [transcript]`) "
            "(combination g-seen_heard-svc and 2 more)",
        ),
        ({"inputs": ["seen"], "head": ["svc", "svm"]}, "models.g.head: must be 'svc', "),
        ({"inputs": ["seen"], "head": ["svc", "knn"], "innr": 3}, "models.g.innr: unknown key; did you mean 'inner'?"),
        ({"inputs": ["seen"], "head": ["svc", "knn"], "inner": 1}, "models.g.inner: must be greater than"),
        (
            {"inputs": [["seen"], ["herd"]], "head": ["svc", "knn"]},
            "models.g: there is no feature 'herd'; did you mean 'heard'? (combination g-herd-svc and 1 more)",
        ),
        ({"inputs": ["seen"], "head": []}, "models.g.head: the list is empty"),
        ({"inputs": ["seen", ["heard"]]}, "models.g.inputs: must be a list of names, or for a grid a list of such"),
        ({"inputs": ["seen"], "head": ["svc", 3]}, "models.g.head: must be a word, or for a grid a list of words"),
        ({"inputs": ["seen"], "head": ["svc", "svc"]}, "models.g.head: the grid names a value twice"),
        (
            {"text": [["a b"], ["a-b"]]},
            "models.g: two combinations would have the name 'g-a-b' (one of them text: [a-b])",
        ),
        (
            {"text": [[f"field_{n}"] for n in range(30)], "head": ["svc", "knn", "mlp"] * 6},
            "models.g.head: the grid names a value twice",
        ),
        ({"text": [[f"f{n}"] for n in range(251)], "head": ["svc", "knn"]}, "models.g: a grid of 502 models; 500 at"),
    ],
)
def test_a_fault_of_a_grid_is_told_once_with_its_combination(grid, told):
    found = faults(
        {"g": grid, "late": {"fusion": "late", "members": ["g", "other"], "head": "mean"}, "other": {"text": ["t"]}}
    )
    assert len(found) == 1 and found[0].startswith(told), found


def test_names_too_long_or_taken_are_told_with_the_other_faults():
    found = faults(
        {
            "g" * 55: {"inputs": [["seen"], ["heard"]], "head": ["svc", "logistic"]},
            "h": {"inputs": ["seen"], "head": ["svc", "knn"]},
            "h-knn": {"inputs": ["heard"]},
            "c": {"select": ["g" * 55, "h"]},
        },
        shards=0,
    )
    assert len(found) == 3
    assert "would be " in found[0] and "longer than 64 characters; give the grid a shorter name" in found[0]
    assert found[1] == "models.h: two models would have the name 'h-knn'; rename one"
    assert found[2].startswith("shards: ")


def test_faulty_parameters_of_a_grid_are_told_once_by_check(tmp_path):
    (tmp_path / "videos.csv").write_text(
        "id,topic,source\n" + "".join(f"v{i},{'ab'[i % 2]},v{i}.mp4\n" for i in range(12))
    )
    data = {**BASE, "corpus": str(tmp_path / "videos.csv"), "splits_dir": str(tmp_path)}
    data["models"] = {"g": {**GRID, "head": ["svc", "knn"], "params": {"neighbors": 0}}}
    with pytest.raises(CheckError) as caught:
        load(data)
    told = [line.split(": ", 1)[1] for line in caught.value.faults]
    assert told == [
        "models.g.params.neighbors: the head `svc` has no such parameter (known: C, gamma) "
        "(combination g-seen-svc-natural and 5 more)",
        "models.g.params.neighbors: must be 1 or more, or a list of these (given: 0) "
        "(combination g-seen-knn-natural and 5 more)",
    ]


def test_the_schema_takes_lists_where_a_grid_may_have_them():
    validator = Draft202012Validator(schema.schema())
    Draft202012Validator.check_schema(validator.schema)
    data = {**BASE, "models": {"g": {**GRID, "fusion": [None, "early"]}, "l": {"members": [["a", "b"], ["a", "c"]]}}}
    assert list(validator.iter_errors(data)) == []
    for wrong in ({"head": ["svm"]}, {"balance": []}, {"inner": [2, 3]}, {"inputs": [[["seen"]]]}):
        assert list(validator.iter_errors({**data, "models": {"g": {**GRID, **wrong}}})), wrong
    (row,) = [line for line in schema.page().splitlines() if line.startswith("| `models.NAME.balance` |")]
    assert "`none`, `class_weight`, `under+over`; or a list of these" in row
