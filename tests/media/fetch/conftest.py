"""A real web server on this machine that serves, stalls, lies and refuses; small real clips to serve."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from triptych.core.config import Fetch
from triptych.core.paths import Paths
from triptych.core.status import Manifest
from triptych.media import fetch


class Site:
    """A server whose pages are functions of the request; `log` holds (path, headers) of what was asked."""

    def __init__(self, host="127.0.0.1"):
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                site.log.append((path, dict(self.headers)))
                page = site.pages.get(path)
                with contextlib.suppress(ConnectionError):
                    page(self) if page else answer(self, 404, b"not here")

            def log_message(self, *_):
                pass

        self.pages, self.log = {}, []
        self.server = ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def asked(self, path=None):
        return [headers for asked, headers in self.log if path in (None, asked)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def answer(handler, status=200, body=b"", content_type="text/html", **headers):
    """Send one whole answer; `Content_Length=None` leaves the header out and closes the connection."""
    handler.send_response(status)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"Content-Type": content_type, "Content-Length": len(body), **headers}
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name, str(value))
    if headers["Content-Length"] is None:
        handler.send_header("Connection", "close")
        handler.close_connection = True
    handler.end_headers()
    handler.wfile.write(body)


def serve(body, content_type="video/mp4", ranges=True, **more):
    """A page that serves a file, with ranges and If-Range as real servers have them."""
    etag = f'"{hash(body) & 0xFFFFFFFF:x}"'

    def page(handler):
        wanted = handler.headers.get("Range")
        same = handler.headers.get("If-Range", etag) == etag
        if ranges and wanted and same:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end or len(body) - 1), len(body) - 1)
            where = f"bytes {first}-{last}/{len(body)}"
            answer(handler, 206, body[first : last + 1], content_type, Content_Range=where, ETag=etag, **more)
        else:
            answer(handler, 200, body, content_type, ETag=etag, **more)

    return page


def drip(body, pause, content_type="video/mp4", piece=20_000):
    """A page that serves a file slowly, with ranges."""

    def page(handler):
        first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        handler.send_response(206 if first else 200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body) - first))
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        for start in range(first, len(body), piece):
            handler.wfile.write(body[start : start + piece])
            handler.wfile.flush()
            time.sleep(pause)

    return page


def in_turn(*pages):
    """Each page once, the last one for ever."""
    left = list(pages)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def refuse(status, **headers):
    return lambda handler: answer(handler, status, b"no", **headers)


def redirect(url, status=302):
    return lambda handler: answer(handler, status, b"", Location=url)


@pytest.fixture
def site():
    one = Site()
    yield one
    one.close()


@pytest.fixture
def sites():
    """Makes servers at further addresses of this machine."""
    made = []

    def make(host="127.0.0.1"):
        made.append(Site(host))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "TRIPTYCH_RUN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def make_clip(path, video=True, audio=True, seconds=2, container="mp4", codec="mpeg4", start=0):
    """Write a small clip with moving noise and a tone; `start` is its first second."""
    from fractions import Fraction

    import av
    import numpy as np

    numbers = np.random.default_rng(0)
    with av.open(str(path), "w", format=container) as out:
        pictures = out.add_stream(codec, rate=25, width=160, height=120, pix_fmt="yuv420p") if video else None
        sounds = out.add_stream("aac", rate=16000, layout="mono") if audio else None
        for i in range(25 * seconds if video else 0):
            picture = numbers.integers(0, 255, (120, 160, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = start * 25 + i, Fraction(1, 25)
            out.mux(pictures.encode(frame))
        for i in range(16000 * seconds // 1000 if audio else 0):
            wave = np.sin(np.arange(i * 1000, (i + 1) * 1000) * 0.1).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, i * 1000, Fraction(1, 16000)
            out.mux(sounds.encode(frame))
        for stream in filter(None, (pictures, sounds)):
            out.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Bytes of an mp4 with picture and sound (about 500 kB)."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def halves(tmp_path_factory):
    """Bytes of an mp4 with picture alone and of one with sound alone."""
    folder = tmp_path_factory.mktemp("halves")
    return make_clip(folder / "v.mp4", audio=False), make_clip(folder / "a.mp4", video=False)


@pytest.fixture
def paths(tmp_path):
    return Paths("demo", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))


@pytest.fixture
def get(paths):
    """Fetch a URL as a row of the study; the manifest."""

    def fetch_one(url, slug="v", token=0, allow=(), **changes):
        fetch.run({"slug": slug, "source": url}, paths, parameters(**changes), token, allow=allow)
        return Manifest.read(paths.manifest("fetch", slug))

    return fetch_one


def parameters(**changes):
    """The study's `fetch` section for tests: short waits, this machine allowed."""
    quick = {"backoff_seconds": 0.01, "timeout_seconds": 1.0, "retries": 2, "allow_private_hosts": True}
    run = {"run": changes.pop("run")} if "run" in changes else {}
    return {**Fetch(**{**quick, **changes}).model_dump(), **run}
