"""Render the demo corpus: 48 short synthetic videos of four topics, five misbehaving ones, captions and the table.

Usage: python data/make_demo.py [--out data/demo] [--seed 20]

Needs espeak-ng (render time only), PyAV, numpy and OpenCV. The same seed and the same versions of these give the same
corpus; nothing is downloaded. What each topic looks and sounds like is laid down in demo_words.py.
"""

from __future__ import annotations

import argparse
import csv
import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from demo_scenes import frames
from demo_sounds import RATE, SOUNDS, require_espeak, room, say
from demo_words import CLIPS_PER_FILM, CUES, Film, films, narration

COLUMNS = ("id", "source", "topic", "film", "fold", "title", "description", "captions")
SHORTEST, LONGEST = 5.0, 8.0
CRF = 29
AUDIO_BITRATE = 32_000
VIDEO_CLOCK = Fraction(1, 12_000)  # divisible by every frame rate, fine enough for a variable one

#: Misbehaving rows: id, the film it belongs to, what is wrong.
ODD = (
    ("no-audio", "anais", "has no sound track"),
    ("cut", "eleven", "breaks off at 60 % of its bytes"),
    ("text", "copper-moon", "is a text file with the name of a video"),
    ("portrait", "juniper", "is upright, marked as rotated, and has a variable frame rate"),
    ("one-frame", "north-wind", "has a single frame and no sound"),
)


class Clip(NamedTuple):
    """What is to be encoded: moments to draw, sound, and cues (start, end, text)."""

    duration: float
    sound: np.ndarray
    cues: list[tuple[float, float, str]]


def compose(film: Film, part: int, rng: np.random.Generator) -> Clip:
    """Speak, lay the sound scene under it and time the captions.

    Args:
        film: the film of the clip.
        part: number of the clip in its film, from 0.
        rng: the clip's own random numbers.

    Returns:
        A clip between 5 and 8 seconds.
    """
    sentences = narration(film, rng, part + film.fold)
    lead, pause, tail = rng.uniform(0.2, 0.6), rng.uniform(0.15, 0.35), rng.uniform(0.3, 0.6)
    for speed in range(film.speed, 400, 15):
        spoken = [say(text, film, speed) for text in sentences]
        length = lead + pause + tail + sum(map(len, spoken)) / RATE
        if length < LONGEST - 0.15:
            break
    # A whole number of frames, so that picture and sound end together.
    duration = round(max(SHORTEST + 0.1, length) * film.rate) / film.rate
    sound = SOUNDS[CUES[film.topic][1]](rng, round(duration * RATE))
    cues, at = [], lead
    for text, voice in zip(sentences, spoken, strict=True):
        start = round(at * RATE)
        sound[start : start + len(voice)] += voice
        cues.append((at, at + len(voice) / RATE, text))
        at += len(voice) / RATE + pause
    return Clip(duration, room(film, sound, rng), cues)


def encode(
    path: Path,
    film: Film,
    pictures: Iterable[np.ndarray],
    times: np.ndarray,
    sound: np.ndarray | None,
    size: tuple[int, int],
) -> None:
    """Write an mp4 (h264, aac) with its index in front.

    Args:
        path: file to write.
        film: gives the nominal frame rate.
        pictures: BGR pictures, one for each time.
        times: presentation time of each picture in seconds; the steps may differ.
        sound: mono samples at `RATE`, or None for no sound track.
        size: width and height of the pictures.
    """
    # Without bitexact the file would carry the versions of the libraries, and differ where nothing else does.
    flags = {"movflags": "+faststart", "fflags": "+bitexact"}
    # x264 decides differently with another number of threads, and with its vector code even from run to run: its
    # macroblock tree reads memory that nobody wrote (seen with MALLOC_PERTURB_). Plain code on one thread is exact.
    x264 = {"crf": str(CRF), "preset": "slow", "threads": "1", "g": str(2 * film.rate), "x264-params": "asm=0"}
    with av.open(str(path), "w", format="mp4", options=flags) as out:
        video = out.add_stream("libx264", rate=film.rate, options=x264)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.time_base = video.codec_context.time_base = VIDEO_CLOCK
        audio = None
        if sound is not None:
            audio = out.add_stream("aac", rate=RATE, layout="mono", options={"flags": "+bitexact"})
            audio.bit_rate = AUDIO_BITRATE
        done, block = 0, 1024
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = round(time / VIDEO_CLOCK), VIDEO_CLOCK
            out.mux(video.encode(frame))
            # Sound up to this moment: the streams lie side by side in the file, and a cut loses both alike.
            while sound is not None and audio is not None and done < min(len(sound), time * RATE + block):
                piece = np.ascontiguousarray(sound[None, done : done + block], dtype=np.float32)
                heard = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = RATE, done, Fraction(1, RATE)
                out.mux(audio.encode(heard))
                done += piece.shape[1]
        out.mux(video.encode(None))
        if audio is not None:
            out.mux(audio.encode(None))


def mark_rotated(path: Path) -> None:
    """Write a display matrix of 90 degrees counterclockwise into the first track (PyAV can only read one).

    Args:
        path: an mp4 file whose first track is the picture.
    """
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    matrix = header + (52 if data[header] == 1 else 40)  # version 1 has 64-bit times and duration
    one = 1 << 16
    if struct.unpack_from(">9i", data, matrix) != (one, 0, 0, 0, one, 0, 0, 0, 1 << 30):
        raise RuntimeError(f"{path}: no display matrix where the track header should have it")
    struct.pack_into(">9i", data, matrix, 0, -one, 0, one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def write_captions(path: Path, film: Film, cues: list[tuple[float, float, str]]) -> None:
    """Write cues as WebVTT, in the styles that are found in the wild: plain, with speaker, or with settings.

    Args:
        path: file to write.
        film: its fold decides the style.
        cues: start, end and text.
    """

    def clock(seconds: float) -> str:
        minutes, rest = divmod(round(seconds * 1000), 60_000)
        return f"00:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"

    lines = ["WEBVTT", "", "NOTE Written with the narration, by the script that renders it."]
    for number, (start, end, text) in enumerate(cues, 1):
        lines += ["", *([str(number)] if film.fold == 2 else [])]
        lines += [f"{clock(start)} --> {clock(end)}" + (" align:start position:10%" if film.fold == 3 else "")]
        lines += [f"<v Narrator>{text}</v>" if film.fold == 4 else text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def render(out: Path, name: str, film: Film, part: int, seed: list[int]) -> bool:
    """Render one row: its video file and, where something is said, its captions.

    Args:
        out: folder of the corpus.
        name: id of the row; the ids of `ODD` get their fault.
        film: the film of the row.
        part: number of the clip in its film.
        seed: seeds of the clip's own random numbers.

    Returns:
        Whether there are captions.
    """
    rng = np.random.default_rng(seed)
    path = out / "media" / f"{name}.mp4"
    kind = CUES[film.topic][0]
    if name == "text":
        path.write_text("This is no video: somebody saved the wrong thing under the right name.\n", encoding="utf-8")
        return False
    if name == "one-frame":
        encode(path, film, frames(film, kind, np.zeros(1), rng), np.zeros(1), None, film.size)
        return False
    clip = compose(film, part, rng)
    times = np.arange(round(clip.duration * film.rate)) / film.rate
    if name == "portrait":
        steps = rng.choice([1, 1, 2, 4], len(times)) / film.rate
        times = np.r_[0, np.cumsum(steps)]
        times = times[times < clip.duration]
        upright = frames(film, kind, times, rng, size=(126, 224))
        # Stored turned clockwise; a player that obeys the mark turns it back.
        encode(path, film, (np.ascontiguousarray(np.rot90(p, -1)) for p in upright), times, clip.sound, (224, 126))
        mark_rotated(path)
    else:
        sound = None if name == "no-audio" else clip.sound
        encode(path, film, frames(film, kind, times, rng), times, sound, film.size)
    if name == "cut":
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
    write_captions(out / "captions" / f"{name}.vtt", film, clip.cues)
    return True


def main() -> None:
    """Render everything into a folder and write its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "demo", help="folder (default: data/demo)")
    parser.add_argument("--seed", type=int, default=20, help="another seed gives another corpus (default: 20)")
    args = parser.parse_args()
    require_espeak()
    for folder in ("media", "captions"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    by_slug = {film.slug: film for film in films()}
    rows = [(f"{film.slug}-{part + 1}", film, part, "") for film in films() for part in range(CLIPS_PER_FILM)]
    rows += [(name, by_slug[slug], CLIPS_PER_FILM, fault) for name, slug, fault in ODD]
    table = []
    for number, (name, film, part, fault) in enumerate(rows, 1):
        captions = render(args.out, name, film, part, [args.seed, number])
        size = (args.out / "media" / f"{name}.mp4").stat().st_size
        print(f"[{number:2d}/{len(rows)}] {name:18s} {size / 1000:6.1f} kB  {film.topic}", flush=True)
        about = f"A clip that {fault}." if fault else f"Part {part + 1} of {CLIPS_PER_FILM}, told in {film.place}."
        table.append({
            "id": name, "source": f"media/{name}.mp4", "topic": film.topic, "film": film.slug, "fold": film.fold,
            "title": f"{film.title}, {f'part {part + 1}' if not fault else 'outtake'}", "description": about,
            "captions": f"captions/{name}.vtt" if captions else "",
        })  # fmt: skip
    with (args.out / "videos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    total = sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file())
    print(f"{len(table)} rows in {args.out / 'videos.csv'}, {total / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
