"""What is left of a faulty study file: its other faults are told in the same round."""

import copy

from triptych.core.remainder import remainder

STUDY = {
    "study": "small",
    "corpus": "videos.csv",
    "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
    "features": {"seen": {"from": "picture.frame"}, "heard": {"from": "sound.clip"}},
    "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
    "models": {
        "sight": {"inputs": ["seen"], "head": "svc"},
        "grid": {"inputs": ["heard"], "head": ["svc", "logistic"]},
        "late": {"fusion": "late", "members": ["sight", "grid"], "head": "mean"},
    },
}


def changed(**places):
    """The study with values put at places such as `features__seen__pool`."""
    found = copy.deepcopy(STUDY)
    for place, value in places.items():
        *above, last = place.split("__")
        holder = found
        for key in above:
            holder = holder[key]
        holder[last] = value
    return found


def test_a_study_without_faults_is_left_whole():
    left = remainder(STUDY)
    assert left.faults == []
    assert left.entries == set()
    assert sorted(left.study.models) == ["grid-logistic", "grid-svc", "late", "sight"]


def test_what_a_faulty_key_hid_is_told_and_what_follows_from_it_is_not():
    left = remainder(changed(features__seen__pool="meen", models__sight__inputs=["sean"], shard=3))
    assert sorted(line.split(":")[0] for line in left.faults) == ["features.seen.pool", "models.sight", "shard"]
    assert "models.sight: there is no feature 'sean'; did you mean 'seen'?" in left.faults
    # The feature lost its odd pooling only; the model that named a feature which is not there went as a whole.
    assert sorted(left.study.features) == ["heard", "seen"]
    assert "sight" not in left.study.models


def test_entries_that_hang_on_a_lost_one_are_no_faults():
    left = remainder(changed(encoders__sound=3, features__heard__pool="sum"))
    assert [line.split(":")[0] for line in left.faults] == ["encoders.sound", "features.heard.pool"]
    assert sorted(left.study.features) == ["seen"]


def test_required_keys_have_stand_ins():
    config = changed(features__seen__pool="meen")
    del config["study"]
    left = remainder(config)
    assert sorted(line.split(":")[0] for line in left.faults) == ["features.seen.pool", "study"]
    assert left.study.corpus == "videos.csv"


def test_a_fault_of_a_grid_is_told_of_the_grid():
    left = remainder(changed(models__grid__inputs=["herd"], keyframes={"count": 0}))
    assert sorted(line.split(":")[0] for line in left.faults) == ["keyframes.count", "models.grid"]


def test_what_cannot_be_read_at_all_ends():
    left = remainder({"encoders": [1], "models": "x", "tasks": {"a": None}, 3: 4})
    assert sorted(line.split(":")[0] for line in left.faults) == [
        "3",
        "corpus",
        "encoders",
        "models",
        "study",
        "tasks.a",
    ]
    assert left.study is not None


def test_names_that_hold_dots_or_are_no_text_take_nothing_with_them():
    config = changed(encoders__sound__use=3, features__heard__pool="sum")
    config["features"]["seen.too"] = {"from": "picture.frame"}
    odd = {"net:v1": "net:v1", None: "None", True: "1", 1.5: "1.5"}
    config["encoders"] |= {key: {"use": "clip"} for key in odd}
    left = remainder(config)
    wanted = {"encoders.sound.use", "features.heard.pool", "features.seen.too"}
    assert {line.split(": ")[0] for line in left.faults} == wanted | {f"encoders.{one}" for one in odd.values()}
    assert sorted(left.study.encoders) == ["picture"] and "sight" in left.study.models


def test_a_section_that_is_none_hides_the_other_faults_no_longer():
    left = remainder(changed(encoders=[{"picture": {"use": "classic-image"}}], models__sight__head="svm"))
    assert [line.split(":")[0] for line in left.faults] == ["encoders", "models.sight.head"]
    left = remainder(changed(transcripts=["captions"], models__words={"text": ["captions"], "head": "svc"}))
    others = ["tasks.topic.label: the table has no column 'tpoic'"]
    assert left.own(["models.words.text: the table has no column 'captions'", *others]) == others
