"""A request changes the parameter of those jobs of the media stages that another attempt may mend, once."""

from pathlib import Path

import pytest

from triptych.core import retry
from triptych.core.config import Study
from triptych.core.corpus import read_corpus
from triptych.core.files import replace_json
from triptych.core.paths import ARTEFACTS, MEDIA_STAGES
from triptych.core.plan import Plan
from triptych.core.status import OK, Manifest, Outcome
from triptych.media import unit

IDS = ("good", "late", "broken", "other")


def plan(kind="video"):
    study = Study.model_validate({"study": "s", "corpus": "videos.csv", "unit": kind, "shards": 1})
    return Plan(study, read_corpus("videos.csv"))


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("videos.csv").write_text("id,source\n" + "".join(f"{name},{name}.mp4\n" for name in IDS))
    paths = plan().paths
    outcomes = (OK, Outcome("failed", "timeout", "x"), Outcome("failed", "unreadable", "x"), OK)
    for name, outcome in zip(IDS, outcomes, strict=True):
        record(paths, name, outcome)
    return paths


def record(paths, name, outcome):
    target = Path(paths.manifest("keyframes", name))
    Manifest(name, "keyframes", outcome).write(target)
    for ending in ARTEFACTS["keyframes"] if outcome.ok else ():
        target.with_suffix(f".{ending}").touch()


def tokens(kind="video"):
    made = plan(kind)
    return {(stage, one) for stage in MEDIA_STAGES[1:] for one in made.units for _ in range(made.retry(stage, one))}


def test_the_reasons_are_those_that_the_stages_try_again():
    assert retry.UNSETTLED == unit.UNSETTLED


def test_a_request_counts_for_what_ended_by_a_limit(paths):
    assert tokens() == set()
    retry.request(paths)
    assert tokens() == {("keyframes", "late")}
    record(paths, "late", OK)
    assert tokens() == {("keyframes", "late")}
    retry.request(paths)
    assert plan().retry("keyframes", "late") == 1
    record(paths, "late", Outcome("failed", "crashed", "x"))
    retry.request(paths)
    assert plan().retry("keyframes", "late") == 2


@pytest.mark.parametrize("kind", ["video", "shard"])
def test_a_request_counts_for_what_lost_a_file(paths, kind):
    record(paths, "late", OK)
    (shard,) = plan("shard").units
    replace_json(paths.shard_manifest("keyframes", shard), {"videos": dict.fromkeys(IDS, "")})
    retry.request(paths)
    assert tokens(kind) == set()
    Path(paths.manifest("keyframes", "late")).with_suffix(".jpg").unlink()
    retry.request(paths)
    assert tokens(kind) == {("keyframes", "late" if kind == "video" else shard)}


def test_a_request_counts_for_the_shard(paths):
    (shard,) = plan("shard").units
    replace_json(paths.shard_manifest("keyframes", shard), {"videos": dict.fromkeys(IDS, "")})
    retry.request(paths)
    assert tokens("shard") == {("keyframes", shard)}


@pytest.mark.parametrize("left", [None, "{"])
def test_a_request_counts_for_a_shard_that_lost_a_manifest(paths, left):
    (shard,) = plan("shard").units
    replace_json(paths.shard_manifest("probe", shard), {"videos": {"good": ""}})
    Manifest("good", "probe", OK).write(paths.manifest("probe", "good"))
    retry.request(paths)
    assert plan("shard").retry("probe", shard) == 0
    target = Path(paths.manifest("probe", "good"))
    target.unlink() if left is None else target.write_text(left)
    retry.request(paths)
    assert plan("shard").retry("probe", shard) == 1


def test_of_a_shard_of_downloads_only_a_lost_manifest_counts(paths):
    """A download that failed has its note; only what has neither note nor manifest is asked for here."""
    (shard,) = plan("shard").units
    replace_json(paths.shard_manifest("fetch", shard), {"videos": {"good": "", "late": ""}})
    Manifest("good", "fetch", OK).write(paths.manifest("fetch", "good"))
    Manifest("late", "fetch", Outcome("failed", "timeout", "x", transient=True)).write(paths.manifest("fetch", "late"))
    retry.request(paths)
    assert plan("shard").retry("fetch", shard) == 0
    Path(paths.manifest("fetch", "good")).unlink()
    retry.request(paths)
    assert plan("shard").retry("fetch", shard) == 1
