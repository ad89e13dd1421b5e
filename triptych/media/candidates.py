"""Candidates for keyframes: the stream's own keyframes, or frames at even times; memory does not grow with duration.

A stream is read twice: once without decoding, to know the times of its packets, then to decode what is wanted. Of each
candidate a description and its finished JPEG are kept, the JPEGs beyond some megabytes in a nameless file.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.core.status import stop
from triptych.media.cluster import SIDE, describe
from triptych.media.frames import (
    Tally,
    aspect_of,
    declared_end,
    decode,
    decode_alone,
    only,
    open_media,
    packets,
    pick_video,
    prepare,
    truncated,
)
from triptych.media.stored import Jpegs, Writer

if TYPE_CHECKING:
    from triptych.media.uniform import Uniform

#: Mode `keyframe-packets`: seconds between candidates where there are more than enough, and most of them per keyframe.
KEY_SECONDS, KEY_MOST = 4.0, 8
#: Pillow's mean over boxes (`PIL.Image.Resampling.BOX`).
BOX = 4
#: Height and width of the grey thumbnails that tell motion between candidates.
GREY = (36, 64)


@dataclass
class Source:
    """A video to take candidates from.

    Attributes:
        path: absolute path.
        index: which stream, as the probe chose it.
        zero: start of the clock in seconds of the container's own clock.
        params: `Keyframes` as a mapping.
        limits: `Limits` as a mapping.
        threads: of the decoder.
    """

    path: str
    index: int
    zero: float
    params: dict[str, Any]
    limits: dict[str, Any]
    threads: int = 1


@dataclass
class Scan:
    """What reading a stream without decoding it told.

    Attributes:
        ticks: presentation times of all packets in the order of decoding, in ticks; -1 where there is none.
        keys: numbers of the keyframe packets.
        step: seconds of a tick.
        rate: frames a second by the header (25 when it does not tell).
        until: seconds on the clock up to which the stream could be read.
        declared: seconds that it should last, None when it is not told.
        warnings: codes to messages.
    """

    ticks: np.ndarray
    keys: np.ndarray
    step: float
    rate: float
    until: float
    declared: float | None
    warnings: dict[str, str]

    @property
    def timed(self) -> bool:
        """Whether packets carry times that go forward: nearly all have one, and they do not start again on the way."""
        if not len(self.ticks) or (self.ticks == -1).mean() > 0.05:
            return False
        window = 64
        return len(self.ticks) <= window or bool((self.ticks[window:] > self.ticks[:-window]).mean() > 0.999)


@dataclass
class Found:
    """Candidates in the order of time, and what was met on the way.

    Attributes:
        times: seconds on the clock.
        places: of each candidate in `jpegs`.
        features: (256,) descriptions.
        greys: (36, 64) uint8 thumbnails.
        usable: False for black and corrupt frames.
        jpegs: the finished JPEGs.
        tally: what was met while decoding.
        timed: whether times are the stream's own.
    """

    writer: Writer
    times: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    features: list[np.ndarray] = field(default_factory=list)
    greys: list[np.ndarray] = field(default_factory=list)
    usable: list[bool] = field(default_factory=list)
    jpegs: Jpegs = field(default_factory=Jpegs)
    tally: Tally = field(default_factory=Tally)
    timed: bool = True

    def add(self, frame: Any, time: float) -> bytes:
        """Describe a decoded frame as a candidate and keep its JPEG, which is returned."""
        image, data = self.writer.picture(frame)
        thumbnail = np.asarray(image.resize((SIDE, SIDE), BOX))
        feature, black = describe(thumbnail)
        self.times.append(time)
        self.places.append(len(self.jpegs))
        self.jpegs.append(data)
        self.features.append(feature)
        self.greys.append(_grey(thumbnail))
        self.usable.append(not black and not frame.is_corrupt)
        return data

    def in_time(self) -> Found:
        """Sort the candidates by time."""
        order = np.argsort(np.asarray(self.times), kind="stable")
        for values in (self.times, self.places, self.features, self.greys, self.usable):
            values[:] = [values[position] for position in order]
        return self

    def warnings(self) -> dict[str, str]:
        """Codes to messages of what was met while decoding."""
        told = self.tally.warnings()
        if not self.timed:
            told["timestamps"] = "the stream has no usable timestamps; times are counted from the frame rate"
        return told


def scan(source: Source) -> Scan:
    """Read a whole stream without decoding it.

    Raises:
        Refused: `refused: too_many_frames` or `too_long`, where the header told less.
    """
    ticks, keys, tally = array("q"), array("q"), Tally()
    with open_media(source.path) as container:
        stream = stream_of(container, source)
        declared, own = declared_end(container, stream)
        if own or declared is None:
            only(container, stream)
        for number, packet in enumerate(packets(container, stream, tally)):
            tick = packet.pts if packet.pts is not None else packet.dts
            ticks.append(-1 if tick is None else tick)
            if packet.is_keyframe:
                keys.append(number)
            if number >= source.limits["max_frames"]:
                raise stop("refused", "too_many_frames", "more frames than limits.max_frames, unlike the header says")
        step, rate = float(stream.time_base), _rate(stream)
    until = (tally.reached if own or declared is None else tally.reached_any) - source.zero
    if until == -np.inf:
        until = len(ticks) / rate
    if until > source.limits["max_seconds"]:
        raise stop("refused", "too_long", f"{until:,.0f} s, unlike the header says (limits.max_seconds)")
    warnings = tally.warnings() | truncated(declared, until)
    return Scan(np.asarray(ticks), np.asarray(keys, np.int64), step, rate, until, declared, warnings)


def keyframe_packets(source: Source, seen: Scan, writer: Writer) -> Found:
    """Decode the stream's own keyframes, each alone.

    Of more than `2 * count` keyframes, one each `KEY_SECONDS` at even times, at most `KEY_MOST * count`.
    """
    found = Found(writer, timed=seen.timed)
    times = seen.ticks[seen.keys] * seen.step - source.zero if found.timed else seen.keys / seen.rate
    order = np.argsort(times, kind="stable")
    least = 2 * source.params["count"]
    most = min(KEY_MOST * source.params["count"], source.params["max_candidates"])
    length = float(times[order[-1]] - times[order[0]]) if len(order) else 0.0
    chosen = order[pick_even(times[order], int(max(least, min(most, length / KEY_SECONDS))), least)]
    wanted = {int(seen.keys[position]): float(times[position]) for position in chosen}
    with open_media(source.path) as container:
        stream = stream_of(container, source)
        only(container, stream)
        prepare(stream, source.threads, source.limits["max_pixels"])
        for number, packet in enumerate(packets(container, stream, found.tally)):
            if number in wanted:
                for frame in decode_alone(stream.codec_context, packet, found.tally)[:1]:
                    found.add(frame, wanted.pop(number))
                if not wanted:
                    break
    return found.in_time()


def even_times(source: Source, seen: Scan, writer: Writer, uniform: Uniform | None = None) -> Found:
    """Decode the stream and take `fps` frames a second, at least `2 * count` and at most `max_candidates`.

    What `uniform` wants is taken on the way.
    """
    found, params = Found(writer, timed=seen.timed), source.params
    shown = np.unique(seen.ticks) if found.timed else np.arange(len(seen.ticks))
    step, zero = (seen.step, source.zero) if found.timed else (1 / seen.rate, 0.0)
    least = 2 * params["count"]
    length = float(shown[-1] - shown[0]) * step if len(shown) else 0.0
    number = int(min(max(least, np.ceil(length * params["fps"])), params["max_candidates"]))
    wanted = [int(shown[position]) for position in reversed(pick_even(shown * step, number, least).tolist())]
    with open_media(source.path) as container:
        stream = stream_of(container, source)
        only(container, stream)
        prepare(stream, source.threads, source.limits["max_pixels"])
        for count, frame in enumerate(all_frames(container, stream, found.tally)):
            mark = frame.pts if found.timed and frame.pts is not None else count
            if wanted and mark >= wanted[-1]:
                # A frame that could not be decoded is stood for by the one after it.
                while wanted and mark >= wanted[-1]:
                    wanted.pop()
                data = found.add(frame, mark * step - zero)
                if uniform is not None and uniform.wants(mark):
                    uniform.take(mark, data)
            elif uniform is not None:
                uniform.offer(frame, mark)
            if not wanted and not (uniform is not None and uniform.wanted):
                break
    return found.in_time()


def pick_even(times: np.ndarray, number: int, least: int) -> np.ndarray:
    """Which frames are candidates: the frame nearest to the middle of each of `number` equal spans of time.

    Where frames are unevenly spread and too few spans hold one, also every n-th frame.

    Args:
        times: (N,) rising seconds.
        number: candidates wanted.
        least: candidates to reach by all means, if there are as many frames.

    Returns:
        Rising positions among the frames; all of them when they are no more than `least`.
    """
    if len(times) <= max(least, 1):
        return np.arange(len(times))
    middles = times[0] + (np.arange(number) + 0.5) * (times[-1] - times[0]) / number
    after = np.searchsorted(times, middles).clip(1, len(times) - 1)
    picked = np.unique(after - (middles - times[after - 1] <= times[after] - middles))
    if len(picked) < least:
        picked = np.union1d(picked, np.linspace(0, len(times) - 1, least).round().astype(np.int64))
    return picked


def pixel_aspect(source: Source) -> float:
    """Width by height of the pixels of the source's stream."""
    with open_media(source.path) as container:
        return aspect_of(stream_of(container, source))


def stream_of(container: Any, source: Source) -> Any:
    """The stream that the probe chose, or what is meant when it is not there.

    Raises:
        Refused: `failed: unreadable`.
    """
    stream = next((one for one in container.streams.video if one.index == source.index), None) or pick_video(container)
    if stream is None:
        raise stop("failed", "unreadable", "the video stream that the probe saw is not there any more")
    return stream


def all_frames(container: Any, stream: Any, tally: Tally) -> Iterator[Any]:
    """All frames of a stream in the order of showing."""
    for packet in packets(container, stream, tally):
        yield from decode(stream.codec_context, packet, tally)
    yield from decode(stream.codec_context, None, tally)


def _rate(stream: Any) -> float:
    return float(stream.average_rate or stream.guessed_rate or 0) or 25.0


def _grey(thumbnail: np.ndarray) -> np.ndarray:
    """(36, 64) uint8 lightness of a square thumbnail (area means over its rows)."""
    grey = thumbnail @ np.array([0.299, 0.587, 0.114])
    edges = np.linspace(0, SIDE, GREY[0] + 1)
    sums = np.concatenate([np.zeros((1, SIDE)), grey.cumsum(axis=0)])
    low = np.floor(edges).astype(int)
    part = (edges - low)[:, None]
    at = sums[low] * (1 - part) + sums[np.minimum(low + 1, SIDE)] * part
    return ((at[1:] - at[:-1]) / (SIDE / GREY[0])).round().astype(np.uint8)
