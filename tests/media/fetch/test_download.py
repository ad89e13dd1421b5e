"""Downloads from a real server that serves, stalls, lies and refuses."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from triptych.media import fetch

from .conftest import answer, drip, in_turn, parameters, refuse, serve


def test_a_link_is_fetched_to_its_one_name(site, get, paths, clip):
    site.pages["/films/a.mp4"] = serve(clip)
    done = get(f"{site.url}/films/a.mp4")
    assert done.outcome.ok, done.outcome
    media = Path(paths.media("v"))
    assert media.read_bytes() == clip
    where = Path(paths.manifest("fetch", "v")).parent / done.artefacts["media"]["path"]
    assert where.resolve() == media.resolve()
    assert done.artefacts["media"]["sha256"] == hashlib.sha256(clip).hexdigest()
    assert (done.data["id"], done.data["extractor"], done.data["url"]) == ("a", "generic", f"{site.url}/films/a.mp4")
    assert not (media.parent / ".work" / "v").exists()
    assert not Path(paths.attempts("v")).exists()


@pytest.mark.parametrize("kind", ["link", "hard", "nowhere", "folder", "work", "above"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "while_the_site_is_asked"])
def test_nothing_that_waits_in_the_work_folder_is_written_through(site, get, paths, clip, tmp_path, kind, late):
    """Names of the work folder follow from the URL, so that a stranger who may write there can wait under them."""
    outside = tmp_path / "outside"
    outside.mkdir()
    other = outside / "note.txt"
    other.write_bytes(b"not ours")
    work = Path(paths.media("v")).parent / ".work" / "v"
    # The names, as a download leaves them that ended early.
    site.pages["/a.mp4"] = lambda handler: answer(handler, 200, clip[:9000], "video/mp4", Content_Length=len(clip))
    assert get(f"{site.url}/a.mp4", retries=0).outcome.transient
    (part,) = work.glob("0-*.part")
    shutil.rmtree(work.parent)

    def plant():
        if kind in ("work", "above"):
            folder = work if kind == "work" else work.parent
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(outside)
            return
        work.mkdir(parents=True, exist_ok=True)
        for place in (part, part.with_suffix("")):
            if kind == "folder":
                place.mkdir()
            elif kind == "hard":
                place.hardlink_to(other)
            else:
                place.symlink_to(other if kind == "link" else outside / "new.txt")

    def page(handler):
        if late and not os.path.lexists(work):
            plant()
        serve(clip)(handler)

    if not late:
        plant()
    site.pages["/a.mp4"] = page
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert Path(paths.media("v")).read_bytes() == clip and not Path(paths.media("v")).is_symlink()
    assert other.read_bytes() == b"not ours" and list(outside.iterdir()) == [other]


def test_a_link_that_came_in_place_of_a_download_is_not_kept(site, get, paths, clip, tmp_path, monkeypatch):
    other = tmp_path / "other.mp4"
    other.write_bytes(clip)
    site.pages["/a.mp4"] = serve(clip)
    keep = fetch._keep

    def swapped(paths, slug, work, found):
        found.files[0].unlink()
        found.files[0].symlink_to(other)
        return keep(paths, slug, work, found)

    monkeypatch.setattr(fetch, "_keep", swapped)
    found = get(f"{site.url}/a.mp4").outcome
    assert (found.status, found.reason) == ("failed", "not_media") and "a link" in found.message
    assert not os.path.lexists(paths.media("v")) and other.read_bytes() == clip


def test_an_unchanged_row_makes_no_request(site, get, paths, clip):
    site.pages["/a.mp4"] = serve(clip)
    first = get(f"{site.url}/a.mp4")
    site.log.clear()
    assert get(f"{site.url}/a.mp4") == first
    assert get(f"{site.url}/a.mp4", timeout_seconds=2.0, rate_limit=10**9) == first
    assert not site.log
    Path(paths.media("v")).write_bytes(clip[:-1] + b"x")  # damaged, same length
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert site.log
    assert Path(paths.media("v")).read_bytes() == clip


def test_another_url_replaces_what_the_row_had(site, get, paths, clip):
    site.pages["/a.mp4"] = serve(clip)
    get(f"{site.url}/a.mp4")
    assert get(f"{site.url}/b.mp4").outcome.reason == "http_404"
    assert not Path(paths.media("v")).exists()


def test_same_name_on_two_hosts_gives_two_files(sites, get, paths, clip, halves):
    one, two = sites(), sites("127.0.0.2")
    one.pages["/ok.mp4"], two.pages["/ok.mp4"] = serve(clip), serve(halves[0])
    assert get(f"{one.url}/ok.mp4", "a").outcome.ok
    assert get(f"{two.url}/ok.mp4", "b").outcome.ok
    assert Path(paths.media("a")).read_bytes() == clip
    assert Path(paths.media("b")).read_bytes() == halves[0]


@pytest.mark.parametrize("status", [404, 410, 403])
def test_permanent_answers_are_asked_once(site, get, status):
    site.pages["/a.mp4"] = refuse(status)
    ended = get(f"{site.url}/a.mp4").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", f"http_{status}", False)
    assert f"HTTP Error {status}" in ended.message
    assert len(site.log) == 1


@pytest.mark.parametrize("status", [500, 408])
def test_transient_answers_are_tried_again(site, get, paths, status, clip):
    site.pages["/a.mp4"] = in_turn(refuse(status), refuse(status), serve(clip))
    assert get(f"{site.url}/a.mp4").outcome.ok
    site.pages["/b.mp4"] = refuse(status)
    site.log.clear()
    ended = get(f"{site.url}/b.mp4", "w").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", f"http_{status}", True)
    assert len(site.asked("/b.mp4")) == 3  # the first attempt and `retries`


def test_a_server_that_fails_in_the_download_is_tried_again(site, get, paths, clip):
    site.pages["/a.mp4"] = in_turn(serve(clip), refuse(500), serve(clip))
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert Path(paths.media("v")).read_bytes() == clip


def test_a_server_that_asks_to_wait_is_obeyed(site, get, clip):
    from triptych.media.fetch_network import Session

    session = Session(parameters(), None, None)
    session.after("http://a/", 503, {"Retry-After": "7"})
    assert session.retry_after == 7
    site.pages["/a.mp4"] = in_turn(refuse(503, Retry_After="0"), serve(clip))
    assert get(f"{site.url}/a.mp4").outcome.ok


def test_a_stalling_server_is_given_up(site, get):
    import threading

    over = threading.Event()
    site.pages["/a.mp4"] = lambda handler: over.wait(20)
    ended = get(f"{site.url}/a.mp4", retries=1, timeout_seconds=0.3).outcome
    over.set()
    assert (ended.status, ended.reason, ended.transient) == ("failed", "timeout", True)
    assert len(site.log) == 2


def test_nobody_listens(sites, get):
    gone = sites()
    gone.close()
    ended = get(f"{gone.url}/a.mp4", retries=0).outcome
    assert (ended.reason, ended.transient) == ("network", True)
    assert "refused" in ended.message


def test_an_unknown_host_is_transient(get):
    ended = get("http://no-such-host.invalid/a.mp4", retries=0).outcome
    assert (ended.reason, ended.transient) == ("host_unknown", True)


@pytest.mark.fault(28)
def test_a_short_body_leaves_no_file_and_is_resumed(site, get, paths, clip):
    def short(handler):
        answer(handler, 200, clip[:100_000], "video/mp4", Content_Length=len(clip))
        handler.close_connection = True

    site.pages["/a.mp4"] = short
    ended = get(f"{site.url}/a.mp4", retries=1).outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "short_body", True)
    assert not Path(paths.media("v")).exists()
    site.pages["/a.mp4"] = serve(clip)
    site.log.clear()
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert Path(paths.media("v")).read_bytes() == clip
    assert site.log[-1][1]["Range"] == "bytes=100000-"


def test_a_part_of_a_file_that_changed_is_not_resumed(site, get, paths, clip):
    def short(handler):
        answer(handler, 200, b"x" * 1000, "video/mp4", Content_Length=len(clip), ETag='"old"')
        handler.close_connection = True

    site.pages["/a.mp4"] = short
    assert get(f"{site.url}/a.mp4", retries=0).outcome.reason == "short_body"
    site.pages["/a.mp4"] = serve(clip)
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert site.log[-1][1]["If-Range"] == '"old"'
    assert Path(paths.media("v")).read_bytes() == clip


@pytest.mark.parametrize(
    "body, content_type, reason",
    [
        (b"<!doctype html><title>Not found</title>", "video/mp4", "not_media"),
        (b"<html><body>Please pay</body></html>", "text/html", "unsupported_url"),
        (b"nothing here", "text/plain", "not_media"),
        (b"%PDF-1.7\n\xe2\xe3", "application/octet-stream", "not_media"),
    ],
)
def test_what_is_no_media_leaves_no_file(site, get, paths, body, content_type, reason):
    site.pages["/a.mp4"] = serve(body, content_type)
    ended = get(f"{site.url}/a.mp4").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", reason, False)
    assert not Path(paths.media("v")).exists()
    assert not (Path(paths.media("v")).parent / ".work" / "v").exists()


@pytest.mark.parametrize("tells", [True, False])
def test_the_size_cap_holds_with_and_without_content_length(site, get, paths, tells):
    body = b"\x00\x00\x00\x18ftypmp42" + bytes(3_000_000)
    site.pages["/a.mp4"] = serve(body, **({} if tells else {"Content_Length": None}))
    ended = get(f"{site.url}/a.mp4", max_bytes=200_000).outcome
    assert (ended.status, ended.reason) == ("refused", "too_large")
    assert not Path(paths.media("v")).exists()
    assert not (Path(paths.media("v")).parent / ".work" / "v").exists()


def test_sound_alone_is_fetched(site, get, halves):
    site.pages["/a.m4a"] = serve(halves[1], "audio/mp4")
    assert get(f"{site.url}/a.m4a").outcome.ok


def test_a_slow_server_is_waited_for(site, get, paths, clip):
    site.pages["/a.mp4"] = drip(clip, 0.05)
    assert get(f"{site.url}/a.mp4", timeout_seconds=0.5).outcome.ok
    assert Path(paths.media("v")).read_bytes() == clip


def test_a_full_disk_fails_the_job_not_the_video(site, paths, clip):
    """A child with a limit on the size of its files: the write fails as on a full disk."""
    import subprocess
    import sys

    site.pages["/a.mp4"] = serve(clip)
    code = (
        "import resource, signal, sys; sys.path.insert(0, '.');"
        "from triptych.media import fetch; from triptych.core.paths import Paths;"
        "from tests.media.fetch.conftest import parameters; import yt_dlp.extractor.extractors;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        f"paths = Paths('demo', {paths.results!r}, {paths.media_dir!r});"
        f"fetch.run({{'slug': 'v', 'source': '{site.url}/a.mp4'}}, paths, parameters(), 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert ended.returncode == 1
    assert "OSError" in ended.stderr.splitlines()[-1]
    assert "could not be written" in ended.stderr.splitlines()[-1]
    assert not Path(paths.manifest("fetch", "v")).exists()


def test_killed_in_the_middle_it_goes_on_where_it_was(site, get, paths, clip):
    """kill -9 of the job while it downloads; the next one asks for the rest only."""
    import subprocess
    import sys
    import time

    site.pages["/a.mp4"] = drip(clip, 0.15)
    code = (
        "import sys; sys.path.insert(0, '.');"
        "from triptych.media import fetch; from triptych.core.paths import Paths;"
        "from tests.media.fetch.conftest import parameters;"
        f"paths = Paths('demo', {paths.results!r}, {paths.media_dir!r});"
        f"fetch.run({{'slug': 'v', 'source': '{site.url}/a.mp4'}}, paths, parameters(), 0)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    work = Path(paths.media("v")).parent / ".work" / "v"
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size >= 40_000 for part in work.glob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    job.kill()
    job.wait()
    assert not Path(paths.media("v")).exists()
    assert not Path(paths.manifest("fetch", "v")).exists()
    had = next(work.glob("*.part")).stat().st_size
    assert 40_000 <= had < len(clip)
    site.pages["/a.mp4"] = serve(clip)
    site.log.clear()
    assert get(f"{site.url}/a.mp4").outcome.ok
    assert site.log[-1][1]["Range"] == f"bytes={had}-"
    assert Path(paths.media("v")).read_bytes() == clip
