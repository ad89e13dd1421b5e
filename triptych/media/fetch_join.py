"""Join a video and an audio stream into one file by copying packets: PyAV in a limited child, or the ffmpeg binary."""

from __future__ import annotations

import errno
import importlib.util
import subprocess
from pathlib import Path

from triptych.core.status import Refused, stop
from triptych.media import sandbox

#: Limits of the child: address space in MB beyond what it starts with, wall-clock seconds.
MEMORY_MB, SECONDS = 3000, 1800.0
#: Codecs that an mp4 holds everywhere; other pairs go into matroska, which holds them all.
MP4_VIDEO = {"h264", "hevc", "av1", "mpeg4"}
MP4_AUDIO = {"aac", "mp3", "ac3", "eac3", "alac"}


def join(video: Path, audio: Path, out: Path) -> str:
    """Write `out` with the picture of `video` and the sound of `audio`; nothing is decoded.

    Returns:
        What joined them: `pyav`, or `ffmpeg` (the `ffmpeg` extra, where PyAV could not).

    Raises:
        Refused: `failed: not_joined` with the reason.
        OSError: a full disk.
    """
    try:
        sandbox.run(join_with_pyav, video, audio, out, memory_mb=MEMORY_MB, wall_seconds=SECONDS)
    except Refused as refused:
        reason = str(refused.outcome.message)
    else:
        return "pyav"
    if importlib.util.find_spec("imageio_ffmpeg") is not None:
        second = join_with_ffmpeg(video, audio, out)
        if second is None:
            return "ffmpeg"
        reason = f"{reason}; ffmpeg: {second}"
    out.unlink(missing_ok=True)
    raise stop("failed", "not_joined", f"Video and audio could not be joined: {reason}.")


def join_with_pyav(video: Path, audio: Path, out: Path) -> sandbox.Answer:
    """Copy the first video stream of one file and the first audio stream of another into `out`, in order of time.

    Raises:
        Refused: `failed: not_joined` when a stream is missing, damaged, or fits into no container.
    """
    import av

    options = {"protocol_whitelist": "file"}
    try:
        with (
            av.open(str(video.resolve()), options=options) as pictures,
            av.open(str(audio.resolve()), options=options) as sounds,
        ):
            if not pictures.streams.video or not sounds.streams.audio:
                raise stop("failed", "not_joined", "one of the two streams is missing")
            sources = (pictures.streams.video[0], sounds.streams.audio[0])
            names = [source.codec_context.name for source in sources]
            container = "mp4" if names[0] in MP4_VIDEO and names[1] in MP4_AUDIO else "matroska"
            with av.open(str(out.resolve()), "w", format=container) as target:
                targets = [target.add_stream_from_template(source) for source in sources]
                queues = [_packets(pictures, sources[0]), _packets(sounds, sources[1])]
                heads = [next(queue, None) for queue in queues]
                while any(head is not None for head in heads):
                    first = min((i for i in (0, 1) if heads[i] is not None), key=lambda i: _time(heads[i]))
                    packet = heads[first]
                    packet.stream = targets[first]
                    target.mux(packet)
                    heads[first] = next(queues[first], None)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in sandbox.DISK_ERRORS | {errno.ENOMEM}:
            raise
        raise stop("failed", "not_joined", str(error)) from error
    return sandbox.Answer({"container": container})


def join_with_ffmpeg(video: Path, audio: Path, out: Path) -> str | None:
    """Join into matroska with the binary of the `ffmpeg` extra; why it could not, or None."""
    import imageio_ffmpeg

    def given(path: Path) -> list[str]:
        return ["-protocol_whitelist", "file", "-i", f"file:{path.resolve()}"]

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *given(video), *given(audio)]
    command += ["-map", "0:v:0", "-map", "1:a:0", "-c", "copy", "-f", "matroska", f"file:{out.resolve()}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS:g} s"
    lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"ended with {done.returncode}"]
    return lines[-1][:300] if done.returncode else None


def _packets(container, stream):
    for packet in container.demux(stream):
        if packet.size and packet.dts is not None:
            yield packet


def _time(packet) -> float:
    return float(packet.dts * packet.time_base)
