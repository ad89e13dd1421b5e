"""Probe: what a file holds, and whether it is within the limits, from its header alone before anything is decoded."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

from triptych.core.status import stop
from triptych.media.frames import (
    PICTURES,
    Tally,
    aspect_of,
    clock_zero,
    decode,
    only,
    open_media,
    packets,
    pick_audio,
    pick_video,
    prepare,
)
from triptych.media.sandbox import Answer

VERSION = "1"
#: Packets whose times tell whether the frame rate is constant.
RATE_PACKETS = 3000


def examine(path: str, limits: dict[str, Any]) -> Answer:
    """Facts about a media file, for `sandbox.run`.

    Args:
        path: absolute path.
        limits: `Limits` as a mapping.

    Returns:
        `data` with kind, container, duration, start, video and audio (None when absent).

    Raises:
        Refused: `failed` (`unreadable`, `no_streams`) or `refused` (`too_many_pixels`, `too_many_frames`, `too_long`).
    """
    with open_media(path) as container:
        video, audio = pick_video(container), pick_audio(container)
        if video is None and audio is None:
            raise stop("failed", "no_streams", "the file holds no sound and no picture that can be decoded")
        name = container.format.name
        zero = clock_zero(video, audio)
        facts = {
            "kind": "image" if name in PICTURES else "video" if video is not None else "audio",
            "container": name,
            "duration": None if name in PICTURES else _duration(container, video, audio),
            "start": zero,
            "video": None if video is None else _video(video, zero, _duration(container, video, None)),
            "audio": None if audio is None else _audio(audio, zero),
        }
        _refuse(facts, limits)
        warnings = {}
        if video is not None:
            only(container, video)
            warnings = _look(container, video, facts["video"], limits)
    return Answer(facts, warnings)


def checked_size(size: int, limits: dict[str, Any]) -> int:
    """The size of a file in bytes, when a stage may read one of that size.

    Raises:
        Refused: `failed: unreadable` when empty, `refused: too_large` over the limit.
    """
    if size == 0:
        raise stop("failed", "unreadable", "the file is empty (0 bytes)")
    if size > limits["max_bytes"]:
        raise stop("refused", "too_large", f"{size:,} bytes, allowed are {limits['max_bytes']:,} (limits.max_bytes)")
    return size


def _duration(container: Any, *streams: Any | None) -> float | None:
    """Declared seconds: the longest of the container's and the streams' own."""
    declared = [float(one.duration * one.time_base) for one in streams if one is not None and one.duration]
    if container.duration:
        declared.append(container.duration / 1e6)
    return max(declared, default=None)


def _video(stream: Any, zero: float, duration: float | None) -> dict[str, Any]:
    """Facts of the video stream's header; `frames` is declared, or estimated from duration and rate."""
    rate = float(stream.average_rate or stream.guessed_rate or 0) or None
    frames = stream.frames or (round(duration * rate) if duration and rate else None)
    return {
        "index": stream.index,
        "codec": stream.codec_context.codec.canonical_name,
        "width": stream.width,
        "height": stream.height,
        "pixel_aspect": aspect_of(stream),
        "rotation": 0,
        "frames": frames,
        "fps": rate,
        "frame_rate": "constant",
        "start": _start(stream, zero),
    }


def _audio(stream: Any, zero: float) -> dict[str, Any]:
    """Facts of the sound track's header."""
    return {
        "index": stream.index,
        "codec": stream.codec_context.codec.canonical_name,
        "rate": stream.rate,
        "channels": stream.channels,
        "start": _start(stream, zero),
    }


def _start(stream: Any, zero: float) -> float:
    return float(stream.start_time * stream.time_base) - zero if stream.start_time is not None else 0.0


def _refuse(facts: dict[str, Any], limits: dict[str, Any]) -> None:
    """Refuse what is over a limit, as the header tells it."""
    if (facts["duration"] or 0) > limits["max_seconds"]:
        raise stop(
            "refused",
            "too_long",
            f"{facts['duration']:,.0f} s, allowed are {limits['max_seconds']:,.0f} (limits.max_seconds)",
        )
    video = facts["video"]
    if video:
        width, height = video["width"], video["height"]
        if width * height > limits["max_pixels"]:
            raise stop(
                "refused",
                "too_many_pixels",
                f"{width} x {height} pixels, allowed are {limits['max_pixels']:,} (limits.max_pixels)",
            )
        if (video["frames"] or 0) > limits["max_frames"]:
            raise stop(
                "refused",
                "too_many_frames",
                f"{video['frames']:,} frames, allowed are {limits['max_frames']:,} (limits.max_frames)",
            )


def _look(container: Any, stream: Any, facts: dict[str, Any], limits: dict[str, Any]) -> dict[str, str]:
    """Fill in what needs packets: rotation (of the first frame that decodes) and whether the frame rate is constant."""
    prepare(stream, 1, limits["max_pixels"])
    tally = Tally()
    times: list[int] = []
    first = None
    for packet in packets(container, stream, tally):
        if packet.pts is not None:
            times.append(packet.pts)
        if first is None:
            first = next(iter(decode(stream.codec_context, packet, tally)), None)
        if tally.packets >= RATE_PACKETS:
            break
    else:
        first = first or next(iter(decode(stream.codec_context, None, tally)), None)
    if first is not None:
        facts["rotation"] = round(first.rotation / 90) % 4 * 90
    if _varies(times, bounded=tally.packets >= RATE_PACKETS):
        facts["frame_rate"] = "variable"
    return {} if first is not None else {"no_frame": "none of the first frames can be decoded"}


def _varies(times: list[int], bounded: bool) -> bool:
    """Whether more than 2 % of the gaps between frames differ from the middle one by more than a fifth.

    Args:
        times: presentation times in ticks, in the order of decoding.
        bounded: the stream goes on; its last frames may still lack neighbours.
    """
    ordered = sorted(set(times))
    if bounded:
        ordered = ordered[:-32]
    gaps = [after - before for before, after in itertools.pairwise(ordered)]
    if len(gaps) < 3:
        return False
    middle = statistics.median(gaps)
    odd = sum(abs(gap - middle) > max(1, 0.2 * middle) for gap in gaps)
    return odd > max(1, 0.02 * len(gaps))
