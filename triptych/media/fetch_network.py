"""The one way to the network of the fetch stage: yt-dlp's urllib handler with the checks of the session around it."""

from __future__ import annotations

import functools
import io
import urllib.error
import urllib.parse
import urllib.request
import urllib.response
import zlib
from pathlib import Path
from typing import Any

from triptych.core.files import parse_json, replace_json
from triptych.core.status import Refused, stop
from triptych.media.fetch_attempts import RunStop
from triptych.media.fetch_errors import chain
from triptych.media.fetch_secrets import hide
from triptych.media.hosts import AddressRefused, Guard

#: Largest page, manifest or compressed answer that is read into memory.
PAGE_BYTES = 64 * 1024 * 1024
#: An attempt slower than this for long is given up (bytes a second, and times the timeout).
SLOWEST, PATIENCE = 256, 20


class Session:
    """What one job knows of its connections: the guard, the run's stop note, answers, and limits of the download."""

    def __init__(self, params: dict[str, Any], guard: Guard, run_stop: RunStop, validators: Path | None = None) -> None:
        self.params, self.guard, self.run_stop = params, guard, run_stop
        self.retry_after = 0.0
        self.download: str | None = None
        self.base_bytes = 0
        self._validators_path = validators
        self._validators: dict[str, str] = {}
        if validators is not None and validators.is_file():
            try:
                self._validators = _texts(parse_json(validators.read_text(encoding="utf-8")))
            except ValueError:
                validators.unlink()

    def before(self, request: Any) -> None:
        """Before a request: fetching may have stopped; a resumed part must still be of the same file."""
        self.run_stop.check()
        known = self._validators.get(request.url)
        if known and request.url == self.download and "Range" in request.headers:
            request.headers["If-Range"] = known

    def after(self, url: str, status: int, headers: Any) -> None:
        """After an answer: count 429, remember how long the server asks to wait and what identifies the file."""
        wait = str(headers.get("Retry-After") or "")
        self.retry_after = float(wait) if status in (429, 503) and wait.isdigit() else 0.0
        if status == 429 and self.run_stop.count_429(urllib.parse.urlsplit(url).hostname or "?"):
            self.run_stop.check()
        etag = headers.get("ETag") or ""
        validator = etag if etag.startswith('"') else headers.get("Last-Modified")
        known = status in (200, 206) and url == self.download and bool(validator)
        # What a site echoes is not written down: a part is then gone on with as from one that tells nothing.
        if known and hide(f"{url} {validator}") == f"{url} {validator}" and self._validators_path is not None:
            self._validators[url] = validator
            replace_json(self._validators_path, self._validators)

    def progress(self, state: dict[str, Any]) -> None:
        """While downloading: the size cap, known or not, and a server that only drips."""
        done = self.base_bytes + (state.get("downloaded_bytes") or 0)
        total = self.base_bytes + (state.get("total_bytes") or 0)
        if max(done, total) > self.params["max_bytes"]:
            raise too_large(max(done, total), self.params["max_bytes"], at_least=total <= done)
        elapsed, speed = state.get("elapsed") or 0, state.get("speed")
        if elapsed > PATIENCE * self.params["timeout_seconds"] and speed is not None and speed < SLOWEST:
            raise stop("failed", "too_slow", f"The server sends {speed:.0f} bytes a second.", transient=True)


def _texts(found: Any) -> dict[str, str]:
    """A mapping of texts as it is, or none."""
    whole = isinstance(found, dict) and all(isinstance(one, str) for one in found.values())
    return found if whole else {}


def too_large(size: float, limit: float, *, at_least: bool = False):
    """The exception for a download over the cap."""
    more = "more than " if at_least else ""
    return stop("refused", "too_large", f"{more}{size:,.0f} bytes, over fetch.max_bytes ({limit:,.0f}).")


class _Checks(urllib.request.BaseHandler):
    """Stands in the opener: each request, redirects too, is checked; compressed answers are unpacked within bounds."""

    handler_order = 50

    def __init__(self, session: Session) -> None:
        self.session = session

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        self.session.guard.check_request(request.full_url)
        return request

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        encodings = [one.strip().lower() for one in (response.headers.get("Content-Encoding") or "").split(",")]
        if not any(encodings) or encodings == ["identity"]:
            return response
        data = _read_bounded(response.read)
        for encoding in reversed(encodings):
            if encoding not in ("gzip", "x-gzip", "deflate", "identity"):
                raise _no_answer(f"unknown Content-Encoding {encoding!r}")
            if encoding != "identity":
                data = _unpack(data)
        del response.headers["Content-Encoding"], response.headers["Content-Length"]
        unpacked = urllib.response.addinfourl(io.BytesIO(data), response.headers, response.url, response.code)
        unpacked.msg = response.msg
        return unpacked

    https_request = http_request
    https_response = http_response


@functools.cache
def handler() -> type:
    """The class of the guarded handler."""
    from yt_dlp.networking._urllib import UrllibRH

    return type("TriptychRH", (_Guarded, UrllibRH), {"RH_NAME": "triptych"})


class _Guarded:
    """Over yt-dlp's urllib handler: http and https alone, with the checks of the session."""

    _SUPPORTED_URL_SCHEMES = ("http", "https")
    session: Session

    def _create_instance(self, *args: Any, **kwargs: Any) -> urllib.request.OpenerDirector:
        opener = super()._create_instance(*args, **kwargs)
        for scheme in ("data", "ftp", "file"):
            opener.handle_open.pop(scheme, None)
        opener.add_handler(_Checks(self.session))
        return opener

    def _prepare_headers(self, request: Any, headers: Any) -> None:
        headers.setdefault("Accept-Encoding", "gzip, deflate")

    def _send(self, request: Any) -> Any:
        from yt_dlp.networking.exceptions import HTTPError, RequestError

        try:
            self.session.before(request)
            response = super()._send(request)
        except HTTPError as error:
            self.session.after(request.url, error.status, error.response.headers)
            raise
        except Exception as error:
            refused = next((one for one in chain(error) if isinstance(one, (AddressRefused, Refused))), None)
            if refused is None:
                raise
            raise RequestError(str(refused), cause=refused) from refused
        self.session.after(request.url, response.status, response.headers)
        read = response.read
        response.read = lambda amt=None: _read_bounded(read) if amt is None or amt < 0 else read(amt)
        return response


def _no_answer(what: str) -> Exception:
    """yt-dlp's exception for a request that has no usable answer."""
    from yt_dlp.networking.exceptions import RequestError

    return RequestError(what)


def _read_bounded(read: Any) -> bytes:
    """All of an answer, as long as it is no larger than a page may be."""
    parts, size = [], 0
    while block := read(1 << 20):
        parts.append(block)
        size += len(block)
        if size > PAGE_BYTES:
            raise _no_answer(f"the page is larger than {PAGE_BYTES:,} bytes")
    return b"".join(parts)


def _unpack(data: bytes) -> bytes:
    """Undo gzip or deflate, within the size of a page."""
    for bits in (47, -15):
        try:
            unpacker = zlib.decompressobj(bits)
            unpacked = unpacker.decompress(data, PAGE_BYTES + 1)
        except zlib.error:
            continue
        if len(unpacked) > PAGE_BYTES:
            raise _no_answer(f"the unpacked page is larger than {PAGE_BYTES:,} bytes")
        return unpacked
    raise _no_answer("the answer's compression is damaged")
