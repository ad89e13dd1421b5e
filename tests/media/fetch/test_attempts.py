"""What is remembered of failures: tokens, the run that stops fetching, sources that were dropped."""

import fcntl
import json
import time
from pathlib import Path

import pytest

from triptych.core import locks
from triptych.core.files import read_json, replace_json
from triptych.core.status import Manifest, Outcome, Refused
from triptych.media import fetch
from triptych.media.fetch_attempts import RunStop, record

from .conftest import in_turn, parameters, refuse, serve


@pytest.mark.fault(27)
def test_tokens_of_failures(paths):
    params = parameters(retry_after_hours=12)

    def token(retry_failed=False):
        return fetch.token(paths, "v", params, retry_failed)

    def age(hours):
        note = read_json(paths.attempts("v"))
        replace_json(paths.attempts("v"), {**note, "failed_at": time.time() - hours * 3600})

    assert (token(), token(True)) == (0, 0)  # never failed
    record(paths, "v", 0, Outcome("failed", "timeout", transient=True))
    assert (token(), token(True)) == (0, 1)  # not due yet, unless asked for
    age(12.1)
    assert token() == 1
    assert token() == 1  # asking changes nothing
    record(paths, "v", 1, Outcome("failed", "http_404"))
    age(1000)
    assert (token(), token(True)) == (1, 2)  # permanent: on request only
    record(paths, "v", 2, Outcome("ok"))
    assert (token(), token(True)) == (2, 2)  # a success keeps its token and is never asked for again
    record(paths, "v", 2, Outcome("failed", "timeout", transient=True))
    age(-5)  # the clock was set back: not lost for ever
    assert token() == 3
    Path(paths.attempts("v")).write_text("damaged")
    assert token() == 0


def test_a_job_notes_its_token(site, get, paths, clip):
    site.pages["/a.mp4"] = refuse(500)
    started = time.time()
    get(f"{site.url}/a.mp4", retries=0)
    note = read_json(paths.attempts("v"))
    assert (note["token"], note["transient"], note["reason"]) == (0, True, "http_500")
    assert started <= note["failed_at"] <= time.time()
    params = parameters(retry_after_hours=0)
    again = fetch.token(paths, "v", params)
    assert again == 1
    site.pages["/a.mp4"] = serve(clip)
    assert get(f"{site.url}/a.mp4", token=again).outcome.ok
    assert fetch.token(paths, "v", params) == 1
    assert fetch.token(paths, "v", params, True) == 1


def test_some_429_are_waited_out(site, get, clip):
    site.pages["/a.mp4"] = in_turn(refuse(429), refuse(429), serve(clip))
    assert get(f"{site.url}/a.mp4", run="r1", stop_after_429=3).outcome.ok


@pytest.mark.fault(27)
def test_repeated_429_stop_fetching_for_this_run(site, get, paths, clip):
    site.pages["/a.mp4"] = refuse(429)
    site.pages["/b.mp4"] = serve(clip)
    ended = get(f"{site.url}/a.mp4", "a", run="r1", retries=9, stop_after_429=3).outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "fetching_stopped", True)
    assert "3 answers 429" in ended.message
    assert len(site.log) == 3
    ended = get(f"{site.url}/b.mp4", "b", run="r1").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "fetching_stopped", True)
    assert len(site.log) == 3  # no connection
    assert get(f"{site.url}/b.mp4", "b", run="r2", token=1).outcome.ok  # another run


def test_429_are_counted_over_the_rows_of_a_run(site, get):
    for name in "abc":
        site.pages[f"/{name}.mp4"] = refuse(429)
    reasons = [get(f"{site.url}/{n}.mp4", n, run="r1", retries=0, stop_after_429=3).outcome.reason for n in "abc"]
    assert reasons == ["http_429", "http_429", "fetching_stopped"]


def test_many_jobs_count_together(paths):
    """Real processes count at once; none is lost."""
    import multiprocessing

    def count():
        stop = RunStop(paths, "r", 1000)
        for _ in range(25):
            stop.count_429("h")

    jobs = [multiprocessing.get_context("fork").Process(target=count) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert json.loads(RunStop(paths, "r", 1).path.read_text())["answers_429"] == 100


def test_a_count_that_somebody_holds_is_not_waited_for_without_end(paths):
    RunStop(paths, "r", 1000).count_429("h")
    stop = RunStop(paths, "r", 1000, wait=0.2)
    with stop.path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(locks.BusyError, match="fuser"):
            stop.count_429("h")


@pytest.fixture
def strange_site():
    """An extractor of a site that tells its errors as real ones do, put before the generic one."""
    import yt_dlp.extractor.extractors  # fills the table
    import yt_dlp.globals
    from yt_dlp.extractor.common import InfoExtractor

    class StrangeIE(InfoExtractor):
        _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>\w+)"
        says = "?"

        def _real_extract(self, url):
            self._download_webpage(url, "x")
            if self.says == "geo":
                self.raise_geo_restricted(countries=["NZ"])
            if self.says == "bug":
                raise KeyError("nothing")
            from yt_dlp.utils import ExtractorError

            raise ExtractorError(self.says, expected=True)

    table = yt_dlp.globals.extractors.value
    yt_dlp.globals.extractors.value = {"StrangeIE": StrangeIE, **table}
    yield StrangeIE
    yt_dlp.globals.extractors.value = table


def test_a_bot_check_stops_fetching_for_this_run(site, get, strange_site, clip):
    site.pages["/watch/x"] = serve(b"<html>", "text/html")
    site.pages["/b.mp4"] = serve(clip)
    strange_site.says = "Sign in to confirm you’re not a bot. Use --cookies for the authentication"
    ended = get(f"{site.url}/watch/x", "a", run="r1").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "bot_check", True)
    assert "not a bot" in ended.message and "cookies" in ended.message
    assert len(site.log) == 1
    ended = get(f"{site.url}/b.mp4", "b", run="r1").outcome
    assert ended.reason == "fetching_stopped" and "no bot" in ended.message
    assert len(site.log) == 1


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    "says, reason, transient",
    [
        ("geo", "geo_restricted", False),
        ("Private video. Sign in if you've been granted access to this video", "private", False),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "age_limited", False),
        ("This video has been removed by the uploader", "removed", False),
        ("Video unavailable", "unavailable", False),
        ("Join this channel to get access to members-only content", "members_only", False),
        ("This live event will begin in 3 hours.", "upcoming", True),
        ("The uploader has not made this video available in your country", "geo_restricted", False),
        ("This video is DRM protected", "drm", False),
        ("bug", "extractor_error", False),
    ],
)
def test_what_sites_say_becomes_a_reason(site, get, strange_site, says, reason, transient):
    site.pages["/watch/x"] = serve(b"<html>", "text/html")
    strange_site.says = says
    ended = get(f"{site.url}/watch/x").outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", reason, transient)
    if len(says) > 3:
        assert says in ended.message
    assert len(site.log) == 1


def test_a_dropped_source_is_fetched_again_when_needed(site, get, paths, clip, halves):
    site.pages["/a.mp4"] = serve(clip)
    url = f"{site.url}/a.mp4"
    first = get(url, keep_sources=False)
    media, row = Path(paths.media("v")), {"slug": "v", "source": url}
    assert fetch.drop_source(paths, "v") and not media.exists()
    assert not fetch.drop_source(paths, "v")
    site.log.clear()
    assert get(url, keep_sources=False) == first  # the note is still valid: no request
    assert not site.log
    assert fetch.ensure_source(paths, row, parameters(keep_sources=False)) == {}
    assert media.read_bytes() == clip
    assert Manifest.read(paths.manifest("fetch", "v")) == first
    assert [one["changed"] for one in read_json(paths.attempts("v"))["refetched"]] == [False]
    site.log.clear()
    assert fetch.ensure_source(paths, row, parameters()) == {}
    assert not site.log  # it is there

    fetch.drop_source(paths, "v")
    site.pages["/a.mp4"] = serve(halves[0])
    assert list(fetch.ensure_source(paths, row, parameters())) == ["source_changed"]
    assert read_json(paths.attempts("v"))["refetched"][-1]["changed"] is True

    fetch.drop_source(paths, "v")
    site.pages["/a.mp4"] = refuse(500)
    with pytest.raises(Refused) as ended:
        fetch.ensure_source(paths, row, parameters(retries=0))
    assert (ended.value.outcome.reason, ended.value.outcome.transient) == ("http_500", True)
    assert fetch.token(paths, "v", parameters(retry_after_hours=0)) == 1


def test_a_link_to_a_local_file_is_never_dropped(paths, tmp_path):
    source = tmp_path / "film.mp4"
    source.write_bytes(b"film")
    media = Path(paths.media("v"))
    media.parent.mkdir(parents=True)
    media.symlink_to(source)
    assert not fetch.drop_source(paths, "v")
    Manifest("v", "fetch", Outcome("ok"), artefacts={"media": {}}).write(paths.manifest("fetch", "v"))
    assert not fetch.drop_source(paths, "v")
    assert media.is_symlink() and source.exists()
