"""Which addresses are reached: never a private one unasked, whichever way leads there."""

import socket
import subprocess
import urllib.request

import pytest

from triptych.core.status import Refused
from triptych.media.hosts import AddressRefused, Guard, check_url, is_private

from .conftest import Site, in_turn, redirect, serve

PRIVATE = """127.0.0.1 10.0.0.1 172.16.5.4 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 224.0.0.1
240.0.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::
fec0::1 feff::1 3fff::1 3fff:fff::1"""
PUBLIC = "8.8.8.8 93.184.216.34 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 3ffe::1 3fff:1000::1"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses(address):
    assert is_private(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses(address):
    assert not is_private(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:text/plain,abc",
        "ftp://example.com/a.mp4",
        "/etc/passwd",
        "a.mp4",
        "--exec=touch x",
        "ytsearch:cats",
        "http://",
        "http://a b/",
        "http://a/\nb",
        "http://a:99999/",
        "http://[::1/",
        "javascript:alert(1)",
    ],
)
def test_only_http_and_https(get, url):
    with pytest.raises(Refused) as ended:
        check_url(url)
    assert ended.value.outcome.reason == "not_http"
    done = get(url).outcome
    assert (done.status, done.reason, done.transient) == ("refused", "not_http", False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_before_any_connection(site, get, host):
    port = site.server.server_port
    ended = get(f"http://{host}:{port}/a.mp4", allow_private_hosts=False).outcome
    assert (ended.status, ended.reason, ended.transient) == ("refused", "private_host", False)
    assert "allow_private_hosts" in ended.message
    assert not site.log


def test_allowed_networks_are_reached(site, get, clip):
    site.pages["/a.mp4"] = serve(clip)
    assert get(f"{site.url}/a.mp4", allow_private_hosts=False, allow=["127.0.0.1"]).outcome.ok


@pytest.mark.parametrize("status", [302, 308])
def test_a_redirect_to_a_private_address_is_refused(sites, get, clip, status):
    open_one, inner = sites("127.0.0.2"), sites("127.0.0.3")
    inner.pages["/a.mp4"] = serve(clip)
    open_one.pages["/a.mp4"] = redirect(f"{inner.url}/a.mp4", status)
    ended = get(f"{open_one.url}/a.mp4", allow_private_hosts=False, allow=["127.0.0.2"]).outcome
    assert (ended.status, ended.reason) == ("refused", "private_host")
    assert "127.0.0.3" in ended.message
    assert len(open_one.log) == 1
    assert not inner.log


@pytest.mark.parametrize("target", ["file:///etc/passwd", "data:video/mp4,abc", "ftp://127.0.0.3/a.mp4"])
def test_a_redirect_to_another_scheme_is_refused(site, get, target):
    site.pages["/a.mp4"] = redirect(target)
    ended = get(f"{site.url}/a.mp4", retries=0).outcome
    assert ended.status in ("failed", "refused")
    assert len(site.log) == 1


def test_a_redirect_between_page_and_download_is_refused(sites, get, clip):
    """The page is public at first; the second request is sent elsewhere (as after a DNS rebinding)."""
    open_one, inner = sites("127.0.0.2"), sites("127.0.0.3")
    inner.pages["/a.mp4"] = serve(clip)
    open_one.pages["/a.mp4"] = in_turn(serve(clip), redirect(f"{inner.url}/a.mp4"))
    ended = get(f"{open_one.url}/a.mp4", allow_private_hosts=False, allow=["127.0.0.2"]).outcome
    assert ended.reason == "private_host"
    assert not inner.log


@pytest.mark.parametrize("inner_url", ["file:///etc/passwd", "{inner}/secret", "/etc/passwd", "data:video/mp2t,abc"])
def test_a_playlist_cannot_lead_inside(sites, get, inner_url):
    open_one, inner = sites("127.0.0.2"), sites("127.0.0.3")
    inner.pages["/secret"] = serve(b"secret", "video/mp2t")
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:5",
        "#EXTINF:5,",
        inner_url.format(inner=inner.url),
        "#EXT-X-ENDLIST",
        "",
    ]
    open_one.pages["/a.m3u8"] = serve("\n".join(lines).encode(), "application/vnd.apple.mpegurl")
    ended = get(f"{open_one.url}/a.m3u8", allow_private_hosts=False, allow=["127.0.0.2"], retries=0).outcome
    assert not ended.ok
    assert not inner.log


def test_a_playlist_key_cannot_be_a_file(site, get, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:5",
        f'#EXT-X-KEY:METHOD=AES-128,URI="file://{key}"',
        "#EXTINF:5,",
        "s.ts",
        "#EXT-X-ENDLIST",
        "",
    ]
    site.pages["/a.m3u8"] = serve("\n".join(lines).encode(), "application/vnd.apple.mpegurl")
    site.pages["/s.ts"] = serve(bytes(16 * 20), "video/mp2t")
    ended = get(f"{site.url}/a.m3u8", retries=0).outcome
    assert not ended.ok


def test_the_guard_holds_for_the_whole_process_and_then_ends():
    one = Site()
    address = ("127.0.0.1", one.server.server_port)
    with Guard() as guard:
        with pytest.raises(AddressRefused):
            socket.create_connection(address)
        with pytest.raises(AddressRefused):
            urllib.request.urlopen(one.url)
        with pytest.raises(AddressRefused), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"x", ("127.0.0.1", 9))
        with pytest.raises(PermissionError):
            subprocess.run(["ffmpeg", "-version"], check=False)
        assert len(guard.refused) == 3
    socket.create_connection(address).close()
    one.close()


def test_with_a_proxy_the_hosts_of_urls_are_checked(site, get, monkeypatch, clip):
    """A real proxy (the test server answers absolute URLs) in the environment."""
    monkeypatch.setenv("http_proxy", site.url)
    site.pages["http://93.184.216.34/a.mp4"] = serve(clip)
    assert get("http://93.184.216.34/a.mp4", allow_private_hosts=False).outcome.ok
    site.log.clear()
    for inner in ("http://10.0.0.7/a.mp4", "http://localhost:8/a.mp4", f"{site.url}/a.mp4"):
        ended = get(inner, allow_private_hosts=False).outcome
        assert (ended.status, ended.reason) == ("refused", "private_host"), inner
        assert "proxy" in ended.message
    assert not site.log
    site.pages["http://93.184.216.34/b.mp4"] = redirect("http://10.0.0.7/a.mp4")
    assert get("http://93.184.216.34/b.mp4", allow_private_hosts=False).outcome.reason == "private_host"
    assert [path for path, _ in site.log] == ["http://93.184.216.34/b.mp4"]
