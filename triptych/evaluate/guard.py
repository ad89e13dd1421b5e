"""Cells of exported tables: text that spreadsheets would run as a formula, or that breaks a line, is made plain."""

from __future__ import annotations

import re

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BREAKS = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]")


def formula_safe(text: str) -> str:
    """The text, with `'` before a first character that makes spreadsheets read it as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def one_line(text: str) -> str:
    """The text as one cell of a TSV: tabs, line breaks and backslashes escaped, other control characters by number."""
    escaped = "".join(_BREAKS.get(char, char) for char in text)
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", formula_safe(escaped))
