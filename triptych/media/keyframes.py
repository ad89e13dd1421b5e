"""Keyframes: the frames nearest to the centroids of a k-means over candidate frames, in the order of time.

On request frames at even times are stored beside them (`uniform`).
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from triptych.core.status import stop
from triptych.media.candidates import Found, Scan, Source, even_times, keyframe_packets, pixel_aspect, scan
from triptych.media.cluster import choose
from triptych.media.even import clip
from triptych.media.sandbox import Answer
from triptych.media.sheet import contact_sheet
from triptych.media.stored import Writer
from triptych.media.uniform import Uniform, decode_wanted

VERSION = "1"
#: Most candidates whose grey thumbnails are kept (for motion).
THUMBS = 256


def extract(source: Source) -> Answer:
    """Choose and decode the keyframes of a video, for `sandbox.run`.

    Returns:
        `data`: count, times (s), decoded_until (s), declared (s), mode, candidates, keyframe_packets, width and height;
            uniform (number of frames at even times) when they are asked for.
        `arrays`: those of the h5 file (see `read`) and `sheet`, the contact sheet as JPEG bytes.
        Warnings: `truncated`, `corrupt_packets`, `timestamps`, `black`.

    Raises:
        Refused: `failed: undecodable` (no frame at all), `failed: truncated` (below `min_fraction`), limits.
    """
    params = source.params
    writer = Writer(params)
    writer.pixels(pixel_aspect(source))
    seen = scan(source)
    mode = params["mode"]
    if mode == "auto":
        enough = len(seen.keys) >= max(1, min(2 * params["count"], len(seen.ticks)))
        mode = "keyframe-packets" if enough else "exact"
    uniform = Uniform(source, seen, writer) if params.get("uniform") else None
    if mode == "keyframe-packets":
        found = keyframe_packets(source, seen, writer)
    else:
        found = even_times(source, seen, writer, uniform)
    _check(found, seen, source)
    if uniform is not None and mode == "keyframe-packets":
        decode_wanted(source, seen, uniform)
    chosen = choose(np.stack(found.features), np.asarray(found.usable), params["count"], params["seed"])
    jpegs = [found.jpegs[found.places[index]] for index in chosen.indices]
    times = [round(found.times[index], 6) for index in chosen.indices]
    few = np.unique(np.linspace(0, len(found.times) - 1, min(THUMBS, len(found.times))).round().astype(np.int64))
    arrays = {
        "frames/bytes": np.frombuffer(b"".join(jpegs), np.uint8),
        "frames/offsets": np.cumsum([0] + [len(one) for one in jpegs]).astype(np.int64),
        "times": np.asarray(times, np.float64),
        "indices": chosen.indices.astype(np.int64),
        "weights": chosen.weights,
        "candidates/thumbs": np.stack([found.greys[position] for position in few]),
        "candidates/times": np.asarray(found.times)[few],
        "sheet": np.frombuffer(contact_sheet(jpegs, times), np.uint8),
    }
    facts = {"count": len(times), "times": times, "mode": mode, "candidates": len(found.times)}
    facts |= {"decoded_until": round(seen.until, 6), "declared": seen.declared, "keyframe_packets": len(seen.keys)}
    facts |= {"width": writer.size[0], "height": writer.size[1]}
    warnings = seen.warnings | found.warnings() | _black(found)
    if uniform is not None:
        arrays |= uniform.arrays()
        facts["uniform"] = len(uniform.times)
        warnings |= uniform.tally.warnings()
    return Answer(facts, warnings, arrays)


def _check(found: Found, seen: Scan, source: Source) -> None:
    """Stop when nothing can be used, or less than is wished."""
    if not found.times:
        what = "no frame can be decoded" if len(seen.ticks) else "the video stream holds no data"
        raise stop("failed", "undecodable", f"{what}; the file is broken")
    if seen.declared and seen.until < source.params["min_fraction"] * seen.declared:
        raise stop(
            "failed",
            "truncated",
            f"only {seen.until / seen.declared:.0%} of the declared {seen.declared:.2f} s is there "
            "(keyframes.min_fraction)",
        )


def _black(found: Found) -> dict[str, str]:
    """The warning that candidates are black or corrupt."""
    unusable = len(found.usable) - sum(found.usable)
    if not unusable:
        return {}
    if unusable == len(found.usable):
        return {"black": "all frames are black or corrupt; they are kept"}
    return {"black": f"{unusable} of {len(found.usable)} candidates are black or corrupt and were left out"}


@dataclass(frozen=True)
class Keyframes:
    """The keyframes of a video, or its frames at even times.

    Attributes:
        frames: n arrays (H, W, 3) uint8 RGB, all of one size, in the order of time.
        times: (n,) seconds.
        weights: (n,) share of the candidates (of the even times) that each stands for.
        mask: (n,) True: a frame of its own; False where `padded` repeated one.
        thumbs: (M, 36, 64) uint8 grey thumbnails of candidates.
        thumb_times: (M,) seconds of them.
    """

    frames: list[np.ndarray]
    times: np.ndarray
    weights: np.ndarray
    mask: np.ndarray
    thumbs: np.ndarray
    thumb_times: np.ndarray


def read(path: Path | str, frames: Literal["keyframes", "uniform"] = "keyframes") -> Keyframes:
    """Read a keyframes file.

    Args:
        path: of the file.
        frames: the keyframes, or the frames at even times.

    Raises:
        DamagedStore: it cannot be trusted, or holds no frames at even times.
    """
    from triptych.core.store import read_arrays

    prefix = "frames" if frames == "keyframes" else "uniform"
    times, weights = ("times", "weights") if frames == "keyframes" else ("uniform/times", "uniform/counts")
    names = [f"{prefix}/bytes", f"{prefix}/offsets", times, weights, "candidates/thumbs", "candidates/times"]
    arrays, _ = read_arrays(path, names)
    found = [_pictured(path, one) for one in _split(path, arrays, prefix)]
    shares = arrays[weights] if frames == "keyframes" else arrays[weights] / max(1, arrays[weights].sum())
    present = np.ones(len(found), dtype=bool)
    return Keyframes(found, arrays[times], shares, present, arrays["candidates/thumbs"], arrays["candidates/times"])


def read_jpegs(path: Path | str) -> tuple[list[bytes], np.ndarray]:
    """The stored JPEGs themselves and their times, for pages and viewers."""
    from triptych.core.store import read_arrays

    arrays, _ = read_arrays(path, ["frames/bytes", "frames/offsets", "times"])
    return [one.tobytes() for one in _split(path, arrays)], arrays["times"]


def _pictured(path: Path | str, data: np.ndarray) -> np.ndarray:
    from PIL import Image

    from triptych.core.store import DamagedStore

    try:
        return decode_jpeg(data)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedStore(f"{path} is damaged: {error}") from error


def _split(path: Path | str, arrays: dict[str, np.ndarray], prefix: str = "frames") -> list[np.ndarray]:
    from triptych.core.store import DamagedStore

    offsets = arrays[f"{prefix}/offsets"]
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or arrays[f"{prefix}/bytes"].ndim != 1:
        raise DamagedStore(f"{path} is damaged: its frames are none")
    return [arrays[f"{prefix}/bytes"][start:end] for start, end in itertools.pairwise(offsets)]


def decode_jpeg(data: np.ndarray | bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of JPEG bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(bytes(data))) as image:
        return np.asarray(image.convert("RGB"))


def padded(keyframes: Keyframes, count: int) -> Keyframes:
    """Exactly `count` frames: fewer are repeated evenly in the order of time, more are thinned evenly.

    `mask` is True for the first of each frame's repetitions and False for the others.
    """
    positions, first = clip(len(keyframes.frames), count)
    return Keyframes(
        [keyframes.frames[position] for position in positions],
        keyframes.times[positions],
        keyframes.weights[positions],
        first & keyframes.mask[positions],
        keyframes.thumbs,
        keyframes.thumb_times,
    )
