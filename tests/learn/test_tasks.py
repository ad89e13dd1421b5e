"""Labels: what is unlabelled and why, and the stops that name the choices."""

import pytest
from learn.world import table

from triptych.learn import tasks
from triptych.learn.tasks import TaskError

TASK = {"label": "topic", "group": "film", "folds": 3}


def make(tmp_path, rows, metadata=None, **changes):
    out = tmp_path / "labels.parquet"
    tasks.make_labels("topic", {**TASK, **changes}, rows, out, metadata)
    return tasks.read_labels(out)


def test_labels_are_written_and_read(tmp_path):
    found = make(tmp_path, table({"b": [1, 2, 1], "a": [1, 1, 1]}, unlabelled=2))
    assert found.classes == ["a", "b"]
    assert found.targets.sum(axis=0).tolist() == [3, 4]
    assert len(found.labelled().videos) == 7
    assert found.unlabelled() == ["v0007", "v0008"]
    assert found.reasons[-1] == "no_label" and found.groups[-1] is None
    assert tasks.summary(found)["classes"]["b"] == {"videos": 4, "groups": 3}


def test_same_labels_same_bytes_whatever_the_order_of_rows(tmp_path):
    rows = table({"a": [1, 2, 1], "b": [1, 1, 1]})
    make(tmp_path, rows)
    first = (tmp_path / "labels.parquet").read_bytes()
    make(tmp_path, rows[::-1])
    assert (tmp_path / "labels.parquet").read_bytes() == first


def test_a_missing_column_names_the_nearest(tmp_path):
    with pytest.raises(TaskError, match=r"no column 'topics'; did you mean 'topic'\?"):
        make(tmp_path, table({"a": [1], "b": [1]}), label="topics")
    with pytest.raises(TaskError, match=r"group: the table has no column 'channel' \(columns: film, topic\)"):
        make(tmp_path, table({"a": [1], "b": [1]}), group="channel")


def test_nothing_labelled_and_one_class_stop(tmp_path):
    with pytest.raises(TaskError, match="no labelled videos: column 'topic' is empty for all 4 rows"):
        make(tmp_path, table({}, unlabelled=4))
    with pytest.raises(TaskError, match="only the class 'a' is left"):
        make(tmp_path, table({"a": [1, 1, 1]}))


def test_a_class_with_few_groups_stops_and_names_the_choices(tmp_path):
    rows = table({"a": [2, 2, 2], "b": [1, 1, 1, 1], "rare": [5, 2]})
    with pytest.raises(TaskError) as stopped:
        make(tmp_path, rows)
    for words in ("'rare' has 2 groups", "`min_groups: drop`", "`min_groups: allow`", "`folds: 2`", "merge labels"):
        assert words in str(stopped.value)
    dropped = make(tmp_path, rows, min_groups="drop")
    assert dropped.classes == ["a", "b"]
    assert dropped.reasons.count("few_groups") == 7
    assert make(tmp_path, rows, min_groups="allow").classes == ["a", "b", "rare"]
    assert make(tmp_path, rows, folds=2).classes == ["a", "b", "rare"]


def test_dropping_all_but_one_class_stops(tmp_path):
    with pytest.raises(TaskError, match=r"only the class 'a' is left.*min_groups: allow"):
        make(tmp_path, table({"a": [1, 1, 1], "b": [3]}), min_groups="drop")


def test_several_labels(tmp_path):
    rows = table({"a;b": [1, 1, 1], "b; c ;b": [1, 1, 1], "c;rare": [1]})
    with pytest.raises(TaskError, match="7 videos have labels joined by ';'"):
        make(tmp_path, rows)
    found = make(tmp_path, rows, multi_label=True, min_groups="drop")
    assert found.classes == ["a", "b", "c"]
    assert found.labels[3] == ("b", "c") and found.labels[6] == ("c",) and found.reasons[6] is None


def test_a_labelled_video_without_group_stops_with_its_line(tmp_path):
    rows = table({"a": [1, 1, 1], "b": [1, 1, 1]}, unlabelled=1)
    rows[2]["fields"]["film"] = " "
    with pytest.raises(TaskError, match=r"1 labelled videos have no value in column 'film' \(line 4: v0002\)"):
        make(tmp_path, rows)
    assert make(tmp_path, rows, group="none").groups[2] == "v0002"


def test_labels_and_groups_from_metadata(tmp_path):
    rows = table({"": [1] * 8})
    told = {
        f"v{index:04d}": {"categories": ["Music" if index % 2 else "News", "other"], "channel_id": f"c{index}"}
        for index in range(7)
    }
    told["v0006"]["channel_id"] = None
    source = {"label": {"metadata": "categories.0"}, "group": {"metadata": "channel_id"}}
    found = make(tmp_path, rows, told, **source)
    assert found.classes == ["Music", "News"]
    assert found.reasons[6:] == ["no_group", "no_metadata"]
    assert found.groups[:2] == ["c0", "c1"]


def test_labels_that_differ_in_case_are_noted(tmp_path):
    found = tasks.make_labels("t", TASK, table({"Cat": [1] * 3, "cat": [1] * 3}), tmp_path / "labels.parquet")
    assert "'Cat', 'cat'" in found.notes[0]


def folds_table(folds):
    rows = table({"a": [1, 1, 1], "b": [1, 1, 1]})
    for row, fold in zip(rows, folds, strict=True):
        row["fields"]["fold"] = fold
    return rows


def test_predefined_folds(tmp_path):
    found = make(tmp_path, folds_table("123123"), folds="predefined")
    assert found.folds == [1, 2, 3, 1, 2, 3]
    with pytest.raises(TaskError, match=r"no whole number in column 'fold' \(line 3: v0001\)"):
        make(tmp_path, folds_table(["1", "x", "3", "1", "2", "3"]), folds="predefined")
    with pytest.raises(TaskError, match="predefined folds are one cross-validation"):
        make(tmp_path, folds_table("123123"), folds="predefined", repeats=2)
    with pytest.raises(TaskError, match="no column 'fold'"):
        make(tmp_path, table({"a": [1], "b": [1]}), folds="predefined")
    with pytest.raises(TaskError, match="names one fold only"):
        make(tmp_path, folds_table("111111"), folds="predefined", min_groups="allow")
    with pytest.raises(TaskError, match="'b' has 1 predefined fold"):
        make(tmp_path, folds_table("123111"), folds="predefined")


def test_a_group_in_two_predefined_folds_is_listed(tmp_path):
    rows = folds_table("123123")
    rows[1]["fields"]["film"] = rows[0]["fields"]["film"]
    with pytest.raises(TaskError, match="'a-0' in 1, 2"):
        make(tmp_path, rows, folds="predefined")
    assert make(tmp_path, rows, folds="predefined", group="none").folds[1] == 2
