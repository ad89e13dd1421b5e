"""What a job does when it stops: damaged inputs are removed, a full disk is a line, a bug keeps its traceback."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from triptych.core import damage, sealed
from triptych.core.files import DamagedFile
from triptych.core.hdf import write_arrays
from triptych.core.job import job
from triptych.core.paths import Paths
from triptych.core.status import OK, Manifest


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ})
    return tmp_path


def rule(*inputs):
    """What a script of a rule has."""
    config = {"study": "s", "results": "results", "media_dir": "data/media", "splits_dir": "data/splits"}
    return SimpleNamespace(
        rule="pool_feature",
        input=[str(one) for one in inputs],
        output=["results/s/features/x.h5"],
        log=["results/s/logs/features/x.log"],
        wildcards={"feature": "x"},
        threads=1,
        config=config,
    )


def stopped(snakemake, error):
    """What a job tells that stops over an exception; None when it is raised on."""
    try:
        with job(snakemake):
            raise error
    except SystemExit as end:
        assert end.code == 1
        (log,) = snakemake.log
        text = Path(log).read_text()
        assert "Traceback" not in text and "Traceback" in Path(f"{log}.traceback").read_text()
        return text
    except BaseException as raised:
        assert raised is error
        return None


def files(root):
    sealed.write_json(root / "a.json", {"n": 1})
    sealed.write_lines(root / "a.jsonl", [{"n": 1}, {"n": 2}])
    write_arrays(root / "a.h5", {}, {"n": 1})
    return [root / name for name in ("a.json", "a.jsonl", "a.h5")]


@pytest.mark.fault(3)
def test_only_what_is_damaged_and_ours_is_removed(place, capsys):
    root, other = place / "results" / "s", place / "mine.json"
    whole, cut = files(root / "whole"), files(root / "cut")
    for path in cut:
        path.write_bytes(path.read_bytes()[:-3])
    other.write_text("{")
    (root / "table.csv").write_text("a,b\n")
    told = stopped(rule(*whole, *cut, other, root / "table.csv", root / "gone.json"), KeyError("whatever"))
    assert "pool_feature stopped: damaged files were removed; run snakemake again" in told
    assert told.count("/cut/a.") == 3 and "whole" not in told and "mine.json" not in told
    assert capsys.readouterr().err.count("/cut/a.") == 3
    assert other.exists() and (root / "table.csv").exists() and all(path.exists() for path in whole)
    assert not any(path.exists() for path in cut)


@pytest.mark.fault(3)
def test_a_manifest_that_no_rule_names_goes_with_that_of_its_shard(place):
    paths = Paths("s")
    for video in ("a", "b"):
        Manifest(video, "audio", OK).write(paths.manifest("audio", video))
        sealed.write_json(paths.shard_manifest("audio", video), {"videos": {video: "digest"}})
    broken = place / paths.manifest("audio", "a")
    broken.write_text(broken.read_text()[:-9])
    with pytest.raises(DamagedFile) as caught:
        Manifest.read(paths.manifest("audio", "a"))
    told = stopped(rule(paths.shard_manifest("audio", "a"), paths.shard_manifest("audio", "b")), caught.value)
    assert "audio/a.json is damaged" in told
    left = sorted(str(path.relative_to(place / "results/s/audio")) for path in (place / "results").rglob("*/?.json"))
    assert left == ["b.json", "shards/b.json"]


@pytest.mark.fault(4)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_a_disk_refuses_is_one_line(place, number):
    told = stopped(rule(), OSError(number, os.strerror(number), "results/s/x.h5"))
    (line,) = told.splitlines()
    assert f"results/s/x.h5: {os.strerror(number)}" in line and "run snakemake again" in line
    assert "results/s/features/x.h5: " in stopped(rule(), OSError(number, os.strerror(number)))


@pytest.mark.fault(3)
def test_what_another_job_has_just_removed_is_told(place):
    told = stopped(rule("results/s/gone.h5"), FileNotFoundError("results/s/gone.h5 is not there"))
    assert "results/s/gone.h5 has gone since the run began" in told and "run snakemake again" in told


def test_a_bug_is_raised_on_with_whole_inputs(place, capsys):
    whole = files(place / "results" / "s")
    assert stopped(rule(*whole), ZeroDivisionError("a bug")) is None
    assert "Traceback" in capsys.readouterr().err and all(path.exists() for path in whole)
    assert stopped(rule(), KeyboardInterrupt()) is None


def test_causes_are_looked_at_too():
    try:
        try:
            raise DamagedFile("a.json", "why")
        except DamagedFile as error:
            raise RuntimeError("more") from error
    except RuntimeError as error:
        assert [str(path) for path in damage.named(error)] == ["a.json"]
    assert damage.named(ValueError("x")) == []
