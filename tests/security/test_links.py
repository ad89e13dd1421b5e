"""Symbolic links: sources may be links and are only read; what is written replaces a link, never what it points to."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from media import clips

from triptych.core import ended, live
from triptych.core.files import replace_bytes, temporary_name, writer_lock
from triptych.core.job import job
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import Entry, read_store, write_store
from triptych.encoders.shelf import Shelf
from triptych.learn.networks import base, spill
from triptych.learn.relabel_files import Parts
from triptych.media import fetch
from triptych.media.fetch_attempts import RunStop
from triptych.speech import shelf as speech_shelf
from triptych.speech.transcript import Transcript


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside.txt"
    path.write_bytes(b"not ours")
    return path


def test_a_link_among_the_results_is_replaced_not_followed(tmp_path, outside):
    link = tmp_path / "results" / "a.json"
    link.parent.mkdir()
    link.symlink_to(outside)
    replace_bytes(link, b"ours")
    assert not link.is_symlink() and link.read_bytes() == b"ours"
    assert outside.read_bytes() == b"not ours"


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path, outside):
    path = tmp_path / "a.json"
    temporary_name(path).symlink_to(outside)
    replace_bytes(path, b"ours")
    assert path.read_bytes() == b"ours" and outside.read_bytes() == b"not ours"
    assert not os.path.lexists(temporary_name(path))


def test_stages_replace_links_at_their_places(tmp_path, outside):
    from triptych.core.config import Audio, Limits
    from triptych.core.status import Manifest
    from triptych.media import unit

    paths = Paths("s", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))
    clip = clips.write(tmp_path / "clip.mp4", sound=clips.tone(0.3))
    (tmp_path / "linked.mp4").symlink_to(clip)
    for place in ("probe/a.json", "audio/a.json", "audio/a.flac", "audio/a.mp3"):
        link = tmp_path / "results" / "s" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(outside)
    for name in ("a.mp3", "a.flac"):
        temporary_name(tmp_path / "results" / "s" / "audio" / name).symlink_to(outside)
    before = clip.read_bytes()
    videos = [{"slug": "a", "source": str(tmp_path / "linked.mp4"), "url": False}]
    for stage, params in (("probe", {}), ("audio", Audio().model_dump())):
        unit.run_stage(stage, videos, paths, params, Limits(wall_seconds=60).model_dump())
        assert Manifest.read(paths.manifest(stage, "a")).outcome.ok
    assert outside.read_bytes() == b"not ours" and clip.read_bytes() == before
    assert not [one for one in (tmp_path / "results" / "s").rglob("*") if one.is_symlink()]
    assert not fetch.drop_source(paths, "a")
    assert clip.is_file() and (tmp_path / "linked.mp4").is_symlink()


def test_a_linked_shard_is_read_by_its_content_and_replaced_as_a_link(tmp_path):
    entry = Entry("a", "k", arrays={"x": np.ones((2, 3))}, times={"x": np.zeros((2, 2))})
    elsewhere = tmp_path / "elsewhere.h5"
    write_store(elsewhere, [entry])
    link = tmp_path / "0.h5"
    link.symlink_to(elsewhere)
    assert set(read_store(link)[0]) == {"a"}
    kept = elsewhere.read_bytes()
    write_store(link, [])
    assert not link.is_symlink() and elsewhere.read_bytes() == kept


def test_the_disk_use_of_a_study_counts_no_links(tmp_path, outside):
    from triptych.commands.status import disk_use

    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "all").symlink_to("/")
    (tmp_path / "results" / "one").symlink_to(outside)
    (tmp_path / "results" / "own").write_bytes(b"1234")
    assert disk_use(tmp_path / "results") == 4


@pytest.fixture
def folder(tmp_path):
    """Somebody's folder, with files whose names end as ours do."""
    path = tmp_path / "theirs"
    path.mkdir()
    for name in ("package.json", "model.h5", "lines.jsonl"):
        (path / name).write_bytes(b"not ours")
    return path


def untouched(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(
        ("package.json", "model.h5", "lines.jsonl"), b"not ours"
    )


@pytest.mark.parametrize("place", [".", "jobs", "failed"])
def test_linked_folders_of_records_are_replaced_and_nothing_there_is_removed(tmp_path, folder, place):
    records = tmp_path / "s" / ".live"
    link = records / place
    link.parent.mkdir(parents=True)
    link.symlink_to(folder)
    job = "embed_shard shard=0"
    ended.succeeded(str(records), job)
    assert live.jobs(str(records), sweep=True) == ended.recorded(str(records)) == []
    ended.forget(str(records))
    with live.working(str(records), job):
        assert len(live.jobs(str(records))) == 1
    ended.stopped(str(records), job, [], "why", None)
    run = live.begin_run("results/s", str(records))
    assert not link.is_symlink() and len(ended.recorded(str(records))) == 1
    run.end()
    assert untouched(folder)


def test_a_link_that_names_records_of_others_leads_to_no_removal(tmp_path):
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    ended.stopped(str(theirs), "a job", [], "why", None)
    ours.symlink_to(theirs)
    ended.succeeded(str(ours), "a job")
    ended.forget(str(ours))
    assert len(ended.recorded(str(theirs))) == 1


def test_a_linked_folder_of_locks_is_replaced(tmp_path, folder):
    (tmp_path / ".locks").symlink_to(folder)
    with writer_lock(tmp_path / "out.h5"):
        assert (tmp_path / ".locks" / "out.h5.lock").is_file()
    assert untouched(folder)


@pytest.mark.parametrize("place", ["spare", "0.parts"])
def test_nothing_is_written_or_removed_through_folders_of_a_shelf(tmp_path, folder, place):
    shelf = Shelf(tmp_path / "picture" / "0.h5", shards=1)
    (tmp_path / "picture").mkdir()
    (tmp_path / "picture" / place).symlink_to(folder)
    shelf.spill([Entry("b", "k")])
    shelf.replace([Entry("b", "k")], {})
    write_store(shelf.out, [Entry("a", "k"), Entry("b", "k")], {"shards": 3})
    Shelf(shelf.out, shards=9).replace([Entry("b", "k")], {})  # `a` is of another shard now
    shelf.set_aside()
    shelf.replace([Entry("b", "k")], {})
    assert untouched(folder)


@pytest.mark.parametrize("place", ["spare", "0.parts"])
def test_nothing_is_written_or_removed_through_folders_of_transcripts(tmp_path, folder, place):
    shelf = speech_shelf.Shelf(tmp_path / "captions" / "0.jsonl", 1)
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / place).symlink_to(folder)
    line = Transcript("a", "captions", Outcome("absent", "no_captions"), key="ab" * 32)
    shelf.spill(line)
    shelf.replace([line])
    speech_shelf.Shelf(shelf.out, 9).replace([line])
    assert untouched(folder)


def test_nothing_is_written_through_folders_of_fits_and_checkpoints(tmp_path, folder, monkeypatch):
    fits = spill.Fits(tmp_path / "m.parquet", checkpoint=tmp_path / "checkpoints" / "m", task="topic")
    fits.checkpoint.parent.mkdir()
    for link in (fits.parts, fits.checkpoint):
        link.symlink_to(folder)
    network = SimpleNamespace(save=lambda folder, *_: folder.mkdir())
    monkeypatch.setattr(base, "make", lambda *_, **__: network)
    monkeypatch.setattr(spill.Fits, "_key", lambda *_: "k")
    monkeypatch.setattr(spill, "_fitted", lambda *_: np.ones((1, 2)))
    problem = SimpleNamespace(model=None, blocks=(), multi=False, threads=1, data=SimpleNamespace(classes=["a", "b"]))
    with fits.collected():
        fits.fit_predict(problem, np.arange(1), np.arange(1), 0, whole=True)
        assert (fits.parts / "k.h5").is_file() and not fits.parts.is_symlink()
    assert fits.checkpoint.is_dir() and not fits.checkpoint.is_symlink()
    assert untouched(folder)


def test_a_spare_that_is_not_ours_or_damaged_stays(tmp_path):
    spare = tmp_path / "spare"
    spare.mkdir()
    kept = [spare / "theirs.h5", spare / f"{'0a' * 8}.h5"]
    for path in kept:
        path.write_bytes(b"damaged")
    write_store(spare / f"{'0b' * 8}.h5", [Entry("a", "k")])
    Shelf(tmp_path / "0.h5", shards=1).replace([Entry("a", "k")], {})
    assert sorted(path for path in spare.iterdir() if path.is_file()) == sorted(kept)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_benchmark_is_not_written_through_a_link(tmp_path, monkeypatch, outside, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ})
    paths = Paths("s")
    place = tmp_path / paths.benchmark("probe", "shards/a.b")
    place.parent.mkdir(parents=True)
    if kind == "link":
        place.symlink_to(outside)
    else:
        os.mkfifo(place)
    config = {"study": "s", "results": "results", "media_dir": "data/media", "splits_dir": "data/splits"}
    told = {"rule": "probe_video", "wildcards": {}, "threads": 1, "config": config, "input": [], "output": []}
    with job(SimpleNamespace(log=[paths.log("probe", "shards/a.b")], **told)):
        assert not os.path.lexists(place)
    assert outside.read_bytes() == b"not ours"


def test_lines_are_not_added_through_a_link(tmp_path, outside):
    parts = Parts(tmp_path / "zero.parquet")
    parts.path.symlink_to(outside)
    parts.keep([("k", [0.5])])
    parts.keep([("l", [1.0])])
    stop = RunStop(Paths("s", str(tmp_path / "results")), "run", 2)
    stop.path.parent.mkdir(parents=True)
    stop.path.symlink_to(outside)
    stop.count_429("host.example")
    assert list(parts.read()) == [("k", [0.5]), ("l", [1.0])] and not stop.path.is_symlink()
    assert outside.read_bytes() == b"not ours"
