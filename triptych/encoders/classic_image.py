"""Pictures without weights: colour, texture and edges of each keyframe, and motion between candidate frames.

Arrays:
    frame   (n, 528): colour (214), texture (152) and edges (162) of each distinct keyframe, as `vision` describes them.
    motion  (M - 1, 50): change and optical flow between neighbouring candidates; missing for a single picture.

At most 64 rows of motion are stored: candidates are up to 256, and longer arrays are averaged in even segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import vision
from triptych.encoders.base import Encoded, ModelCard, Pictures

VERSION = "1"

CARD = ModelCard(
    name="classic-image",
    modality="image",
    arrays={"frame": vision.PICTURE, "motion": vision.MOTION},
    revision="none",
    licence="MIT",
    source="Swain and Ballard 1991; Ojala et al. 2002; Dalal and Triggs 2005; Farneback 2003; numpy and OpenCV only",
    version=VERSION,
    frame_side=64,
)


class ClassicImage:
    """The encoder; nothing to load."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params

    def load(self, device: str) -> None:
        """Nothing: there are no weights."""

    def encode(self, batch: Sequence[Pictures]) -> list[Encoded]:
        """Arrays `frame` and, with two candidates or more, `motion` of each video."""
        return [self._one(pictures) for pictures in batch]

    def _one(self, pictures: Pictures) -> Encoded:
        if not len(pictures.frames):
            return Encoded(outcome=Outcome("absent", "no_frames", "there are no keyframes"))
        arrays = {"frame": np.stack([vision.picture(frame) for frame in pictures.frames])}
        # A keyframe is a moment, not a span: it starts and ends at its time.
        times = {"frame": np.repeat(np.asarray(pictures.times, np.float64)[:, None], 2, axis=1)}
        if len(pictures.thumbs) > 1:
            arrays["motion"] = vision.motion(pictures.thumbs)
            clock = np.asarray(pictures.thumb_times, np.float64)
            times["motion"] = np.stack([clock[:-1], clock[1:]], axis=1)
        return Encoded(arrays, times)
