"""Seeds: several fits of a model, each its own rows; numbers are means over them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from learn.world import World, planted, table

from triptych.core.config import Model
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.paired import same_videos, video_scores
from triptych.evaluate.predictions import PredictionsError, read
from triptych.learn import seeds
from triptych.learn.params import validate
from triptych.learn.table import read_predictions, runs_of

TASK = {"label": "topic", "group": "film", "folds": 2, "repeats": 2, "seed": 5}
TREES = {"inputs": ["seen"], "head": "forest", "params": {"n_estimators": 3}}
EVALUATE = {"bootstrap": 100, "seed": 0}


@pytest.fixture
def world(tmp_path) -> World:
    rows = table({name: [2] * 5 for name in "abc"}, 3)
    one = World(tmp_path, rows, TASK).prepare()
    one.feature("seen", planted(rows, 6, 0.7, 1))
    return one


def test_networks_are_fitted_five_times_and_others_once_unless_told():
    assert seeds.count(Model(inputs=["f"], head="mlp")) == seeds.count(Model(inputs=["f"], head="conv1d")) == 5
    assert seeds.count(Model(inputs=["f"], head="svc")) == 1
    assert seeds.count(Model(inputs=["f"], head="mlp", seeds=2)) == 2
    known = {seeds.of(7, repeat, run) for repeat in range(100) for run in range(100)}
    assert len(known) == 10_000 and seeds.of(7, 3, 0) == 10


def test_the_first_run_is_the_single_fit_and_the_others_differ(world):
    world.run("once", TREES, inner=2)
    world.run("thrice", {**TREES, "seeds": 3}, inner=2)
    once, thrice = (read_predictions(world.folder / f"{name}.parquet", list("abc")) for name in ("once", "thrice"))
    assert runs_of(once) == 1 and runs_of(thrice) == 3
    for key, part in once.items():
        if key[0] != "new":
            assert (thrice[key].probability == part.probability).all() and thrice[key].seed == part.seed
            later = thrice[(*key[:3], 2)]
            assert (later.probability != part.probability).any() and later.seed == part.seed + 2000
            assert later.videos == part.videos
    runs = [
        world.run("one", {**TREES, "seeds": 1}) and read_predictions(world.folder / "one.parquet", list("abc"))
        for world.task in ({**TASK, "seed": 5 + 1000 * run, "repeats": 1} for run in range(3))
        if _same_splits(world)
    ]
    mean = np.mean([one["new", 0, -1, 0].probability for one in runs], axis=0)
    new = thrice["new", 0, -1, 0]
    assert new.probability == pytest.approx(mean, abs=1e-9) and new.seed == 5 and ("new", 0, -1, 1) not in thrice


@pytest.mark.parametrize("use", ["autoencoder", "supervised"])
def test_a_network_that_reduces_has_the_seed_of_the_run(world, use):
    pytest.importorskip("torch")
    model = {"inputs": ["seen"], "head": "logistic", "reduce": {"use": use, "width": 2}, "seeds": 2}
    world.run("m", model)
    parts = read_predictions(world.folder / "m.parquet", list("abc"))
    assert (parts["test", 0, 0, 0].probability != parts["test", 0, 0, 1].probability).any()


def _same_splits(world) -> bool:
    """Splits of the task's first repeat alone: unlabelled videos are predicted by fits that read no fold."""
    from triptych.learn.splits import update_splits

    world.splits.unlink()
    update_splits(world.labels, world.splits, world.task)
    return True


def test_metrics_are_means_over_seeds_and_tell_how_far_they_spread(world):
    world.run("m", {**TREES, "seeds": 3})
    rows = pq.read_table(world.folder / "m.parquet", filters=[("role", "=", "test")]).to_pandas()
    right = rows[rows.truth].assign(hit=lambda table: table.decision)
    by_seed = right.groupby(["repeat", "seed"]).hit.mean()
    told = evaluate_model(
        world.folder / "m.parquet",
        world.labels,
        world.folder / "m.json",
        task="t",
        model="m",
        spec={},
        evaluate=EVALUATE,
    )
    assert (told["repeats"], told["seeds_n"], told["seeds"]) == (2, 3, [5, 6, 1005, 1006, 2005, 2006])
    assert told["all"]["accuracy"]["value"] == pytest.approx(by_seed.mean())
    of_run = by_seed.groupby([seed // 1000 for _, seed in by_seed.index]).mean()
    assert of_run.nunique() > 1 and told["sd_seeds"] == pytest.approx(np.std(of_run, ddof=1))
    assert [(row["repeat"], row["fold"]) for row in told["per_fold"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    fold = right[(right.repeat == 1) & (right.outer == 0)]
    assert told["per_fold"][2]["accuracy"] == pytest.approx(fold.groupby("seed").hit.mean().mean())
    assert told["per_fold"][2]["n"] == fold.video.nunique()
    one = read(world.folder / "m.parquet")
    assert [(entry.number, entry.seed) for entry in one.repeats[:3]] == [(0, 5), (0, 1005), (0, 2005)]
    assert video_scores(one) == pytest.approx(right.groupby("video").hit.mean().to_numpy())


def test_models_with_different_numbers_of_seeds_are_compared(world):
    world.run("m", {**TREES, "seeds": 3})
    world.run("o", TREES)
    found = {name: read(world.folder / f"{name}.parquet") for name in "mo"}
    same_videos(found)
    moved = pq.read_table(world.folder / "m.parquet").to_pylist()
    for row in moved:
        row["outer"] = 1 - row["outer"] if row["seed"] == 1005 else row["outer"]
    pq.write_table(
        pa.Table.from_pylist(moved, schema=pq.read_schema(world.folder / "m.parquet")), world.folder / "x.parquet"
    )
    with pytest.raises(PredictionsError, match="different folds"):
        same_videos({**found, "x": read(world.folder / "x.parquet")})


def test_a_repeat_that_lacks_a_seed_cannot_be_scored(world):
    world.run("m", {**TREES, "seeds": 2})
    rows = [row for row in pq.read_table(world.folder / "m.parquet").to_pylist() if row["seed"] != 1006]
    pq.write_table(pa.Table.from_pylist(rows), world.folder / "x.parquet")
    with pytest.raises(PredictionsError, match="different numbers of seeds"):
        read(world.folder / "x.parquet")


@pytest.mark.parametrize("head", ["mean", "logistic"])
def test_a_fusion_has_the_seeds_of_its_member_with_most(world, head):
    world.run("three", {**TREES, "seeds": 3}, inner=2)
    world.run("two", {**TREES, "seeds": 2, "params": {"n_estimators": 4}}, inner=2)
    world.run("late", {"fusion": "late", "members": ["three", "two"], "head": head})
    three, two, late = (
        read_predictions(world.folder / f"{name}.parquet", list("abc")) for name in ("three", "two", "late")
    )
    assert runs_of(late) == 3 and ("new", 0, -1, 0) in late
    if head == "mean":
        for run in range(3):
            joined = (three["test", 1, 0, run].probability + two["test", 1, 0, run % 2].probability) / 2
            assert late["test", 1, 0, run].probability == pytest.approx(joined, abs=1e-9)


def test_seeds_of_a_fusion_are_those_of_its_members():
    (told,) = validate({"fusion": "late", "members": ["a", "b"], "head": "mean", "seeds": 3}, "late")
    assert told.startswith("models.late.seeds: it has as many seeds as the one of its members with most")
