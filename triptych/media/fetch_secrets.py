"""What a download is given in secret, hidden in all that it tells: sites and proxies echo what they were sent.

Known are the values of the cookie file and the user and password of the environment's proxies, each also in the forms
in which a server may write it. What a site gives out itself (cookies that it sets) is not known to be secret.
"""

from __future__ import annotations

import base64
import html
import logging
import traceback
import urllib.parse
import urllib.request
from collections.abc import Iterable

#: Shorter values stay: they are words and numbers of any text (`1`, `en`, `true`), and no secret that holds.
LEAST = 6
#: What stands in place of a secret.
HIDDEN = "..."
#: The secrets of this process's downloads, the longest first, so that none is hidden in part.
_known: list[str] = []


def learn(cookies: str | None) -> None:
    """Know the secrets of the downloads to come, in place of those before, and hide them in the log too.

    Args:
        cookies: text of a Netscape cookie file, as `read_cookies` gives it.
    """
    values = {line.split("\t")[6] for line in (cookies or "").splitlines() if line.count("\t") == 6}
    for proxy in urllib.request.getproxies().values():
        values |= _of_proxy(proxy)
    forms = {form.strip() for value in values for form in _forms(value)}
    _known[:] = sorted((form for form in forms if len(form) >= LEAST), key=lambda form: (-len(form), form))
    # A filter of a logger sees its own records alone, one of a handler those of all.
    logger = logging.getLogger("triptych")
    for place in (logging.getLogger("triptych.fetch"), logger, *logger.handlers):
        place.addFilter(_filter)


def hide(text: str) -> str:
    """The text with `...` in place of each secret."""
    for value in _known:
        text = text.replace(value, HIDDEN)
    return text


def _of_proxy(url: str) -> set[str]:
    """User and password of a proxy together, in the URL's form, plain and as the header has them, and the password."""
    told = url.partition("://")[2] or url
    told = told.partition("/")[0].rpartition("@")[0]
    if not told:
        return set()
    plain = urllib.parse.unquote(told)
    encoded = base64.b64encode(plain.encode()).decode()
    return {told, plain, encoded, encoded.rstrip("="), told.partition(":")[2], plain.partition(":")[2]}


def _forms(value: str) -> Iterable[str]:
    """A value as it is, and escaped and unescaped as URLs and pages do."""
    plain = urllib.parse.unquote(value)
    yield from (value, value.strip('"'), plain, urllib.parse.quote(plain), urllib.parse.quote(plain, safe=""))
    yield from (urllib.parse.quote_plus(plain), html.escape(value), html.escape(plain))


class _Filter(logging.Filter):
    """Hides secrets in a record, and in the traceback that it brings."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _known:
            record.msg, record.args = hide(record.getMessage()), ()
            if record.exc_info and not record.exc_text:
                record.exc_text = "".join(traceback.format_exception(*record.exc_info)).strip()
            record.exc_text = hide(record.exc_text) if record.exc_text else record.exc_text
        return True


_filter = _Filter()
