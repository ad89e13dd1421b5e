"""yt-dlp as the fetch stage uses it: its Python API with every option explicit, over one guarded way to the network.

No configuration files, plugins, cache, netrc, post-processors or external programs.
"""

from __future__ import annotations

import functools
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triptych.core.status import Refused, stop
from triptych.media.fetch_errors import classify
from triptych.media.fetch_network import Session, handler
from triptych.media.fetch_secrets import learn

log = logging.getLogger("triptych.fetch")
#: Downloaders that stay inside this process and its guard.
DOWNLOADERS = {"HttpFD", "HlsFD", "DashSegmentsFD", "IsmFD", "F4mFD"}


@functools.cache
def _client() -> type:
    """The class of the client."""
    import yt_dlp
    import yt_dlp.globals

    yt_dlp.globals.plugin_dirs.value = []
    return type("GuardedYoutubeDL", (Client, yt_dlp.YoutubeDL), {})


class Client:
    """Over yt-dlp's `YoutubeDL`: one way to the network and no way to a program of its own."""

    def __init__(self, options: dict[str, Any], session: Session) -> None:
        self.session = session
        super().__init__(options, auto_init=True)
        self.add_progress_hook(session.progress)
        if [type(one) for one in self._request_director.handlers.values()] != [handler()]:
            raise RuntimeError(
                "this yt-dlp takes other ways to the network than the guarded one; "
                "install the version of constraints.txt"
            )

    def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
        """Only the guarded handler, whatever is installed."""
        director = super().build_request_director([handler()])
        for one in director.handlers.values():
            one.session = self.session
        return director

    def look(self, url: str) -> dict[str, Any]:
        """What the site tells of a URL.

        Raises:
            Refused: why not.
        """
        with foreign():
            return self.extract_info(url, download=False) or {}

    def resolve(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The video of an entry of a list."""
        if entry.get("_type") in ("url", "url_transparent"):
            return self.look(entry["url"])
        return entry

    def save(self, stream: dict[str, Any], target: Path, *, captions: bool = False) -> None:
        """Download one stream or captions to `target`, resuming `target.part`.

        Raises:
            Refused: why not; the part stays when another attempt may go on with it.
        """
        if captions and stream.get("data") is not None:
            target.write_text(str(stream["data"]), encoding="utf-8")
            return
        part = target.with_name(f"{target.name}.part")
        plain = str(stream.get("protocol") or "http").startswith("http") and "fragments" not in stream
        self.session.download = stream["url"] if plain and not captions else None
        self.session.base_bytes = 0 if captions else self.session.base_bytes
        try:
            with foreign():
                done, _ = self.dl(str(target), stream, subtitle=captions)
        finally:
            self.session.download = None
        if not done or not target.is_file():
            size = part.stat().st_size if part.is_file() else 0
            raise stop("failed", "network", f"The download ended early ({size:,} bytes).", transient=True)

    def dl(self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False) -> Any:
        """Download one stream to `name`; downloaders that would start a program are refused."""
        from yt_dlp.downloader import get_suitable_downloader

        downloader = get_suitable_downloader(dict(info), self.params)
        if downloader is None or downloader.__name__ not in DOWNLOADERS:
            raise stop(
                "failed",
                "unsupported_protocol",
                f"The site offers {info.get('protocol')} streams only (see fetch.format).",
            )
        return super().dl(name, info, subtitle, test)


@contextmanager
def foreign() -> Iterator[None]:
    """Around what handles a site's own words: whatever they make it raise is that video's outcome."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except Exception as error:
        raise Refused(classify(error)) from error


class _Logger:
    """yt-dlp's messages to the job's log, cleaned of colours."""

    def debug(self, message: str) -> None:
        log.debug("%s", message)

    def warning(self, message: str) -> None:
        log.info("yt-dlp: %s", message)

    def error(self, message: str) -> None:
        log.warning("yt-dlp: %s", message)


@contextmanager
def open_client(session: Session, cookies: str | None = None, **more: Any) -> Iterator[Client]:
    """A yt-dlp with the study's parameters and the text of a cookie file; `more` are further options."""
    params = session.params
    learn(cookies)
    options: dict[str, Any] = {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Logger(),
        "cachedir": False,
        "usenetrc": False,
        "ignoreerrors": False,
        "allow_unplayable_formats": False,
        "enable_file_urls": False,
        "geo_bypass": False,
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "playlistend": 2,
        "format": params["format"],
        "writesubtitles": bool(params["captions"]),
        "writeautomaticsub": bool(params["captions"]),
        "external_downloader": {"default": "native"},
        "ffmpeg_location": "/nonexistent/no-programs",
        "hls_prefer_native": True,
        "postprocessors": [],
        "socket_timeout": params["timeout_seconds"],
        "retries": 0,
        "extractor_retries": 0,
        "file_access_retries": 3,
        "fragment_retries": params["retries"],
        "retry_sleep_functions": {"fragment": lambda n: min(120.0, params["backoff_seconds"] * 2**n)},
        "skip_unavailable_fragments": False,
        "concurrent_fragment_downloads": 1,
        "continuedl": True,
        "nopart": False,
        "updatetime": False,
        "ratelimit": params.get("rate_limit"),
        "sleep_interval_subtitles": params.get("sleep_seconds") or 0,
        **more,
    }
    if cookies is not None:
        options["cookiefile"] = io.StringIO(cookies)
    client = _client()(options, session)
    try:
        yield client
    finally:
        client.close()


def read_cookies(path: str | None) -> str | None:
    """The user's cookies, copied into memory: nothing is written to disk, and yt-dlp cannot rewrite the file.

    Lines that are no cookies are left out here, since yt-dlp would print them.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file holds no Netscape cookies; its content is never part of the message.
    """
    if not path:
        return None
    kept, strange = [], 0
    for line in Path(path).expanduser().read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.removeprefix("#HttpOnly_").split("\t")
        if len(fields) == 7 and re.fullmatch(r"([0-9]+(\.[0-9]+)?)?", fields[4]):
            kept.append(line)
        elif line.strip() and not line.startswith("#"):
            strange += 1
    if not kept and strange:
        raise ValueError(f"fetch.cookies: {path} is no Netscape cookie file (7 fields with tabs); export it as such")
    if strange:
        log.warning("fetch.cookies: %d lines are no cookies and are left out", strange)
    return "# Netscape HTTP Cookie File\n" + "".join(f"{line}\n" for line in kept)
