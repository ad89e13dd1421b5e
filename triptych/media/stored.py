"""Frames as they are stored: JPEGs of one size, upright, with square pixels."""

from __future__ import annotations

import io
import tempfile
from typing import Any

from triptych.media.frames import content, picture, quarter_turns, upright_size

#: JPEGs of candidates up to this many bytes stay in memory, then in a nameless file.
SPOOL = 16 * 2**20


class Writer:
    """Makes the stored JPEGs: all of one size, upright, square pixels.

    Attributes:
        size: width and height in pixels, known after the first frame.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self._short, self._quality = params["short_side"], params["jpeg_quality"]
        self._aspect = 1.0
        self.size: tuple[int, int] | None = None

    def pixels(self, aspect: float) -> None:
        """Set the width by height of the source's pixels."""
        self._aspect = aspect

    def picture(self, frame: Any) -> tuple[Any, bytes]:
        """A frame as an upright image of the stored size (`PIL.Image.Image`), and as JPEG."""
        from PIL import Image

        turns = quarter_turns(frame)
        if self.size is None:
            self.size = storage_size(frame.width, frame.height, self._aspect, 90 * turns, self._short)
        with content(f"pictures of {frame.format.name} cannot be read"):
            image = Image.fromarray(picture(frame, *self.size, turns))
        memory = io.BytesIO()
        image.save(memory, "JPEG", quality=self._quality)
        return image, memory.getvalue()


def storage_size(width: int, height: int, aspect: float, rotation: int, short: int) -> tuple[int, int]:
    """Width and height of the stored frames: the short side as wished, the long one to scale, even, at most 8 x."""
    wide, high = upright_size(width, height, aspect, rotation)
    scale = short / min(wide, high)
    return tuple(min(8 * short, max(2, 2 * round(side * scale / 2))) for side in (wide, high))  # type: ignore[return-value]


class Jpegs:
    """JPEGs one after another, in memory while they are few and then in a nameless temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115 - lives as long as the candidates
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, data: bytes) -> None:
        """Add one."""
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def __getitem__(self, position: int) -> bytes:
        self._file.seek(self._ends[position])
        return self._file.read(self._ends[position + 1] - self._ends[position])
