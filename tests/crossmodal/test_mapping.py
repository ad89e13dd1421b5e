"""Mappings of planted features: what is shared is found, what is not stays within the nulls, and nothing leaks."""

import csv
import io
import json

import numpy as np
import pytest
from crossmodal.world import World, linked, of_pair

from triptych.crossmodal import mapping
from triptych.crossmodal.mapping_corpus import Corpus
from triptych.learn import tasks
from triptych.learn.inputs import FeatureBlock
from triptych.learn.predict import LeakError

METHODS = ["ridge", "pls", "cca", "mlp", "infonce"]
#: Networks of a test: small, and soon done.
FAST = {name: {"hidden": 32, "epochs": 60, "patience": 10, "learning_rate": 0.01} for name in ("mlp", "infonce")}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def shared(world):
    for name, values in zip(("one", "two"), linked(world), strict=True):
        world.feature(name, values)
    return world.run("one", "two", methods=METHODS, params=FAST)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_shared_is_found(shared, method):
    for pair in shared["pairs"]:
        facts = pair["methods"][method]
        recall = facts["scores"]["r1"]
        assert recall["value"] > 5 * pair["chance"]["r1"] and facts["permuted"]["r1"]["p"] < 0.02
        assert recall["low"] <= recall["value"] <= recall["high"]
        assert facts["scores"]["cosine"]["value"] > 0.5 and facts["permuted"]["cosine"]["p"] < 0.02
        assert facts["scores"]["median_rank"]["value"] <= 3 < facts["permuted"]["median_rank"]["mean"]
        assert abs(facts["permuted"]["r5"]["mean"] - pair["chance"]["r5"]) < 0.05


def test_predictions_regress_to_the_mean(shared):
    for pair in shared["pairs"]:
        assert 0 < pair["methods"]["ridge"]["scores"]["variance_ratio"]["value"] < 1
        assert pair["nulls"]["mean"]["variance_ratio"] == pair["nulls"]["mean"]["cosine"] == 0
        assert pair["nulls"]["mean"]["r5"] <= pair["chance"]["r5"]


def test_files_are_the_same_bytes_and_hold_the_same_numbers(world, shared):
    world.run("one", "two", methods=METHODS, params=FAST, out="again")
    for suffix in ("csv", "json", "svg"):
        assert (world.folder / f"out.{suffix}").read_bytes() == (world.folder / f"again.{suffix}").read_bytes()
    rows = list(csv.DictReader(io.StringIO((world.folder / "out.csv").read_text())))
    assert [(row["source"], row["target"], row["method"]) for row in rows] == [
        (a, b, method) for a, b in (("one", "two"), ("two", "one")) for method in METHODS
    ]
    told = json.loads((world.folder / "out.json").read_text())
    for row in rows:
        facts = of_pair(told, row["source"], row["target"])["methods"][row["method"]]
        assert float(row["r1"]) == pytest.approx(facts["scores"]["r1"]["value"], abs=1e-6)
        assert float(row["p_r1"]) == pytest.approx(facts["permuted"]["r1"]["p"], abs=1e-6)
        assert int(row["n"]) == len(world) and int(row["groups"]) == 30


def test_independent_features_stay_within_the_null():
    """A canary: films are alike in both features, but nothing of one tells the other."""
    random, films = np.random.default_rng(0), np.repeat(np.arange(24), 2)
    names, present = [f"v{film}" for film in films], np.ones(48, dtype=bool)
    labels = tasks.Labels(names, [("ab"[film % 2],) for film in films], names, *[[None] * 48] * 3)
    section = mapping.Section(features=["one", "two"], task="topic", methods=["ridge", "cca"], permutations=100)
    drawn = {method: [] for method in section.methods}
    for _ in range(20):
        blocks = {}
        for name in section.features:
            values = 3 * random.normal(size=(24, 8))[films] + random.normal(size=(48, 8))
            blocks[name] = FeatureBlock(name, values, present, names)
        told = mapping.measure(Corpus(labels, films[None] % 3, blocks), section, 20, 0)
        for method, facts in told["pairs"][0]["methods"].items():
            drawn[method].append([facts["permuted"][name]["p"] for name in ("cosine", "r5", "median_rank")])
    for method, p in drawn.items():
        # Of 20 worlds one is below by chance; four or more are in 1.6 % of cases.
        assert (np.array(p) <= 0.05).sum(axis=0).max() <= 3, method
        assert 0.35 < np.mean(p) < 0.65, method


@pytest.mark.parametrize("method", ["pls", "mlp", "infonce"])
def test_independent_features_teach_no_method_anything(tmp_path, method):
    world, random = World(tmp_path), np.random.default_rng(1)
    for name in ("one", "two"):
        world.feature(name, random.normal(size=(len(world), 8)))
    told = world.run("one", "two", methods=[method], params={method: FAST.get(method, {})}, permutations=400)
    for pair in told["pairs"]:
        # Five scores of two pairs: the least of ten is below .01 in a tenth of all worlds at most.
        assert all(null["p"] > 0.01 for null in pair["methods"][method]["permuted"].values())


def test_the_class_null_is_what_the_class_alone_gives(tmp_path):
    world, random = World(tmp_path), np.random.default_rng(1)
    classes = np.array([row["fields"]["topic"] == "a" for row in world.rows])
    for name in ("one", "two"):
        world.feature(name, 4 * classes[:, None] + random.normal(size=(len(world), 6)))
    pair = world.run("one", "two", methods=["ridge"])["pairs"][0]
    ridge = {name: score["value"] for name, score in pair["methods"]["ridge"]["scores"].items()}
    assert pair["nulls"]["class"]["cosine"] > 0.5
    # Nothing but the class is shared: the mapping is above permuted pairs, and not above its class centroid.
    assert pair["methods"]["ridge"]["permuted"]["cosine"]["p"] < 0.02
    assert ridge["cosine"] <= pair["nulls"]["class"]["cosine"] + 0.05


def test_videos_without_a_feature_are_left_out_and_counted(tmp_path):
    world = World(tmp_path)
    one, two = linked(world)
    mask = np.arange(len(world)) % 5 != 0
    one[~mask] = np.nan
    world.feature("one", one, mask)
    world.feature("two", two)
    pair = of_pair(world.run("one", "two", methods=["ridge"]), "two", "one")
    assert pair["n"] == mask.sum() and pair["left_out"] == {"no_source": 0, "no_target": 12}
    assert sum(fold["test"] for fold in pair["folds"]) == mask.sum()


def odd_features(world):
    random = np.random.default_rng(3)
    return {
        "narrow": random.normal(size=(len(world), 1)),
        "constant": np.full((len(world), 3), 7.0),
        "partly": np.concatenate([np.full((len(world), 2), 1e6), random.normal(size=(len(world), 2))], axis=1),
        "wide": random.normal(size=(len(world), 300)),
        "same": np.repeat(random.normal(size=(1, 2)), len(world), axis=0),
    }


def test_odd_features_are_mapped_all_the_same(tmp_path):
    """One column, constant columns, more columns than videos, in folds of few videos."""
    world = World(tmp_path, films=9, clips=1)
    made = odd_features(world)
    for name, values in made.items():
        world.feature(name, values)
    fast = {name: {"epochs": 2} for name in ("mlp", "infonce")}
    told = world.run(*made, methods=METHODS, params=fast)
    assert len(told["pairs"]) == 20
    for pair in told["pairs"]:
        for facts in pair["methods"].values():
            assert all(np.isfinite(facts["scores"][name]["value"]) for name in ("cosine", "r1", "r5", "median_rank"))
        if pair["source"] in ("constant", "same"):
            for facts in pair["methods"].values():
                assert (
                    facts["scores"]["cosine"]["value"] == 0 and facts["scores"]["r1"]["value"] <= pair["chance"]["r1"]
                )
    assert "" in {row["variance_ratio"] for row in csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))}


def test_a_pair_without_videos_is_noted_and_nothing_at_all_is_a_message(tmp_path):
    world = World(tmp_path)
    one, two = linked(world)
    few = np.zeros(len(world), dtype=bool)
    few[:1] = True
    world.feature("one", one)
    world.feature("two", two)
    world.feature("rare", two, few)
    told = world.run("one", "two", "rare", methods=["ridge"])
    rare = of_pair(told, "one", "rare")
    assert rare["n"] == 0 and rare["methods"] == {} and "too few videos have both one and rare (1)" in rare["note"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert sum(row["note"] != "" and row["r1"] == "" for row in rows) == 4 and len(rows) == 6
    with pytest.raises(mapping.MappingError, match=r"60 labelled videos; with one 60, rare 1"):
        world.run("one", "rare", methods=["ridge"])


def test_a_group_on_both_sides_is_refused(tmp_path):
    world = World(tmp_path, films=6)
    for name, values in zip(("one", "two"), linked(world), strict=True):
        world.feature(name, values)
    text = (tmp_path / "splits.csv").read_text().splitlines()
    first = next(number for number, line in enumerate(text) if line.startswith("v000-0"))
    text[first] = text[first][:-1] + str((int(text[first][-1]) + 1) % 3)
    (tmp_path / "splits.csv").write_text("\n".join(text) + "\n")
    with pytest.raises(LeakError, match="f000"):
        world.run("one", "two", methods=["ridge"])


def test_faults_of_a_section_are_told():
    section = mapping.Section(
        features=["one", "rows", "one"],
        task="topic",
        methods=["ridge"],
        params={"ridge": {"penalti": 1}, "pls": {"components": 2}, "nope": {}, "cca": {"components": 0}},
    )
    told = mapping.faults("pairs", section, {"one": "mean", "rows": "sequence"})
    assert len(told) == 7 and "mapping.pairs.features: 'one' is named twice" in told
    assert any("'rows' is a sequence" in one for one in told)
    assert any("did you mean 'penalty'?" in one for one in told)
    assert any("mapping.pairs.params.nope: there is no such method" in one for one in told)
    assert any("params.cca.components: must be at least 1" in one for one in told)
