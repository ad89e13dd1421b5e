"""A strip of a few keyframes of a video with boxes around the objects on them."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from triptych.core.hdf import DamagedStore
from triptych.media.sheet import clock

if TYPE_CHECKING:
    from triptych.report.noted import Noted

log = logging.getLogger(__name__)

#: Frames of a strip, boxes drawn on each, width of each in pixels, quality, and bytes of a strip at most.
FRAMES, DRAWN, WIDE, TALL, QUALITY, MOST = 4, 8, 216, 216, 66, 100_000
COLOURS = ((214, 69, 65), (31, 111, 139), (47, 143, 107), (192, 114, 42), (106, 79, 163), (179, 55, 120))
#: Times are stored as float32 beside boxes: seconds that two of one frame may differ by.
NEAR = 2e-3


def strip(path: Path | None, noted: Noted) -> str | None:
    """The frames with the most confident objects, in order of time, as a `data:` address.

    Args:
        path: the video's keyframes.
        noted: its boxes and the names of their classes.

    Returns:
        None when there is no keyframe with boxes (a detector may have read frames at even times), or it would be
        larger than `MOST` bytes.
    """
    from triptych.media.keyframes import decode_jpeg, read_jpegs

    if path is None or noted.boxes is None or not len(noted.boxes):
        return None
    try:
        jpegs, times = read_jpegs(path)
    except (DamagedStore, FileNotFoundError) as error:
        log.warning("boxes are left out of the page: %s", error)
        return None
    chosen = choose(noted.boxes, np.asarray(times))
    if not chosen:
        return None
    try:
        pictures = [(decode_jpeg(jpegs[place]), float(times[place]), rows) for place, rows in chosen]
        data = draw(pictures, noted.names)
    except (OSError, ValueError) as error:
        log.warning("boxes on %s are left out of the page: %s", path, error)
        return None
    if len(data) > MOST:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def choose(boxes: np.ndarray, times: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Places of at most `FRAMES` keyframes in order of time, each with its at most `DRAWN` boxes.

    Frames with more different objects come first, then those that are more certain of them.
    """
    found = []
    for place, time in enumerate(times):
        rows = boxes[np.abs(boxes[:, 0] - time) <= NEAR + 1e-6 * abs(time)]
        if len(rows):
            rows = rows[np.argsort(-rows[:, 2], kind="stable")][:DRAWN]
            found.append((len(set(rows[:, 1].tolist())), float(rows[:, 2].sum()), place, rows))
    best = sorted(found, key=lambda one: (-one[0], -one[1], one[2]))[:FRAMES]
    return [(place, rows) for _, _, place, rows in sorted(best, key=lambda one: one[2])]


def draw(pictures: list[tuple[np.ndarray, float, np.ndarray]], names: Mapping[int, str]) -> bytes:
    """JPEG of frames (H, W, 3) side by side, each with its time and its boxes (k, 7)."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = pictures[0][0].shape[:2]
    scale = min(WIDE / width, TALL / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gap, label = 6, 16
    canvas = Image.new("RGB", (gap + len(pictures) * (size[0] + gap), size[1] + label + 2 * gap), (250, 250, 248))
    font = ImageFont.load_default(size=11)
    for number, (frame, time, rows) in enumerate(pictures):
        left = gap + number * (size[0] + gap)
        small = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(small)
        for row in rows[::-1]:  # the most confident on top
            name = names.get(int(row[1]), str(int(row[1])))
            colour = COLOURS[int(row[1]) % len(COLOURS)]
            x1, y1, x2, y2 = (float(share) * side for share, side in zip(row[3:], (*size, *size), strict=True))
            corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            pen.rectangle(corners, outline=colour, width=2)
            text = f"{name[:18]} {row[2]:.2f}".replace(" 0.", " .")
            place = pen.textbbox((corners[0] + 2, max(0.0, corners[1])), text, font=font)
            pen.rectangle((place[0] - 2, place[1] - 1, place[2] + 2, place[3] + 1), fill=colour)
            pen.text((corners[0] + 2, max(0.0, corners[1])), text, font=font, fill=(255, 255, 255))
        canvas.paste(small, (left, gap))
        middle = (left + size[0] / 2, gap + size[1] + 2)
        ImageDraw.Draw(canvas).text(middle, clock(time), font=font, fill=(70, 70, 70), anchor="ma")
    memory = io.BytesIO()
    canvas.save(memory, "JPEG", quality=QUALITY, optimize=True)
    return memory.getvalue()
