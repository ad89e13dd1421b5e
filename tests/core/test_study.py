"""Study files: every fault at once, each with its place and the nearest valid key."""

import pytest

from triptych.core.config import Study
from triptych.core.study import StudyError, load_study, parse_study, read_yaml

GOOD = {"study": "s", "corpus": "videos.csv"}


def faults(data) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study({**GOOD, **data})
    return caught.value.faults


def yaml_faults(tmp_path, text) -> list[str]:
    path = tmp_path / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError) as caught:
        read_yaml(path)
    return caught.value.faults


def test_the_demo_study_is_valid(checkout):
    study = load_study(checkout / "config.yaml")
    assert study.study == "demo"
    again = Study.model_validate(study.model_dump(by_alias=True, mode="json"))
    assert again == study, "the complete study that scripts read is the study"


def test_defaults_are_enough():
    study = parse_study(GOOD)
    assert study.keyframes.count == 32 and list(study.models_of("any")) == ["majority", "prior"]


@pytest.mark.parametrize(
    ("data", "place", "near"),
    [
        ({"shard": 3}, "shard", "shards"),
        ({"keyframes": {"cuont": 3}}, "keyframes.cuont", "count"),
        ({"encoders": {"x": {"use": "a", "parms": {}}}}, "encoders.x.parms", "params"),
        ({"features": {"f": {"form": "x.y"}}}, "features.f.form", "from"),
        ({"tasks": {"t": {"label": "l", "group": "g", "fold": 3}}}, "tasks.t.fold", "folds"),
        ({"models": {"m": {"inptus": ["f"]}}}, "models.m.inptus", "inputs"),
    ],
)
def test_unknown_keys_name_the_nearest(data, place, near):
    assert any(fault == f"{place}: unknown key; did you mean {near!r}?" for fault in faults(data))


def test_unknown_key_with_no_near_one_lists_the_known():
    assert faults({"audio": {"zzz": 1}}) == ["audio.zzz: unknown key (known: mp3_quality, mp3_rate)"]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"shards": 0}, "shards"),
        ({"shards": "many"}, "shards"),
        ({"study": "a/b"}, "study"),
        ({"study": "../x"}, "study"),
        ({"unit": "film"}, "unit"),
        ({"min_ok_fraction": 1.5}, "min_ok_fraction"),
        ({"min_ok_fraction": float("nan")}, "min_ok_fraction"),
        ({"keyframes": {"count": 65}}, "keyframes.count"),
        ({"keyframes": 3}, "keyframes"),
        ({"features": {"f": {"from": "clip", "pool": "mean"}}}, "features.f.from"),
        ({"features": {"f": {"from": "a.b", "pool": "median"}}}, "features.f.pool"),
        ({"tasks": {"t": {"label": "l", "group": "g", "folds": 1}}}, "tasks.t.folds"),
        ({"tasks": {"t": {"group": "g"}}}, "tasks.t.label"),
        ({"tasks": {"t": {"label": "l", "group": "g", "seed": -1}}}, "tasks.t.seed"),
        ({"tasks": {"t": {"label": "l", "group": "g", "seed": 2**32 - 1}}}, "tasks.t.seed"),
        ({"evaluate": {"seed": -1}}, "evaluate.seed"),
        ({"encoders": {"a/b": {"use": "x"}}}, "encoders.a/b"),
        ({"models": {"m": {"inputs": ["f"], "head": "svm"}}}, "models.m.head"),
    ],
)
def test_values_that_are_not_allowed(data, place):
    assert any(fault.startswith(f"{place}") for fault in faults(data)), faults(data)


def test_missing_keys():
    with pytest.raises(StudyError) as caught:
        parse_study({})
    assert caught.value.faults == ["study: is missing", "corpus: is missing"]


def test_all_faults_at_once():
    found = faults({"shards": -1, "kyeframes": {}, "audio": {"mp3_quality": 12}, "evaluate": {"bootstrap": "x"}})
    assert {fault.split(":")[0] for fault in found} == {
        "shards",
        "kyeframes",
        "audio.mp3_quality",
        "evaluate.bootstrap",
    }


def test_references_that_dangle_are_all_named():
    found = faults(
        {
            "encoders": {"clip": {"use": "x"}},
            "features": {"seen": {"from": "clpi.embedding"}},
            "tasks": {"topic": {"label": "l", "group": "none"}},
            "models": {"a": {"inputs": ["sene"]}, "b": {"fusion": "late", "members": ["a", "aa"], "tasks": ["tpoic"]}},
        }
    )
    wanted = ["'clip'", "'seen'", "'a'", "'topic'"]
    assert len(found) == len(wanted)
    for near, line in zip(wanted, found, strict=True):
        assert f"did you mean {near}" in line


@pytest.mark.parametrize(
    "model",
    [
        {"fusion": "late", "members": ["a"]},
        {"fusion": "late", "members": ["a", "b"], "inputs": ["f"]},
        {"fusion": "late", "members": ["a", "b"], "head": "svc"},
        {"fusion": "early", "inputs": ["f"]},
        {"inputs": ["f", "g"]},
        {"inputs": ["f"], "text": ["transcript"]},
        {"head": "prior", "inputs": ["f"]},
        {"head": "mean", "inputs": ["f"]},
        {},
    ],
)
def test_models_that_make_no_sense(model):
    assert faults({"models": {"m": model}})[0].startswith("models.m")


def test_a_fusion_of_fusions_is_named():
    heads = {name: {"text": ["transcript"]} for name in "ab"}
    late = {"fusion": "late", "members": ["a", "b"]}
    (found,) = faults({"models": {**heads, "l": late, "m": {"fusion": "late", "members": ["a", "l"]}}})
    assert "itself a late fusion" in found


def test_a_key_given_twice_is_told_with_both_lines(tmp_path):
    assert yaml_faults(tmp_path, "study: a\ncorpus: b\nstudy: c\n") == [
        "line 3: 'study' is given twice (first on line 1)"
    ]
    (found,) = yaml_faults(tmp_path, "audio:\n  mp3_rate: 1\n  mp3_rate: 2\n")
    assert found == "line 3: 'mp3_rate' is given twice (first on line 2)"
    assert "given twice" in yaml_faults(tmp_path, "audio: {mp3_rate: 1, mp3_rate: 2}\n")[0]


@pytest.mark.parametrize(
    "text",
    ["a: [1\n", "- a\n- b\n", "", "just words", "a: !!python/object/apply:os.system ['touch PWNED']\n", "{a: b}: c\n"],
)
def test_what_is_no_study_file(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(yaml_faults(tmp_path, text)) == 1
    assert not (tmp_path / "PWNED").exists()


def test_unreadable_study_files(tmp_path):
    assert "UTF-8 (byte 7)" in yaml_faults(tmp_path, "study: ü\n".encode("latin-1"))[0]
    with pytest.raises(StudyError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        read_yaml(tmp_path)


def test_merge_keys_and_byte_order_marks_work(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbfbase: &b {x: 1}\nother: {<<: *b, y: 2}\n")
    assert read_yaml(path)["other"] == {"x": 1, "y": 2}


def test_inner_folds_are_those_of_the_stacks_that_read_a_model():
    models = {
        "a": {"text": ["transcript"]},
        "b": {"text": ["transcript"]},
        "mean": {"fusion": "late", "members": ["a", "b"], "head": "mean"},
        "stack": {"fusion": "late", "members": ["a", "b"], "head": "logistic", "inner": 4, "tasks": ["t"]},
    }
    tasks = {name: {"label": "l", "group": "none"} for name in ("t", "u")}
    study = parse_study({**GOOD, "transcripts": {"c": {"use": "captions"}}, "tasks": tasks, "models": models})
    assert (study.inner_folds("a", "t"), study.inner_folds("a", "u"), study.inner_folds("stack", "t")) == (4, 0, 0)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"tasks": {"t": {"label": 3, "group": "g"}}}, "tasks.t.label: must be text, or must be a mapping (given: 3)"),
        (
            {"tasks": {"t": {"label": "l", "group": "g", "folds": "x"}}},
            "tasks.t.folds: must be a whole number, or must be",
        ),
        ({"gpus": "x"}, "gpus: must be 'auto', or must be a whole number (given: 'x')"),
        ({"gpus": -1}, "gpus: must be 'auto', or must be greater than or equal to 0 (given: -1)"),
        ({"encoders": ["x"]}, "encoders: must be a mapping"),
        ({"models": {"m": None}}, "models.m: must be a mapping"),
        ({"models": {"str": {"inputs": [3]}}}, "models.str.inputs.0: must be text (given: 3)"),
        ({"encoders": {"a/b": {"use": "x"}}}, "encoders.a/b: a name has letters, digits, `_` and `-` only"),
        ({"features": {"f": {"from": "x"}}}, "features.f.from: must be an encoder and one of its arrays, as"),
        ({"mapping": {"m": {"features": ["f"], "task": "t"}}}, "mapping.m.features: must name at least 2, not 1"),
        ({"match": {"m": {"encoder": "e", "text": ["title", "title"]}}}, "match.m.text: 'title' is named twice"),
        ({"evaluate": {"curves": ["a", "a"]}}, "evaluate.curves: 'a' is named twice"),
        ({"duplicates": {"features": {"f": 3}}}, "duplicates.features: a cosine lies above 0 and is 1 at most (f)"),
        (
            {"media_dir": "a\0b"},
            "media_dir: holds a character that no name or text may have (U+0000) (given: 'a\\x00b')",
        ),
        (
            {"encoders": {"e": {"use": "x", "text": ["\ud800"]}}},
            "encoders.e.text: holds a character that no name or text",
        ),
        ({"keyframes": {"count": 65}}, "keyframes.count: must be less than or equal to 64 (given: 65)"),
    ],
)
def test_faults_in_plain_words_at_the_places_of_the_file(data, told):
    found = faults(data)
    assert any(fault.startswith(told) for fault in found), found


def test_a_mistyped_key_of_metadata_is_named():
    found = faults({"tasks": {"t": {"label": {"metdata": "categories.0"}, "group": "g"}}})
    assert "tasks.t.label.metdata: unknown key; did you mean 'metadata'?" in found


def test_folders_have_one_name():
    study = parse_study({"study": "s", "corpus": "t.csv", "results": "./a//results/", "media_dir": "../media/."})
    assert (study.results, study.media_dir, study.splits_dir) == ("a/results", "../media", "data/splits")
