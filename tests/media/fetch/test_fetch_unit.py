"""Downloads of a shard in one job: the same bytes as one job a video, and only what is due is asked for."""

import subprocess
import sys
import time
from pathlib import Path

from triptych.core import retry
from triptych.core.files import digest_file, read_json, replace_json
from triptych.core.paths import Paths
from triptych.core.status import Manifest
from triptych.media import fetch_unit

from .conftest import drip, in_turn, parameters, refuse, serve

VIDEOS = ("a", "b", "c")


def sources(site):
    return [(slug, f"{site.url}/{slug}.mp4") for slug in VIDEOS]


def shard(paths, site, **changes):
    """One shard's job as its rule runs it; what was asked of the server."""
    params = parameters(**{"retries": 0, **changes})
    site.log.clear()
    tokens = dict(fetch_unit.Tokens(paths, params).of(VIDEOS))
    fetch_unit.run_unit(sources(site), paths, params, tokens, shard="0")
    return [path for path, _ in site.log]


def statuses(paths):
    return {slug: Manifest.read(paths.manifest("fetch", slug)).outcome.reason for slug in VIDEOS}


def test_a_shard_gives_the_bytes_of_one_job_a_video(site, paths, clip, tmp_path):
    site.pages |= {"/a.mp4": serve(clip), "/b.mp4": refuse(500), "/c.mp4": serve(clip[:-1000])}
    alone = Paths("demo", str(tmp_path / "alone/results"), str(tmp_path / "alone/media"), str(tmp_path / "splits"))
    for one in sources(site):
        fetch_unit.run_unit([one], alone, parameters(retries=0), {})
    shard(paths, site)
    for slug in VIDEOS:
        one, other = (Path(where.manifest("fetch", slug)) for where in (alone, paths))
        assert one.read_bytes() == other.read_bytes()
    assert statuses(paths) == {"a": None, "b": "http_500", "c": None}
    told = read_json(paths.shard_manifest("fetch", "0"))
    assert told["videos"] == {slug: digest_file(paths.manifest("fetch", slug)) for slug in VIDEOS}
    assert not Path(alone.shard_manifest("fetch", "0")).exists()


def test_only_what_is_due_is_asked_for(site, paths, clip):
    site.pages |= {"/a.mp4": serve(clip), "/b.mp4": in_turn(refuse(500), serve(clip)), "/c.mp4": refuse(404)}
    shard(paths, site)
    assert statuses(paths) == {"a": None, "b": "http_500", "c": "http_404"}
    assert shard(paths, site) == []  # the job runs for another reason: no failure is due
    note = read_json(paths.attempts("b"))
    replace_json(paths.attempts("b"), {**note, "failed_at": time.time() - 13 * 3600})
    assert fetch_unit.Tokens(paths, parameters()).of(VIDEOS) == [("b", 1)]
    assert set(shard(paths, site)) == {"/b.mp4"}
    assert statuses(paths) == {"a": None, "b": None, "c": "http_404"}
    retry.request(paths)
    assert fetch_unit.Tokens(paths, parameters()).of(VIDEOS) == [("b", 1), ("c", 1)]
    assert set(shard(paths, site)) == {"/c.mp4"}
    assert shard(paths, site) == []


def test_a_refusal_stands_until_its_limit_changes(site, paths, clip):
    site.pages |= {"/a.mp4": serve(clip), "/b.mp4": serve(clip + bytes(200_000)), "/c.mp4": serve(clip)}
    limit = len(clip) + 100_000
    shard(paths, site, max_bytes=limit)
    assert statuses(paths) == {"a": None, "b": "too_large", "c": None}
    assert shard(paths, site, max_bytes=limit) == []
    assert set(shard(paths, site, max_bytes=10 * limit)) == {"/b.mp4"}
    assert statuses(paths)["b"] is None


def test_a_row_with_another_url_is_the_only_one_fetched(site, paths, clip):
    site.pages |= {f"/{slug}.mp4": serve(clip) for slug in (*VIDEOS, "d")}
    shard(paths, site)
    site.log.clear()
    changed = [(slug, url.replace("/b.mp4", "/d.mp4")) for slug, url in sources(site)]
    fetch_unit.run_unit(changed, paths, parameters(), {}, shard="0")
    assert {path for path, _ in site.log} == {"/d.mp4"}


def test_a_kill_loses_the_download_in_flight_alone(site, paths, clip):
    site.pages |= {"/a.mp4": serve(clip), "/b.mp4": drip(clip, 0.15), "/c.mp4": serve(clip)}
    code = (
        "import sys; sys.path.insert(0, '.');"
        "from triptych.media import fetch_unit; from triptych.core.paths import Paths;"
        "from tests.media.fetch.conftest import parameters;"
        f"paths = Paths('demo', {paths.results!r}, {paths.media_dir!r});"
        f"fetch_unit.run_unit({sources(site)!r}, paths, parameters(), {{}}, shard='0')"
    )
    job = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    work = Path(paths.media("b")).parent / ".work" / "b"
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size >= 40_000 for part in work.glob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    job.kill()
    job.wait()
    assert Manifest.read(paths.manifest("fetch", "a")).outcome.ok
    assert not Path(paths.shard_manifest("fetch", "0")).exists()
    had = next(work.glob("*.part")).stat().st_size
    site.pages["/b.mp4"] = serve(clip)
    asked = shard(paths, site)
    assert set(asked) == {"/b.mp4", "/c.mp4"}
    assert [headers.get("Range") for headers in site.asked("/b.mp4")][-1] == f"bytes={had}-"
    assert {Path(paths.media(slug)).read_bytes() for slug in VIDEOS} == {clip}


def test_dropped_downloads_of_a_shard_are_not_asked_for_again(site, paths, clip):
    site.pages |= {f"/{slug}.mp4": serve(clip) for slug in VIDEOS}
    shard(paths, site)
    assert fetch_unit.drop_unit(VIDEOS, paths) == 3 and fetch_unit.drop_unit(VIDEOS, paths) == 0
    assert shard(paths, site, keep_sources=False) == []
