"""The client: cookies that stay secret, no programs, no plugins, bounded pages, and one way to the network."""

import base64
import gzip
import logging
import os
import urllib.parse
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


def echo(name, status=403):
    """A page that refuses with the words of a request's header, and shows them."""

    def page(handler):
        words = handler.headers.get(name, "")
        handler.send_response(status, f"Forbidden for {words} and {urllib.parse.quote_plus(words)}")
        body = f"<html><title>Hello {words}</title></html>".encode()
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return page


def all_told(folder, but=()):
    """Content of all files in a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path not in but).decode(
        errors="replace"
    )


@pytest.mark.fault(40)
@pytest.mark.parametrize("value", [CANARY, "canary a+b/c==&"], ids=["plain", "escaped"])
def test_cookies_that_a_site_echoes_appear_nowhere(site, get, clip, tmp_path, caplog, capfd, value):
    caplog.set_level("DEBUG")
    lines = [f"127.0.0.1\tFALSE\t/\tFALSE\t0\t{name}\t{one}" for name, one in (("session", value), ("n", "4031"))]
    path = cookie_file(tmp_path, *lines)
    site.pages["/a.mp4"], site.pages["/page"] = echo("Cookie"), echo("Cookie", 200)
    found = get(f"{site.url}/a.mp4", cookies=str(path)).outcome
    assert found.reason == "http_403" and "Forbidden for session=...; n=4031 and " in found.message
    assert get(f"{site.url}/page", "w", cookies=str(path), retries=0).outcome.status == "failed"
    # The page with a video in it, whose title is kept.
    site.pages["/b.mp4"] = serve(clip)

    def titled(handler):
        body = f'<html><title>Hello {handler.headers["Cookie"]}</title><video src="/b.mp4"></video></html>'
        answer(handler, 200, body.encode())

    site.pages["/titled"] = titled
    assert "Hello session=...; n=4031" in get(f"{site.url}/titled", "x", cookies=str(path)).data["title"]
    # A job's last words, with what they came from.
    try:
        raise RuntimeError(f"of {value}")
    except RuntimeError:
        logging.getLogger("triptych.fetch").exception("stopped over %s", value)
    assert "of ..." in caplog.text and "stopped over ..." in caplog.text
    seen = caplog.text + "".join(capfd.readouterr()) + all_told(tmp_path, but=(path,))
    for form in (value, urllib.parse.quote(value), urllib.parse.quote_plus(value), value[: len(value) - 2]):
        assert form not in seen


@pytest.mark.fault(40)
def test_cookies_that_a_site_echoes_as_its_tag_are_not_kept_for_the_next_attempt(site, get, clip, tmp_path):
    path = cookie_file(tmp_path, f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}")

    def page(handler):
        tag = f'"{handler.headers["Cookie"]}"'
        answer(handler, 200, clip[:9000], "video/mp4", Content_Length=len(clip), ETag=tag)

    site.pages["/a.mp4"] = page
    assert get(f"{site.url}/a.mp4", cookies=str(path), retries=0).outcome.transient
    (part,) = tmp_path.rglob("0-*.part")
    assert CANARY not in all_told(tmp_path, but=(path,))
    # One that tells its own tag is remembered.
    site.pages["/a.mp4"] = lambda handler: answer(
        handler, 200, clip[:9000], "video/mp4", Content_Length=len(clip), ETag='"own"'
    )
    assert get(f"{site.url}/a.mp4", cookies=str(path), retries=0).outcome.transient
    assert '"own' in (part.parent / "validators.json").read_text().replace("\\", "")


@pytest.mark.fault(40)
def test_a_secret_at_the_end_of_a_long_message_is_not_kept_in_part(site, get, tmp_path):
    path = cookie_file(tmp_path, f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}")
    for length in range(420, 490, 10):

        def page(handler, length=length):
            handler.send_response(403, "x" * length + handler.headers["Cookie"])
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        site.pages["/a.mp4"] = page
        assert "canary" not in get(f"{site.url}/a.mp4", f"v{length}", cookies=str(path)).outcome.message


@pytest.mark.fault(40)
def test_the_password_of_a_proxy_that_echoes_it_appears_nowhere(site, get, tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    password = "canary!42"
    monkeypatch.setenv("http_proxy", site.url.replace("://", f"://me:{urllib.parse.quote(password)}@"))
    site.pages["http://media.example/a.mp4"] = echo("Proxy-Authorization")
    encoded = base64.b64encode(f"me:{password}".encode()).decode()
    found = get("http://media.example/a.mp4").outcome
    assert site.asked()[-1]["Proxy-Authorization"] == f"Basic {encoded}"
    assert found.reason == "http_403" and "Forbidden for Basic ..." in found.message
    seen = caplog.text + all_told(tmp_path)
    assert not [form for form in (password, urllib.parse.quote(password), encoded, encoded.rstrip("=")) if form in seen]


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
