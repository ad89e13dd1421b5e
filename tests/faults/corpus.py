"""A table of broken, odd and hostile files under odd ids, beside four good clips: one run shows many faults at once."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from harness import demo_rows
from media import clips
from media.test_probe import cover_mp3

#: Ids that make odd file names, or that a shell, an option parser, a template or a path would read as something else.
ODD_IDS = (
    *("-abc", "日本の動画", "cafe\u0301", "../x", "a/b", "*", "a.b", "~root", "%s", "a:b", "#a", "..", ".", "a b"),
    *("it's", '"quoted"', "a;touch PWNED;b", "$(touch PWNED)", "`touch PWNED`", "$HOME", "a&b", "a{b}", "x" * 260),
    *("--exec=touch PWNED", "/abs", "a|b>c", "img_%02d", "back\\slash"),
)
HOSTILE = "</script><script>alert(1)</script> $(touch PWNED) `touch PWNED` {{7*7}} {input} ; touch PWNED"
#: More frames than this are refused in the study of this corpus.
MAX_FRAMES = 1000
UNEVEN = [0.02 * n for n in range(30)] + [1.0 + 0.5 * n for n in range(10)]


@dataclass
class Files:
    """Files of a corpus in a folder: name -> where the file lies below it."""

    folder: Path
    places: dict[str, str] = field(default_factory=dict)

    def place(self, name: str, suffix: str = ".mp4", called: str = "") -> Path:
        """Where a file goes; `called` gives it another name than its own."""
        self.places[name] = called or f"media/{name}{suffix}"
        path = self.folder / self.places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def raw(self, name: str, content: bytes, **more) -> None:
        """A file of given bytes."""
        self.place(name, **more).write_bytes(content)

    def clip(self, name: str, *content, suffix: str = ".mp4", called: str = "", **more) -> Path:
        """A media file; libav picks the container by the suffix, whatever the file is called afterwards."""
        made = clips.write(self.folder / f"made{suffix}", *content, **more)
        return made.rename(self.place(name, suffix, called))


def pixel_bomb(side: int) -> bytes:
    """A real PNG of side x side black pixels in a few kB."""
    row = b"\0" + bytes(side // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def flipped(content: bytes) -> bytes:
    """200 bytes of the packets of an mp4 changed; its first frame stays."""
    data, generator = bytearray(content), np.random.default_rng(3)
    for at in generator.integers(data.index(b"mdat") + 2000, data.index(b"moov"), 200):
        data[at] ^= int(generator.integers(1, 256))
    return bytes(data)


def deaf(path: Path) -> None:
    """Make random bytes of the sound's packets of a file, which keeps its pictures."""
    content, generator = bytearray(path.read_bytes()), np.random.default_rng(5)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    for at, size in places:
        content[at : at + size] = generator.bytes(size)
    path.write_bytes(bytes(content))


def make(folder: Path) -> Files:
    """Write the files of the corpus; a file outside the folder, too, to which one is a link."""
    files = Files(folder)
    moving = clips.moving(60)
    whole = files.clip("mute", moving, called="media/$(touch PWNED).mp4").read_bytes()
    files.raw("text", b"I am a text.\n" * 50)
    files.raw("empty", b"")
    files.raw("page", b"<!DOCTYPE html><html><h1>404 Not Found</h1></html>", called="media/`touch PWNED`.mp4")
    files.raw("random", bytes((i * 7919 + i * i) % 251 for i in range(5000)))
    files.raw("no_index", whole[: whole.index(b"moov") - 4], called="media/a;touch PWNED;b.mp4")
    for name, suffix, options in (("cut", ".mp4", {"movflags": "faststart"}), ("cut_mkv", ".mkv", {})):
        path = files.clip(name, clips.moving(100), clips.tone(4.0), suffix=suffix, options=options, gop=10)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    # In 3 % of its data there is a picture and no whole packet of sound, whatever the index tells.
    path = files.clip("cut_early", clips.moving(100), clips.tone(4.0), options={"movflags": "faststart"}, gop=10)
    start, content = path.read_bytes().index(b"mdat") + 4, path.read_bytes()
    path.write_bytes(content[: start + (len(content) - start) * 3 // 100])
    deaf(files.clip("deaf", clips.moving(60, seed=4), clips.tone(2.0)))
    files.raw("no_sample", clips.riff(), suffix=".wav")
    path = files.clip("flips", clips.moving(100), gop=25)
    path.write_bytes(flipped(path.read_bytes()))
    files.clip("silent", clips.moving(60, seed=1), clips.tone(2.0, level=0.0))
    files.clip("sound", (), clips.tone(2.0), suffix=".wav", sound_codec="pcm_s16le")
    cover_mp3(files.place("cover", ".mp3"))
    files.clip("one", [clips.upright()], called="--exec=touch PWNED.mp4")
    files.clip("three", [clips.flat(colour) for colour in clips.colours(3)])
    files.clip("still", [clips.flat((200, 90, 60))] * 50)
    pictures = [clips.flat(colour) for colour in clips.colours(len(UNEVEN))]
    files.clip("uneven", pictures, suffix=".mkv", times=UNEVEN)
    for turn in (90, 180, 270):
        files.clip(f"turned{turn}", [clips.upright()] * 4, rotation=turn, called=f"media/turned {turn} img_%02d.mp4")
    files.clip("long", clips.moving(3), suffix=".mkv", times=[0.0, 400_000.0, 800_000.0])
    files.raw("pixels", pixel_bomb(16_000), suffix=".png")
    files.clip("frames", [clips.flat((90, 160, 220), 16, 16)] * (MAX_FRAMES + 1))
    outside = folder.parent / "outside"
    outside.mkdir()
    clips.write(outside / "film.mp4", clips.moving(30, seed=2), clips.tone(1.0))
    files.place("link").symlink_to(outside / "film.mp4")
    files.places["up"] = "../outside/film.mp4"
    files.places["nowhere"] = "media/nowhere.mp4"
    files.places["no_source"] = ""
    return files


def table(files: Files) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Rows of the table, and the id of each file by its name.

    Four demo clips of two classes and two films each are labelled. So are files of which nothing can be used: all of a
    third class, and one of the first. A usable one is alone in its class; all others have no label.
    """
    good = demo_rows()
    assert len(good) == 4
    labels = {name: ("gone", f"lost-{n // 2}") for n, name in enumerate(("text", "empty", "page", "random"))}
    labels |= {"no_index": (good[0]["topic"], "lost-film"), "still": ("lonely", "still-film")}
    names = ["good0", "good1", "good2", "good3", *files.places]
    ids = dict(zip(names, [*ODD_IDS, *(f"v{n}" for n in range(len(names)))], strict=False))
    assert len(ids) == len(names) > len(ODD_IDS)
    rows = []
    for number, name in enumerate(names):
        row = {"id": ids[name], "title": HOSTILE, "description": f"{name} {HOSTILE}", "captions": "$(touch PWNED).vtt"}
        if number < len(good):
            row |= {key: good[number][key] for key in ("source", "topic", "film", "captions")}
        else:
            topic, film = labels.get(name, ("", ""))
            row |= {"source": files.places[name], "topic": topic, "film": film}
        rows.append(row)
    return rows, ids
