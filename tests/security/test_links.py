"""Symbolic links: sources may be links and are only read; what is written replaces a link, never what it points to."""

import os

import numpy as np
import pytest
from media import clips

from triptych.core.files import replace_bytes, temporary_name
from triptych.core.store import Entry, read_store, write_store
from triptych.media import fetch


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
    from triptych.core.paths import Paths
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
