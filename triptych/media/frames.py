"""One way to open, read and decode media, that keeps true times and goes on past what is corrupt.

Everything here runs in the limited child process of `sandbox`. Only `file` is allowed as protocol and only containers
of a fixed list: playlists and lists of files would read other files.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import stop
from triptych.media.sniff import sniff

#: Demuxers of pictures: one frame, no clock.
PICTURES = ("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "jpegxl_pipe")
#: Demuxers that may open a file; no playlists, no lists of files, no text, no devices.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,"
    "eac3,amr,dts,wv,ape,tta,mxf,dv,ivf,obu,h264,hevc,m4v,rm,nut,gif,apng," + ",".join(PICTURES)
)
#: Containers whose declared duration is written down, not guessed from the bit rate.
DECLARING = ("mov", "matroska", "webm", "avi", "flv", "asf", "flac", "wav", "w64", "aiff", "caf", "mxf", "nut")
#: Read errors one after another at which a file is given up.
MOST_ERRORS = 100


@dataclass
class Tally:
    """What was met while reading a stream.

    Attributes:
        packets: packets with data.
        corrupt: packets that could not be read or decoded.
        reached: end in seconds, on the container's own clock, of what was read of this stream.
        reached_any: the same over all streams that were read.
    """

    packets: int = 0
    corrupt: int = 0
    reached: float = -math.inf
    reached_any: float = -math.inf

    def warnings(self) -> dict[str, str]:
        """`corrupt_packets`, if there were any."""
        if not self.corrupt:
            return {}
        return {"corrupt_packets": f"{self.corrupt} of {self.packets} packets are corrupt; the rest was used"}


def open_media(path: Path | str) -> Any:
    """An opened container (`av.container.InputContainer`, a context manager).

    Raises:
        Refused: `failed: unreadable`, with what the file seems to be.
    """
    import av

    absolute = str(Path(path).absolute())
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(absolute, options=options, metadata_errors="ignore")
    except av.error.FFmpegError as error:
        _unless_memory(error)
        kind, phrase = sniff(absolute)
        text = f"the file {phrase}"
        if kind in ("unknown", "matroska", "mp4"):
            text += f" ({error.strerror})"
        raise stop("failed", "unreadable", text) from error


def pick_video(container: Any) -> Any | None:
    """The video stream that is meant: no cover art; the default, then the largest, then the first one."""
    import av

    flags = av.stream.Disposition
    art = flags.attached_pic | flags.timed_thumbnails
    streams = [one for one in container.streams.video if one.codec_context is not None and not one.disposition & art]
    return min(
        streams,
        key=lambda one: (not one.disposition & flags.default, -one.width * one.height, one.index),
        default=None,
    )


def pick_audio(container: Any) -> Any | None:
    """The sound track that is meant: the default, no commentary, then the one with most channels, then the first."""
    import av

    flags = av.stream.Disposition
    aside = flags.comment | flags.visual_impaired | flags.hearing_impaired | flags.dependent
    streams = [one for one in container.streams.audio if one.codec_context is not None and one.rate]
    return min(
        streams,
        key=lambda one: (bool(one.disposition & aside), not one.disposition & flags.default, -one.channels, one.index),
        default=None,
    )


def clock_zero(*streams: Any | None) -> float:
    """Where time starts: the earliest start of the chosen streams, in seconds of the container's own clock."""
    starts = [
        float(one.start_time * one.time_base) for one in streams if one is not None and one.start_time is not None
    ]
    return min(starts, default=0.0)


def declared_end(container: Any, stream: Any) -> tuple[float | None, bool]:
    """Seconds that a stream should last by the header, and whether this is of the stream itself (not the container)."""
    name = container.format.name.split(",")[0]
    if name == "mp3" and not _has_xing(container.name):
        return None, False
    if name not in (*DECLARING, "mp3"):
        return None, False
    if stream.duration is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base), True
    tag = stream.metadata.get("DURATION")
    if tag:
        try:
            hours, minutes, seconds = tag.split(":")
            value = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            value = 0.0
        if value > 0:
            return value, True
    if container.duration is not None and container.duration > 0:
        return container.duration / 1e6, False
    return None, False


def truncated(declared: float | None, until: float) -> dict[str, str]:
    """The warning `truncated` when the end that was reached is below 95 % of the declared one."""
    if declared is None or until >= 0.95 * declared or declared - until <= 0.25:
        return {}
    share = max(0.0, until) / declared
    return {"truncated": f"the file ends after {share:.0%} of its declared {declared:.2f} s; what is there was used"}


def only(container: Any, *streams: Any) -> None:
    """Let the reader skip the data of all other streams."""
    from av.stream import Discard

    for other in container.streams:
        if all(other.index != one.index for one in streams):
            other.discard = Discard.all


def prepare(stream: Any, threads: int, max_pixels: int) -> None:
    """Set a decoder up: its threads, and no picture larger than allowed even when the header said less."""
    context = stream.codec_context
    context.thread_count = max(1, threads)
    context.thread_type = "NONE" if threads <= 1 else "AUTO"
    if stream.type == "video":
        context.options = {"max_pixels": str(max_pixels)}


def packets(container: Any, stream: Any, tally: Tally) -> Iterator[Any]:
    """Packets of a stream with data, going on past read errors; other streams' ends are noted if they are read."""
    import av

    errors = 0
    ticks = {one.index: float(one.time_base or 0) for one in container.streams}
    while errors < MOST_ERRORS:
        try:
            for packet in container.demux():
                time = packet.pts if packet.pts is not None else packet.dts
                if packet.size == 0:
                    continue
                errors = 0
                own = packet.stream_index == stream.index
                if time is not None:
                    end = (time + (packet.duration or 0)) * ticks.get(packet.stream_index, 0.0)
                    if end > tally.reached_any:
                        tally.reached_any = end
                    if own and end > tally.reached:
                        tally.reached = end
                if own:
                    tally.packets += 1
                    yield packet
            return
        except av.error.FFmpegError as error:
            _unless_memory(error)
            errors += 1
            tally.corrupt += 1


def decode(context: Any, packet: Any | None, tally: Tally) -> list[Any]:
    """Frames of a packet (None: what the decoder still holds); a corrupt packet is counted and gives none."""
    import av

    try:
        return context.decode(packet)
    except EOFError:
        return []
    except av.error.FFmpegError as error:
        _unless_memory(error)
        tally.corrupt += 1
        return []


@contextmanager
def content(what: str) -> Iterator[None]:
    """Around what libav does with the frames of a file: what it cannot take is the file's doing, not a bug.

    Nothing may be written inside: a full disk is no property of a file.

    Raises:
        Refused: `failed: undecodable`, with `what`.
    """
    import av

    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        _unless_memory(error)
        raise stop("failed", "undecodable", f"{what} ({getattr(error, 'strerror', None) or error})") from error


def decode_alone(context: Any, packet: Any, tally: Tally) -> list[Any]:
    """Frames of a packet that needs no other: decoded, drained and forgotten, so that no neighbour matters."""
    frames = decode(context, packet, tally) + decode(context, None, tally)
    context.flush_buffers()
    return frames


def upright_size(width: int, height: int, aspect: float, rotation: int) -> tuple[float, float]:
    """Width and height as they are to be seen: square pixels (`aspect` is a pixel's width by height), turned."""
    wide = width * aspect
    return (height, wide) if rotation % 180 else (wide, height)


def aspect_of(stream: Any) -> float:
    """Width by height of a pixel; 1 when it is not told or absurd."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    value = float(ratio) if ratio else 1.0
    return value if 0.1 <= value <= 10 else 1.0


def picture(frame: Any, width: int, height: int, turns: int) -> np.ndarray:
    """A frame as RGB of the given upright size, turned once by `turns` quarters counterclockwise.

    Args:
        frame: `av.VideoFrame`.
        width: pixels after turning.
        height: pixels after turning.
        turns: quarter turns counterclockwise (`quarter_turns`).

    Returns:
        (height, width, 3) uint8.
    """
    if turns % 2:
        width, height = height, width
    # Very large pictures in steps, since the scaler's filters have a largest length.
    while frame.width > 32 * width or frame.height > 32 * height:
        frame = frame.reformat(
            max(width, frame.width // 8), max(height, frame.height // 8), interpolation="FAST_BILINEAR"
        )
    shrinks = width <= frame.width and height <= frame.height
    scaled = frame.reformat(width, height, format="rgb24", interpolation="AREA" if shrinks else "BICUBIC")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns))


def quarter_turns(frame: Any) -> int:
    """Quarter turns counterclockwise that show a frame upright (its display matrix, to the nearest quarter)."""
    return round(frame.rotation / 90) % 4


def _has_xing(name: str) -> bool:
    """Whether an mp3 tells its length (Xing or Info header) near its start or after its tags."""
    with Path(name).open("rb") as handle:
        head = handle.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
            handle.seek(10 + size)
        first = head + handle.read(2048)
    return b"Xing" in first or b"Info" in first


def _unless_memory(error: Any) -> None:
    """Want of memory is no property of a packet."""
    if getattr(error, "errno", None) == errno.ENOMEM:
        raise MemoryError(str(error)) from error
