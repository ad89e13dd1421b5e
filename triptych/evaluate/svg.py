"""Small pictures written as SVG by hand: a few kilobytes each, so that a page may hold one for every model.

Text stays text and is escaped; numbers are rounded to a tenth of a pixel; the same drawing gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from triptych.core.files import replace_text

INK, SOFT, LINE, BLUE, RED = "#1a242d", "#5b6873", "#dfe3e6", "#3b6fb6", "#b3372f"


class Drawing:
    """A picture of `width` by `height` pixels; what is drawn later lies above.

    Args:
        width: in pixels.
        height: in pixels.
        label: what the picture shows, for people who cannot see it.
    """

    def __init__(self, width: int, height: int, label: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui,sans-serif" role="img" aria-label="{printable(label)}">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
        ]

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = LINE, width: float = 1, dash: str = ""):
        """A straight line; `dash` as in SVG."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self.parts.append(f'<line {ends} stroke="{colour}" stroke-width="{_n(width)}"{dashed}/>')

    def polyline(self, points: Sequence[tuple[float, float]], colour: str = BLUE, width: float = 2) -> None:
        """Straight lines from point to point."""
        told = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self.parts.append(f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="{_n(width)}"/>')

    def rect(self, x: float, y: float, width: float, height: float, colour: str = BLUE) -> None:
        """A filled rectangle."""
        place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        self.parts.append(f'<rect {place} fill="{colour}"/>')

    def dot(self, x: float, y: float, radius: float = 3.5, colour: str = BLUE) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{colour}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        anchor: str = "start",
        size: float = 11,
        colour: str = SOFT,
        upward: bool = False,
    ) -> None:
        """Words with their baseline at (x, y); `anchor` is start, middle or end; `upward` turns them by 90 degrees."""
        turned = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if upward else ""
        place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{_n(size)}" fill="{colour}"'
        self.parts.append(f"<text {place}{turned}>{printable(words)}</text>")

    def write(self, path: Path | str) -> None:
        """Write the picture, whole or not at all."""
        replace_text(path, "\n".join([*self.parts, "</svg>", ""]))


def printable(words: str) -> str:
    """Words escaped for SVG; characters that do not print (XML has not all of them) become a box."""
    return escape("".join(char if char.isprintable() else "\N{WHITE SQUARE}" for char in words))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
