"""Small real media files, made with PyAV as the tests need them."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 44_100


def colours(count: int) -> list[tuple[int, int, int]]:
    """Colours that the eye tells apart, none of them black."""
    steps = (70, 130, 190, 250)
    cube = [(r, g, b) for r in steps for g in steps for b in steps]
    return [cube[i * 23 % len(cube)] for i in range(count)]


def flat(colour, width=64, height=48) -> np.ndarray:
    """A picture of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def upright(width=96, height=64) -> np.ndarray:
    """A picture with a red upper left corner on grey, so that every turn of it differs."""
    image = flat((120, 120, 120), width, height)
    image[: height // 2, : width // 2] = (220, 30, 30)
    return image


def moving(count: int, width=96, height=64, seed=0) -> list[np.ndarray]:
    """Textured pictures that move and change slowly in colour."""
    generator = np.random.default_rng(seed)
    wide = generator.integers(40, 220, (height // 8, width // 8 + count // 2 + 2, 3))
    wide = np.kron(wide, np.ones((8, 8, 1))).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, 3 * i % (4 * count) : 3 * i % (4 * count) + width]) for i in range(count)]


def tone(seconds: float, rate=RATE, pitch=440.0, level=0.5) -> np.ndarray:
    """(samples,) float32 sine."""
    return (level * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def riff(data: bytes = b"", claimed: int | None = None, channels: int = 1, rate: int = 16_000) -> bytes:
    """A WAV of 16-bit samples, byte by byte: its header may say what no writer would."""
    size = len(data) if claimed is None else claimed
    wide = 2 * channels
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * wide & 0xFFFFFFFF, wide & 0xFFFF, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size) + data


def write(
    path: Path,
    pictures=(),
    sound: np.ndarray | None = None,
    fps: float = 25,
    times: list[float] | None = None,
    gop: int = 250,
    rotation: int = 0,
    codec: str = "libx264",
    rate: int = RATE,
    sound_codec: str = "aac",
    sound_from: float = 0.0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a file of pictures (at `times`, or `fps`) and mono sound that starts at `sound_from` seconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = voice = None
        if len(pictures):
            height, width = pictures[0].shape[:2]
            video = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
            video.width, video.height, video.pix_fmt = width, height, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            video.gop_size = gop
            video.codec_context.time_base = Fraction(1, 1000) if times else 1 / Fraction(fps).limit_denominator(1000)
            if codec == "libx264":
                video.options = {"preset": "veryfast", "crf": "20", "threads": "1", "sc_threshold": "0"}
            if aspect:
                video.codec_context.sample_aspect_ratio = aspect
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            voice = container.add_stream(sound_codec, rate=rate, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=video.pix_fmt)
            frame.pts = round(times[number] * 1000) if times else number
            frame.time_base = video.codec_context.time_base
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        if voice is not None:
            for start in range(0, len(sound), 1024):
                frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts = rate, start + round(sound_from * rate)
                frame.time_base = Fraction(1, rate)
                container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return path


def shots(path: Path, count: int, each: int = 10, **more) -> Path:
    """A video of constant shots, each of another colour, with a keyframe at the start of each."""
    pictures = [flat(colour) for colour in colours(count) for _ in range(each)]
    return write(path, pictures, gop=each, **more)
