"""Members' predictions that do not fit the labels or the folds, or that leak, are refused."""

import pytest
from learn.world import LATE, pictures_and_sounds, rewrite

from triptych.learn.members import MembersError
from triptych.learn.table import LeakError


def test_a_stack_without_inner_rows_stops(tmp_path):
    one = pictures_and_sounds(tmp_path)
    one.run("sound", {"inputs": ["heard"], "head": "logistic"})
    with pytest.raises(MembersError, match=r"member 'sound' has no inner rows that fit repeat 0, fold 0"):
        one.run("late", {**LATE, "head": "logistic"})
    one.run("late", {**LATE, "head": "mean"})


def test_inner_rows_of_the_test_fold_are_refused(tmp_path):
    one = pictures_and_sounds(tmp_path)

    def leak(rows):
        """In-sample stacking: the test rows of fold 0 among its inner rows."""
        test = [{**row, "role": "inner"} for row in rows if row["role"] == "test" and row["outer"] == 0]
        return rows + test

    rewrite(tmp_path / "sound.parquet", leak)
    with pytest.raises(LeakError, match="inner rows of fold 0 hold its test videos"):
        one.run("late", {**LATE, "head": "logistic"})


def test_predictions_of_other_labels_or_splits_are_refused(tmp_path):
    one = pictures_and_sounds(tmp_path)

    def relabel(rows):
        return [{**row, "truth": row["class"] == "b"} if row["video"] == "v0000" else row for row in rows]

    kept = (tmp_path / "sound.parquet").read_bytes()
    rewrite(tmp_path / "sound.parquet", relabel)
    with pytest.raises(MembersError, match="made with other labels"):
        one.run("late", {**LATE, "head": "mean"})
    (tmp_path / "sound.parquet").write_bytes(kept)

    def move(rows):
        return [{**row, "outer": (row["outer"] + 1) % 3} if row["video"] == "v0000" else row for row in rows]

    rewrite(tmp_path / "sound.parquet", move)
    with pytest.raises(MembersError, match="made with other splits"):
        one.run("late", {**LATE, "head": "mean"})
