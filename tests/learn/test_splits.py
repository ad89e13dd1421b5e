"""Splits: grouped, stratified, repeatable, and never changed once written."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learn.world import World, table

from triptych.learn import splits, tasks
from triptych.learn.splits import SplitError, assign, read_splits

TASK = {"label": "topic", "group": "film", "folds": 4, "repeats": 2}
SIZES = {"a": [3, 1, 2, 5, 1, 2], "b": [4, 4, 1, 2], "c": [2, 2, 2, 2, 2]}


def world(tmp_path, rows, **changes) -> World:
    return World(tmp_path, rows, {**TASK, **changes}).prepare()


def lines(one: World) -> set[str]:
    return set(one.splits.read_text().splitlines())


def group_folds(one: World) -> dict:
    found: dict = {}
    for row in read_splits(one.splits):
        found.setdefault((row.group, row.repeat), set()).add(row.fold)
    return found


def test_groups_stay_together_and_repeats_differ(tmp_path):
    one = world(tmp_path, table(SIZES))
    rows = read_splits(one.splits)
    assert all(len(folds) == 1 for folds in group_folds(one).values())
    assert {(row.repeat, row.fold) for row in rows} == {(r, f) for r in range(2) for f in range(4)}
    assert len(rows) == 2 * 35
    beside = []
    for repeat in range(2):
        folds = {row.group: row.fold for row in rows if row.repeat == repeat}
        beside.append({(one, other) for one in folds for other in folds if one < other and folds[one] == folds[other]})
    assert beside[0] != beside[1], "repeats put other groups together"


def test_the_file_does_not_depend_on_the_order_of_the_table(tmp_path):
    rows = table(SIZES)
    one = world(tmp_path, rows)
    first = one.splits.read_bytes()
    one.splits.unlink()
    shuffled = rows[:]
    random.Random(1).shuffle(shuffled)
    assert world(tmp_path, shuffled).splits.read_bytes() == first


def test_adding_removing_and_relabelling_move_nothing(tmp_path):
    rows = table(SIZES)
    before = lines(world(tmp_path, rows))
    known = {"slug": "x-new", "line": 99, "fields": {"topic": "a", "film": "a-3"}}
    other = {"slug": "a-first", "line": 100, "fields": {"topic": "b", "film": "unseen"}}
    added = world(tmp_path, [*rows, known, other])
    assert before < lines(added)
    assert all(len(folds) == 1 for folds in group_folds(added).values())
    full = lines(added)
    assert lines(world(tmp_path, rows[5:])) == full, "rows of videos that left the table stay"
    changed = [{**row, "fields": {**row["fields"], "topic": "c"}} if row["slug"] == "v0003" else row for row in rows]
    assert lines(world(tmp_path, changed)) == full, "a changed label moves no group"
    unlabelled = [{**row, "fields": {**row["fields"], "topic": ""}} if row["slug"] == "v0003" else row for row in rows]
    assert lines(world(tmp_path, unlabelled)) == full
    more = world(tmp_path, rows, repeats=3)
    assert full < lines(more) and {row.repeat for row in read_splits(more.splits)} == {0, 1, 2}


def test_new_groups_fill_the_folds_that_need_them(tmp_path):
    rows = table({"a": [1] * 8, "b": [1] * 8})
    world(tmp_path, rows, repeats=1)
    later = table({"a": [1] * 16, "b": [1] * 16})
    for row in later:
        row["slug"] = row["slug"].replace("v", "w")
        row["fields"]["film"] += "-later"
    one = world(tmp_path, rows + later, repeats=1)
    counts = np.zeros((2, 4), dtype=int)
    where = {row["slug"]: row["fields"]["topic"] for row in rows + later}
    for row in read_splits(one.splits):
        counts["ab".index(where[row.video]), row.fold] += 1
    assert (counts == 6).all()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 9), min_size=16, max_size=60),
    st.integers(2, 5),
    st.integers(2, 4),
    st.integers(0, 3),
)
def test_any_corpus_is_split_evenly(sizes, folds, classes, seed):
    groups = [f"g{index}" for index, size in enumerate(sizes) for _ in range(size)]
    label = [index % classes for index, size in enumerate(sizes) for _ in range(size)]
    targets = np.eye(classes, dtype=bool)[label]
    found = assign(groups, targets, folds, f"{seed}")
    of_row = np.array([found[group] for group in groups])
    counts = np.bincount(of_row, minlength=folds)
    # No fold is further from its share than two of the largest groups, and every class is in every fold if it can be.
    assert np.abs(counts - len(groups) / folds).max() <= 2 * max(sizes)
    for one in range(classes):
        held = [size for index, size in enumerate(sizes) if index % classes == one]
        if len(held) >= folds:
            per_fold = np.bincount(of_row[targets[:, one]], minlength=folds)
            assert per_fold.min() > 0
            assert np.abs(per_fold - sum(held) / folds).max() <= 2 * max(held)


def test_stratification_is_as_good_as_scikit_learns(tmp_path):
    from sklearn.model_selection import StratifiedGroupKFold

    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 8, 200)
    groups = np.repeat(np.arange(200), sizes)
    label = np.repeat(generator.choice(6, 200, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]), sizes)
    targets = np.eye(6, dtype=bool)[label]
    names = [f"g{group}" for group in groups]

    def worst(of_row):
        shares = np.stack([targets[of_row == fold].sum(axis=0) for fold in range(5)]) / targets.sum(axis=0)
        return np.abs(shares - 0.2).max()

    theirs = np.zeros(len(groups), dtype=int)
    for fold, (_, test) in enumerate(
        StratifiedGroupKFold(5, shuffle=True, random_state=0).split(groups, label, groups)
    ):
        theirs[test] = fold
    found = assign(names, targets, 5, "0")
    assert worst(np.array([found[name] for name in names])) <= max(worst(theirs), 0.05)


def test_single_videos_are_split_to_within_one():
    label = np.repeat([0, 1, 2], [401, 203, 17])
    found = assign([f"v{i}" for i in range(len(label))], np.eye(3, dtype=bool)[label], 5, "7")
    of_row = np.array([found[f"v{i}"] for i in range(len(label))])
    for one in range(3):
        counts = np.bincount(of_row[label == one], minlength=5)
        assert counts.max() - counts.min() <= 1
    counts = np.bincount(of_row, minlength=5)
    assert counts.max() - counts.min() <= 3


def test_predefined_folds_are_taken_as_they_are(tmp_path):
    rows = table({"a": [1, 1, 1], "b": [1, 1, 1]})
    for row, fold in zip(rows, "123321", strict=True):
        row["fields"]["fold"] = fold
    one = world(tmp_path, rows, folds="predefined", repeats=1)
    assert [row.fold for row in read_splits(one.splits)] == [1, 2, 3, 3, 2, 1]
    rows[0]["fields"]["fold"] = "2"
    with pytest.raises(SplitError, match=r"1 video has another fold in the table.*v0000: 1 in the file"):
        world(tmp_path, rows, folds="predefined", repeats=1)


def test_a_file_that_contradicts_the_study_stops(tmp_path):
    rows = table(SIZES)
    world(tmp_path, rows)
    with pytest.raises(SplitError, match="has 4 folds in repeat 0, the study file asks for 3"):
        world(tmp_path, rows, folds=3)
    with pytest.raises(SplitError, match="the study file asks for 5"):
        world(tmp_path, rows, folds=5, min_groups="allow")
    with pytest.raises(SplitError, match="the group of 35 of 35 videos is another one now"):
        world(tmp_path, rows, group="none")


def test_a_damaged_file_is_named_by_line(tmp_path):
    one = world(tmp_path, table(SIZES))
    text = one.splits.read_text()
    one.splits.write_text(text + "<<<<<<< HEAD\nv0000,a-0,0,1\nv0001,a-0,zero,1\n")
    with pytest.raises(SplitError) as stopped:
        splits.update_splits(one.labels, one.splits, one.task)
    for words in (
        "3 faults; restore",
        "line 72",
        "line 73: v0000 is there twice",
        "line 74",
        "restore the file from git",
    ):
        assert words in str(stopped.value)
    one.splits.write_text(text + "v0001,a-0,zero,1\n")
    with pytest.raises(SplitError, match="1 fault; restore the file from git"):
        splits.update_splits(one.labels, one.splits, one.task)
    torn = text.replace("v0000,a-0,0,", "v0000,a-0,0,9")
    one.splits.write_text(torn)
    with pytest.raises(SplitError, match=r"1 group lies in two folds \(a-0\)"):
        splits.update_splits(one.labels, one.splits, one.task)
    one.splits.write_text("video,fold\n")
    with pytest.raises(SplitError, match="line 1 must be video,group,repeat,fold"):
        splits.update_splits(one.labels, one.splits, one.task)


def test_a_labelled_video_without_fold_is_named(tmp_path):
    rows = table(SIZES)
    one = world(tmp_path, rows)
    extra = {"slug": "zzz", "line": 80, "fields": {"topic": "a", "film": "a-0"}}
    tasks.make_labels("topic", TASK, [*rows, extra], one.labels)
    with pytest.raises(SplitError, match=r"2 labelled videos have no fold \(first: zzz\)"):
        splits.folds_of(one.splits, tasks.read_labels(one.labels).labelled(), TASK)
