"""Why a download failed: reason codes, permanent or transient, from what yt-dlp raised, with its own text."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from typing import Any

from triptych.core.status import Outcome, Refused
from triptych.media.fetch_secrets import hide
from triptych.media.hosts import AddressRefused

#: Answers that another attempt may mend; every other 4xx is permanent.
TRANSIENT_STATUS = {408, 425, 429}
#: Transient failures that a further attempt within the same job cannot mend.
NOT_NOW = {"fetching_stopped", "bot_check", "live", "upcoming"}
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_DISK_WITH_NAME = {errno.EACCES, errno.EPERM, errno.EIO}
_BOT = re.compile(r"not a (ro)?bot|unusual traffic|captcha", re.I)
#: Reason, transient, what yt-dlp's text says.
_TEXTS: tuple[tuple[str, bool, re.Pattern[str]], ...] = tuple(
    (reason, transient, re.compile(pattern, re.I))
    for reason, transient, pattern in (
        ("drm", False, r"\bDRM\b"),
        ("private", False, r"private video|is private|this content is private"),
        (
            "members_only",
            False,
            r"members[- ]only|join this channel|subscribers? only|requires payment|premium",
        ),
        ("age_limited", False, r"confirm your age|age[- ]?(restrict|limit|verif|gate)|inappropriate for some"),
        (
            "geo_restricted",
            False,
            r"geo[- ]?(restrict|block)|not (made this video )?available (in|from) your (country|location|region)",
        ),
        ("upcoming", True, r"premieres? (in|will)|will begin in|not (yet )?started|upcoming"),
        ("live", True, r"live (stream|event|hls)|is (currently )?live|not currently live"),
        ("removed", False, r"removed|deleted|no longer available|account .*terminated|does not exist|taken down"),
        ("unsupported_url", False, r"unsupported url(?! scheme)|not a valid url|no suitable extractor"),
        ("no_format", False, r"requested format is not available|no (video )?formats? found|no media"),
        ("login_required", False, r"log[ -]?in|sign in|registered users|use --cookies"),
        ("unavailable", False, r"unavailable|not available"),
        ("short_body", True, r"bytes read, \d+ more expected|downloaded \d+ bytes, expected|incomplete ?read"),
        ("timeout", True, r"timed out|timeout"),
        ("network", True, r"did not get any data|connection (reset|refused|aborted)|giving up after|remote end closed"),
    )
)
_ADVICE = {
    "http_403": "The site refuses; it may want cookies (fetch.cookies) or a newer yt-dlp.",
    "age_limited": "Give cookies of a signed-in browser (fetch.cookies).",
    "login_required": "Give cookies of a signed-in browser (fetch.cookies).",
    "members_only": "Give cookies of a signed-in browser (fetch.cookies).",
    "bot_check": "Wait some hours, lower fetch.concurrent, set fetch.sleep_seconds, or give fetch.cookies.",
    "extractor_error": "A newer yt-dlp may know this site's changes.",
    "no_format": "See fetch.format.",
    "private_host": "Set fetch.allow_private_hosts to allow it.",
    "certificate": "The site's certificate cannot be verified.",
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and all that it came from, in yt-dlp's, urllib's and Python's ways of telling."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        information = getattr(one, "exc_info", None)
        waiting += [
            information[1] if isinstance(information, tuple) and len(information) > 1 else None,
            getattr(one, "cause", None),
            getattr(one, "reason", None),
            one.__cause__,
            None if one.__suppress_context__ else one.__context__,
            *(getattr(one, "unexpected_errors", None) or []),
            *(getattr(one, "unsupported_errors", None) or []),
        ]


def classify(error: BaseException) -> Outcome:
    """The outcome of a download that ended with `error`.

    Raises:
        OSError: the disk is full or not writable, which is no property of the video.
    """
    from yt_dlp import utils
    from yt_dlp.networking import exceptions as network

    errors = list(chain(error))
    for one in errors:
        if isinstance(one, Refused):
            return one.outcome
    for one in errors:
        if isinstance(one, AddressRefused):
            return _outcome("private_host", f"Not fetched: {one}.", status="refused")
    text = clean(str(error) or type(error).__name__)
    _raise_disk_faults(errors, text)
    if _BOT.search(text):
        return _outcome("bot_check", text, transient=True)
    for one in errors:
        if isinstance(one, utils.GeoRestrictedError):
            return _outcome("geo_restricted", text)
        if isinstance(one, utils.UnsupportedError):
            return _outcome("unsupported_url", text)
    for one in errors:
        if isinstance(one, network.HTTPError):
            return _status(one.status, text)
    by_text = re.search(r"HTTP Error (\d{3})", text)
    if by_text:
        return _status(int(by_text.group(1)), text)
    for kinds, reason, transient in (
        ((network.CertificateVerifyError,), "certificate", False),
        ((network.IncompleteRead, utils.ContentTooShortError), "short_body", True),
        ((TimeoutError, socket.timeout), "timeout", True),
        ((socket.gaierror,), "host_unknown", True),
        ((network.ProxyError,), "proxy", True),
        ((network.TransportError, ConnectionError), "network", True),
    ):
        if any(isinstance(one, kinds) for one in errors):
            return _outcome(reason, text, transient=transient)
    for reason, transient, pattern in _TEXTS:
        if pattern.search(text):
            return _outcome(reason, text, transient=transient)
    return _outcome("extractor_error", text)


def clean(text: str) -> str:
    """yt-dlp's own text as one line: no colours, `ERROR:`, secrets or advice on bugs, at most 500 characters."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    text = re.sub(r"^(ERROR:|WARNING:|\[download\] Got error:|\s)+", "", text)
    text = re.sub(r";? *please report this issue on.*$", "", text, flags=re.I)
    return hide(text)[:500]  # hidden first: half of a secret would not be known


def _status(status: int, text: str) -> Outcome:
    return _outcome(f"http_{status}", text, transient=status in TRANSIENT_STATUS or status >= 500)


def _outcome(reason: str, text: str, *, transient: bool = False, status: Any = "failed") -> Outcome:
    advice, text = _ADVICE.get(reason), hide(text)
    return Outcome(status, reason, f"{text} {advice}" if advice else text, transient=transient)


def _raise_disk_faults(errors: list[BaseException], text: str) -> None:
    """A full or read-only disk is a failed job, never a failed video."""
    for one in errors:
        if not isinstance(one, OSError):
            continue
        if one.errno in _DISK or (one.errno in _DISK_WITH_NAME and one.filename):
            raise OSError(one.errno, f"the download could not be written: {one.strerror}", one.filename) from one
    if re.search(r"unable to (write data|open for writing|create directory)", text):
        raise OSError(errno.EIO, f"the download could not be written: {text}")
