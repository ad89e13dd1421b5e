"""The client: cookies that stay secret, no programs, no plugins, bounded pages, and one way to the network."""

import gzip
import os
from pathlib import Path

import pytest

from triptych.media import fetch_client, fetch_network

from .conftest import answer, parameters, serve

CANARY = "canary-8f1c2d77"


def cookie_file(folder, *lines):
    path = folder / "cookies.txt"
    path.write_text("# Netscape HTTP Cookie File\n" + "".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.fault(40)
def test_cookies_are_sent_and_appear_nowhere(site, get, clip, tmp_path, caplog, capfd):
    """The canary reaches the server it is for, and no file, log or terminal."""
    caplog.set_level("DEBUG")
    good = f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}"
    path = cookie_file(tmp_path, good, f"damaged line {CANARY}", f"127.0.0.1\tFALSE\t/\tFALSE\tnever\tx\t{CANARY}")
    before = path.read_bytes()
    site.pages["/a.mp4"] = serve(clip, Set_Cookie="other=1")
    assert get(f"{site.url}/a.mp4", cookies=str(path)).outcome.ok
    assert get(f"{site.url}/gone.mp4", "w", cookies=str(path)).outcome.reason == "http_404"
    assert all(CANARY in headers["Cookie"] for headers in site.asked())
    assert path.read_bytes() == before
    seen = caplog.text + "".join(capfd.readouterr())
    for file in tmp_path.rglob("*"):
        if file.is_file() and file != path:
            assert CANARY.encode() not in file.read_bytes(), file
            seen += file.name
    assert CANARY not in seen
    assert "2 lines are no cookies" in caplog.text
    temporary = Path(os.environ.get("TMPDIR", "/tmp"))
    recent = [one for one in temporary.iterdir() if one.is_file() and one.stat().st_size < 10_000]
    assert not [one for one in recent if CANARY.encode() in one.read_bytes() and one.suffix != ".py"]


@pytest.mark.fault(40)
def test_cookies_stay_with_their_host(sites, get, clip, tmp_path):
    from .conftest import redirect

    mine, other = sites(), sites("127.0.0.2")
    path = cookie_file(tmp_path, f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}")
    mine.pages["/a.mp4"], other.pages["/a.mp4"] = redirect(f"{other.url}/a.mp4"), serve(clip)
    assert get(f"{mine.url}/a.mp4", cookies=str(path)).outcome.ok
    assert mine.log and all("Cookie" in headers for headers in mine.asked())
    assert other.log and not any("Cookie" in headers for headers in other.asked())


def test_a_cookie_file_that_is_none_stops_the_job(site, get, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        get(f"{site.url}/a.mp4", cookies=str(tmp_path / "none.txt"))
    wrong = tmp_path / "cookies.json"
    wrong.write_text(f'[{{"value": "{CANARY}"}}]')
    with pytest.raises(ValueError, match="Netscape") as error:
        get(f"{site.url}/a.mp4", cookies=str(wrong))
    assert CANARY not in str(error.value)
    assert not site.log


def test_there_is_one_way_to_the_network_and_no_plugin(tmp_path, monkeypatch):
    """A plugin in the user's folder is not loaded; every handler but the guarded one is out."""
    from triptych.media.hosts import Guard

    plugin = tmp_path / "yt-dlp" / "plugins" / "evil" / "yt_dlp_plugins" / "extractor" / "evil.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "yt-dlp" / "config").write_text(f"--exec 'touch {tmp_path / 'ran'}'")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    import yt_dlp.globals

    yt_dlp.globals.all_plugins_loaded.value = False
    session = fetch_network.Session(parameters(), Guard(), None)
    with fetch_client.open_client(session) as client:
        (one,) = client._request_director.handlers.values()
        assert isinstance(one, fetch_network.handler())
    assert not (tmp_path / "ran").exists()


def test_streams_that_need_a_program_are_not_fetched():
    from triptych.core.status import Refused
    from triptych.media.hosts import Guard

    session = fetch_network.Session(parameters(), Guard(), None)
    with fetch_client.open_client(session) as client:
        for stream in ({"url": "rtmp://x/y", "protocol": "rtmp"}, {"url": "wss://x", "protocol": "websocket_frag"}):
            with pytest.raises(Refused) as ended:
                client.save({"id": "x", "ext": "mp4", **stream}, Path("never"))
            assert ended.value.outcome.reason == "unsupported_protocol"


def test_limits_of_a_download_reach_it():
    from triptych.core.status import Refused
    from triptych.media.hosts import Guard

    session = fetch_network.Session(parameters(max_bytes=1000), Guard(), None)
    with fetch_client.open_client(session) as client:
        assert client.params["ratelimit"] is None
        assert client.params["skip_unavailable_fragments"] is False
    limited = fetch_network.Session(parameters(rate_limit=12345), Guard(), None)
    with fetch_client.open_client(limited) as client:
        assert client.params["ratelimit"] == 12345
    session.progress({"downloaded_bytes": 900, "elapsed": 1, "speed": 1})
    with pytest.raises(Refused) as ended:
        session.progress({"downloaded_bytes": 900, "elapsed": 21, "speed": 1})  # 20 times the timeout
    assert (ended.value.outcome.reason, ended.value.outcome.transient) == ("too_slow", True)
    session.base_bytes = 200
    with pytest.raises(Refused) as ended:
        session.progress({"downloaded_bytes": 900})
    assert ended.value.outcome.reason == "too_large"


def test_a_page_is_bounded_packed_or_not(site, get, monkeypatch):
    """A page that never ends, and a few kilobytes that unpack to more than a page may be."""
    monkeypatch.setattr(fetch_network, "PAGE_BYTES", 1_000_000)
    site.pages["/long"] = lambda handler: answer(handler, 200, b"<html>" + b" " * 3_000_000)
    assert "larger than" in get(f"{site.url}/long").outcome.message
    bomb = gzip.compress(b"<html>" + bytes(30_000_000))
    site.pages["/bomb"] = lambda handler: answer(handler, 200, bomb, Content_Encoding="gzip")
    assert "larger than" in get(f"{site.url}/bomb", "w").outcome.message


def test_a_packed_page_is_read(site, get, clip):
    site.pages["/a.mp4"] = serve(clip)
    page = gzip.compress(f'<html><video src="{site.url}/a.mp4"></video></html>'.encode())
    site.pages["/page"] = lambda handler: answer(handler, 200, page, Content_Encoding="gzip")
    assert get(f"{site.url}/page").outcome.ok
