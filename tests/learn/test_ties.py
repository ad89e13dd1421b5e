"""What near-duplicates mean for splits: tied groups share a fold, nothing moves, the newer video is left out."""

import csv
import itertools
import json

import numpy as np
import pytest
from learn.world import World, accuracy, table

from triptych.evaluate.predictions import groups_of
from triptych.learn import splits, tasks
from triptych.learn.pairs import Pair, write_pairs
from triptych.learn.splits import SplitError, read_splits

TASK = {"label": "topic", "group": "film", "folds": 3}
SIZES = {"a": [2] * 6, "b": [2] * 6}


class Study:
    """A task whose table and near-duplicates grow."""

    def __init__(self, folder, rows, **task):
        self.folder, self.rows, self.task = folder, rows, {**TASK, **task}

    def split(self, *pairs) -> dict[str, dict]:
        """What is refused, after a run with these near-duplicates."""
        tasks.make_labels("topic", self.task, self.rows, self.folder / "labels.parquet")
        write_pairs(self.folder / "pairs.csv", [Pair(*sorted(pair), "pictures", 0.9) for pair in pairs])
        files = [self.folder / name for name in ("pairs.csv", "refused.json", "duplicates.csv")]
        self.notes = splits.update_splits(self.folder / "labels.parquet", self.folder / "splits.csv", self.task, *files)
        return json.loads((self.folder / "refused.json").read_text())["refused"]

    def folds(self) -> dict[str, list[int]]:
        """Video -> its fold in each repeat."""
        found: dict[str, list[int]] = {}
        for row in read_splits(self.folder / "splits.csv"):
            found.setdefault(row.video, []).append(row.fold)
        return found

    def add(self, slug: str, label: str, group: str) -> None:
        line = max(row["line"] for row in self.rows) + 1
        self.rows.append({"slug": slug, "line": line, "fields": {"topic": label, "film": group}})

    def outcomes(self) -> dict[tuple[str, str], dict]:
        with (self.folder / "duplicates.csv").open(newline="") as handle:
            return {(row["video"], row["other"]): row for row in csv.DictReader(handle)}

    def apart(self) -> tuple[str, str]:
        """Two videos of class a in different folds of the first repeat."""
        folds = self.folds()
        first, *others = [row["slug"] for row in self.rows if row["fields"]["topic"] == "a" and row["slug"] in folds]
        return first, next(one for one in others if folds[one][0] != folds[first][0])

    def group_of(self, slug: str) -> str:
        return next(row["fields"]["film"] for row in self.rows if row["slug"] == slug)


def test_without_pairs_the_split_is_what_it_always_was(tmp_path):
    one = Study(tmp_path, table(SIZES))
    assert one.split() == {}
    plain = tmp_path / "plain.csv"
    splits.update_splits(tmp_path / "labels.parquet", plain, one.task)
    assert plain.read_bytes() == (tmp_path / "splits.csv").read_bytes()


def test_groups_tied_from_the_beginning_share_a_fold_also_by_way_of_others(tmp_path):
    one = Study(tmp_path, table(SIZES), repeats=2)
    videos = [f"v{number:04d}" for number in (0, 2, 5, 13)]
    refused = one.split(*itertools.pairwise(videos), ("v0000", "v0001"))
    folds = one.folds()
    assert refused == {} and len({tuple(folds[video]) for video in videos}) == 1
    assert one.outcomes()["v0000", "v0001"]["outcome"] == "same group"
    assert one.outcomes()["v0000", "v0002"]["outcome"] == "same fold"
    assert any("different labels" in note for note in one.notes) and one.outcomes()["v0005", "v0013"]["contradiction"]
    groups = {row.group: row.fold for row in read_splits(tmp_path / "splits.csv") if row.repeat == 0}
    assert max(list(groups.values()).count(fold) for fold in range(3)) <= 5, "folds stay about even"


def test_a_new_group_joins_the_fold_of_the_one_it_is_tied_to(tmp_path):
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        one = Study(folder, table(SIZES), repeats=2)
        one.split()
        before = (folder / "splits.csv").read_text().splitlines()
        one.add("new", "b", "fresh")
        one.add("new-too", "b", "fresh")
        assert one.split(("new", f"v{2 * number:04d}")) == {}
        folds = one.folds()
        assert folds["new"] == folds["new-too"] == folds[f"v{2 * number:04d}"]
        assert set(before) <= set((folder / "splits.csv").read_text().splitlines())


def test_nothing_moves_and_the_newer_video_is_refused(tmp_path):
    one = Study(tmp_path, table(SIZES))
    one.split()
    before = (tmp_path / "splits.csv").read_bytes()
    old, apart = one.apart()
    # Slugs before all others: it is newer since the file does not hold it.
    one.add("a-new", "a", one.group_of(apart))
    told = {"a-new": {"duplicate_of": old, "by": "pictures", "score": 0.9}}
    assert one.split(("a-new", old)) == told
    assert (tmp_path / "splits.csv").read_bytes() == before
    assert one.outcomes()["a-new", old]["outcome"] == "refused a-new"
    assert any(f"refused: duplicate_of:{old}" in note for note in one.notes)
    assert one.split(("a-new", old)) == told, "the next run says the same"
    left = tasks.read_labels(tmp_path / "labels.parquet", tmp_path / "refused.json")
    assert left.reasons[left.videos.index("a-new")] == f"duplicate_of:{old}"
    assert "a-new" in left.unlabelled() and "a-new" not in left.labelled().videos
    assert one.split() == {}, "without the pair it is there again"
    assert one.folds()["a-new"] == one.folds()[apart]


def test_of_two_old_videos_the_later_row_is_refused_and_stays_in_the_file(tmp_path):
    one = Study(tmp_path, table(SIZES))
    one.split()
    before = (tmp_path / "splits.csv").read_bytes()
    first, second = one.apart()
    for row in one.rows:
        row["line"] = 1000 - row["line"]
    assert set(one.split((first, second))) == {first}
    assert (tmp_path / "splits.csv").read_bytes() == before


def test_a_new_group_tied_to_two_folds_joins_one_and_loses_a_video(tmp_path):
    one = Study(tmp_path, table(SIZES))
    one.split()
    first, second = one.apart()
    one.add("x-1", "a", "fresh")
    one.add("x-2", "a", "fresh")
    refused = one.split(("x-1", first), ("x-2", second))
    assert refused == {"x-2": {"duplicate_of": second, "by": "pictures", "score": 0.9}}
    assert one.folds()["x-1"] == one.folds()[first] and "x-2" not in one.folds()
    assert one.split(("x-1", first), ("x-2", second)) == refused


def test_predefined_folds_refuse_the_later_row(tmp_path):
    rows = table(SIZES)
    for number, row in enumerate(rows):
        row["fields"]["fold"] = str(number // 2 % 3)
    one = Study(tmp_path, rows, folds="predefined")
    assert one.split(("v0000", "v0002"), ("v0000", "v0006")) == {
        "v0002": {"duplicate_of": "v0000", "by": "pictures", "score": 0.9}
    }
    assert one.split(("v0000", "v0002"), ("v0000", "v0006")).keys() == {"v0002"}


def test_unlabelled_videos_and_ignoring_tasks_refuse_nothing(tmp_path):
    one = Study(tmp_path, table(SIZES, unlabelled=2), duplicates="ignore")
    one.split()
    first, second = one.apart()
    assert one.split((first, second)) == {}
    one.task["duplicates"] = "refuse"
    assert one.split(("v0024", first), ("v0024", second)) == {} and one.outcomes() == {}


def test_too_few_groups_for_the_folds_are_told(tmp_path):
    one = Study(tmp_path, table({"a": [1] * 2, "b": [1] * 2}), min_groups="allow")
    with pytest.raises(SplitError, match=r"near-duplicates tie the groups .* to 2, fewer than the 3 folds"):
        one.split(("v0000", "v0001"), ("v0002", "v0003"))


def test_cells_of_the_table_are_no_formulas(tmp_path):
    rows = table(SIZES)
    for row in rows[:2]:
        row["fields"]["film"] = "=1+1"
    one = Study(tmp_path, rows)
    one.split(("v0000", "v0001"))
    assert one.outcomes()["v0000", "v0001"]["group"] == "'=1+1"


def test_tied_groups_are_one_group_inside_a_training_fold(tmp_path):
    """Classes of noise: copies in two groups would be known again in inner folds, and never in a test fold."""
    random = np.random.default_rng(0)
    rows = table({"a": [1] * 24, "b": [1] * 24, "c": [1] * 24})
    one = World(tmp_path, rows, TASK)
    videos = one.slugs()
    study = Study(tmp_path, rows)
    assert study.split(*zip(videos[::2], videos[1::2], strict=True)) == {}
    one.feature("seen", np.repeat(random.normal(size=(36, 8)), 2, axis=0))
    model = {"inputs": ["seen"], "head": "knn", "params": {"neighbors": 1}}
    assert accuracy(one.run("m", model, inner=3), "inner") > 0.7, "without knowing of the pairs"
    found = one.run("m", model, inner=3, refused=tmp_path / "refused.json")
    assert accuracy(found, "inner") < 0.6 and accuracy(found) < 0.6
    counted = [len(set(groups_of(one.labels, videos, told))) for told in (None, tmp_path / "refused.json")]
    assert counted == [72, 36], "intervals draw them together"
