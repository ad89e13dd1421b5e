"""Addresses of the table as they may be shown and linked: no passwords, no signatures, no scripts."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET = re.compile(r"token|sig|secret|key|auth|passw|credential|policy|session|expires|hdnts", re.IGNORECASE)


def safe_source(source: str) -> str:
    """A source without what must not be shared: user and password, and values of query parameters that look secret."""
    if not source[:8].lower().startswith(("http://", "https://")):
        return source
    try:
        parts = urlsplit(source)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return source.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if any(_SECRET.search(name) for name, _ in pairs):
        query = urlencode([(name, "..." if _SECRET.search(name) else value) for name, value in pairs], safe="/:,.")
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def linkable(source: str) -> str | None:
    """The address to link to, only of http and https."""
    return safe_source(source) if source[:8].lower().startswith(("http://", "https://")) else None
