"""Parts of the page that other stages write as HTML: they are shown only where a study has such a section.

Their text is escaped by those who write it. Before it goes into the page it is read once more: anything but plain
structure, text and pictures stops the report, so that a mistake there cannot reach a reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from triptych.core.paths import Paths

TAGS = {"section", "div", "p", "span", "b", "i", "em", "strong", "small", "code", "ul", "ol", "li", "dl", "dt", "dd"}
TAGS |= {"h2", "h3", "h4", "figure", "figcaption", "img", "table", "caption", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"details", "summary", "br", "hr", "a", "time", "sub", "sup"}
ATTRIBUTES = {
    "id",
    "class",
    "title",
    "role",
    "tabindex",
    "scope",
    "colspan",
    "rowspan",
    "alt",
    "src",
    "href",
    "loading",
}
ATTRIBUTES |= {"width", "height", "open", "aria-label", "aria-labelledby", "aria-hidden"}


class SectionError(ValueError):
    """A part of the page that is not plain structure, text and pictures; a bug of the stage that wrote it."""


def others(study: Mapping[str, Any], paths: Paths) -> str:
    """HTML of duplicates, mappings and matches, as far as the study has them."""
    found = []
    duplicates = study.get("duplicates") or {}
    if duplicates.get("use") or duplicates.get("features"):
        from triptych.report import duplicates_section

        found.append(duplicates_section.section(study, paths))
    if study.get("mapping"):
        from triptych.report import mapping_section

        found.append(mapping_section.section(study, paths))
    if study.get("match") or study.get("imagine"):
        from triptych.report import match_section

        found.append(match_section.section(study, paths))
    return "\n".join(inert(one) for one in found if one)


def inert(html: str) -> str:
    """The same HTML, if nothing in it can run or load from elsewhere.

    Raises:
        SectionError: naming the element or attribute.
    """
    _Reader().read(html)
    return html


class _Reader(HTMLParser):
    def read(self, html: str) -> None:
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS:
            raise SectionError(f"a part of the page holds <{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES or (name in ("src", "href") and not _local(name, value or "")):
                raise SectionError(f"a part of the page holds <{tag} {name}={(value or '')[:60]!r}>")

    def handle_comment(self, data):
        raise SectionError("a part of the page holds a comment")

    def handle_decl(self, decl):
        raise SectionError("a part of the page holds a declaration")

    handle_pi = handle_decl
    unknown_decl = handle_decl


def _local(name: str, value: str) -> bool:
    """Whether an address is a picture in the page itself, or a file or place of this report."""
    if name == "src" and value.startswith("data:"):
        return value.startswith(("data:image/png;", "data:image/jpeg;", "data:image/webp;", "data:image/svg+xml;"))
    return ":" not in value.split("/", 1)[0] and not value.startswith(("//", "\\"))
