"""`triptych search`: the lines that tell what was found by words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from triptych.core.cells import printable
from triptych.crossmodal.search import Clip, Found


def lines(found: Found, rows: Mapping[str, Any]) -> Iterator[str]:
    """What is printed: a line for each video, and one for each encoder that has it.

    Args:
        found: of `crossmodal.search.search`.
        rows: slug -> row of the table.
    """
    wide = max(map(len, found.encoders))
    for number, one in enumerate(found.results, start=1):
        title = printable(rows[one.video].title)
        yield f"{number:3d}  {one.video}{'  ' + title if title else ''}"
        for clip in one.clips:
            yield f"     {clip.encoder:<{wide}}  {span(clip):>13}  cosine {clip.cosine:.3f}, rank {clip.rank:g}"


def span(clip: Clip) -> str:
    """`0:03-0:07`; one time for a frame; the array, or a dash, for text without times."""
    if clip.end > clip.start:
        return f"{_clock(clip.start)}-{_clock(clip.end)}"
    if clip.reads == "text" and clip.end == 0:
        return "-" if clip.array == "embedding" else clip.array
    return _clock(clip.start)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
