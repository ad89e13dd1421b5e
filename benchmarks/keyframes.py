"""Keyframes of a video: this workflow's job against a full decode by ffmpeg, and against the naive way.

Textured, moving 720p h264 at 30 frames a second, with a keyframe each 2, 5 and 10 s, is rendered for one minute and
repeated by stream copy to the longer durations. Both sides are whole processes, start-up included, each on one thread,
run in interleaved pairs; CPU seconds are medians, ratios are medians of the pairs' ratios, memory is the highest peak.
The job is what a rule runs: 32 keyframes stored as JPEG in HDF5, contact sheet and manifest.

With `--uniform N` also with N frames at even times stored beside the keyframes.

    python benchmarks/keyframes.py [--minutes 1 5 60] [--gops 2 5 10] [--pairs 3] [--exact] [--uniform 32]
        [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from processes import cost, ffmpeg, pairs, python

RATE = 30

JOB = """
import json, sys
from triptych.core.paths import Paths
from triptych.media import unit
told = json.loads(sys.argv[1])
paths = Paths("bench", told["folder"] + "/results", told["folder"] + "/media")
video = [{"slug": told["slug"], "source": told["source"], "url": False}]
unit.run_stage(told["stage"], video, paths, told["params"], told["limits"])
"""

TEXTURE = """
import sys, numpy as np
from PIL import Image
random = np.random.default_rng(0)
texture = np.zeros((810, 1440, 3), np.float32)
for step in (2, 6, 20, 60, 180):
    grid = random.uniform(-1, 1, (810 // step + 2, 1440 // step + 2, 3)).astype(np.float32)
    texture += np.kron(grid, np.ones((step, step, 1), np.float32))[:810, :1440] * step**0.4
texture = (texture - texture.min()) / np.ptp(texture) * 255
Image.fromarray(texture.astype(np.uint8)).save(sys.argv[1])
"""

NAIVE = """
import sys, av, cv2, numpy as np
from sklearn.cluster import KMeans
frames = [frame.to_ndarray(format="rgb24") for frame in av.open(sys.argv[1]).decode(video=0)]
pixels = np.stack([cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA).ravel() for frame in frames]).astype("f4")
model = KMeans(32, n_init=1, random_state=0).fit(pixels)
nearest = model.transform(pixels).argmin(axis=0)
for number, index in enumerate(sorted(set(nearest))):
    small = cv2.resize(frames[index], (512, 288), interpolation=cv2.INTER_AREA)
    cv2.imwrite(f"{sys.argv[2]}/{number}.jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
"""


def render(folder: Path, gops: list[int]) -> dict[int, Path]:
    """One minute of moving, turning texture whose look changes every few seconds, by seconds between keyframes."""
    targets = {gop: folder / f"gop{gop}.mp4" for gop in gops}
    if all(target.exists() for target in targets.values()):
        return targets
    # In a process of its own: the peak memory of a process counts from that of its parent.
    cost(python(TEXTURE, str(folder / "texture.png")))
    names = "".join(f"[v{gop}]" for gop in gops)
    moving = (
        "rotate=a='0.15*sin(t*0.8)',scale=w='1440*(1.15+0.15*sin(t*0.5))':h=-2:eval=frame:flags=bilinear,"
        "crop=1280:720:x='(iw-1280)*(0.5+0.4*sin(t*0.9))':y='(ih-720)*(0.5+0.4*cos(t*0.7))',"
        f"hue=h='40*floor(t/3)':b='sin(floor(t/2)*1.7)',format=yuv420p,split={len(gops)}{names}"
    )
    command = [ffmpeg(), "-v", "error", "-y", "-loop", "1", "-framerate", str(RATE), "-i", folder / "texture.png"]
    command += ["-filter_complex", moving]
    for gop, target in targets.items():
        command += ["-map", f"[v{gop}]", "-t", "60", "-c:v", "libx264", "-preset", "veryfast", "-crf", "25"]
        command += ["-g", str(gop * RATE), "-keyint_min", str(gop * RATE), "-sc_threshold", "0", target]
    subprocess.run(command, check=True)
    return targets


def repeat(source: Path, minutes: int) -> Path:
    """The same stream, copied so often that it lasts `minutes`."""
    if minutes == 1:
        return source
    target = source.with_name(f"{source.stem}-{minutes}.mp4")
    if not target.exists():
        listed = source.with_suffix(".txt")
        listed.write_text(f"file '{source.name}'\n" * minutes)
        command = [ffmpeg(), "-v", "error", "-y", "-f", "concat", "-i", listed, "-c", "copy", target]
        subprocess.run(command, check=True)
    return target


def job(folder: Path, source: Path, stage: str, mode: str, uniform: int = 0) -> list[str]:
    """The command line of a media stage's job for one video."""
    from triptych.core.config import Keyframes, Limits

    params = Keyframes(mode=mode, uniform=uniform).model_dump() if stage == "keyframes" else {}
    told = {"folder": str(folder), "slug": source.stem, "source": str(source), "stage": stage}
    return python(JOB, json.dumps(told | {"params": params, "limits": Limits().model_dump()}))


def again(folder: Path, command: list[str]):
    """Run a keyframes job from nothing: what an earlier run left would be taken over."""
    shutil.rmtree(folder / "results" / "bench" / "keyframes", ignore_errors=True)
    return cost(command)


def compare(folder: Path, source: Path, mode: str, count: int, uniform: int = 0) -> tuple:
    """Keyframes (and frames at even times) of a file in a mode against its full decode."""
    cost(job(folder, source, "probe", mode))
    decode = [ffmpeg(), "-v", "error", "-threads", "1", "-i", str(source), "-an", "-f", "null", "-threads", "1", "-"]
    command = job(folder, source, "keyframes", mode, uniform)
    return pairs(lambda: again(folder, command), lambda: cost(decode), count)


def row(name: str, measured: tuple, found: str = "") -> None:
    """Print one line of the table."""
    (ours, memory), (theirs, other), ratio = measured
    print(
        f"{name:34s} {ours:8.2f} s {memory:6.0f} MB   {theirs:8.2f} s {other:6.0f} MB   {ratio:6.3f}  {found}",
        flush=True,
    )


def told(folder: Path, source: Path) -> str:
    """What a job found, from its manifest."""
    data = json.loads((folder / "results/bench/keyframes" / f"{source.stem}.json").read_text())["data"]
    return f"{data['count']} of {data['candidates']} candidates, {data['keyframe_packets']} keyframes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 5, 60])
    parser.add_argument("--gops", type=int, nargs="+", default=[2, 5, 10], help="seconds between keyframes")
    parser.add_argument("--pairs", type=int, default=3, help="pairs up to 5 minutes; longer videos have one pair")
    parser.add_argument("--exact", action="store_true", help="also mode exact (2 frames a second) up to 5 minutes")
    parser.add_argument("--uniform", type=int, default=0, help="frames at even times; 0 leaves them out")
    parser.add_argument("--naive", type=int, default=10, help="seconds of the clip for the naive way; 0 leaves it out")
    parser.add_argument("--folder", type=Path, help="keeps the rendered videos; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{'':34s} {'ours':>10s} {'':9s}   {'other':>10s} {'':9s}   {'ratio':>6s}")
        rendered = render(folder, given.gops)
        for gop, first in rendered.items():
            for minutes in given.minutes:
                source = repeat(first, minutes)
                count = given.pairs if minutes <= 5 else 1
                measured = compare(folder, source, "keyframe-packets", count)
                row(f"{minutes} min, keyframe each {gop} s / decode", measured, told(folder, source))
                if given.uniform:
                    measured = compare(folder, source, "keyframe-packets", count, given.uniform)
                    row(f"  with {given.uniform} at even times / decode", measured, told(folder, source))
                if given.exact and minutes <= 5:
                    row("  mode exact / decode", compare(folder, source, "exact", count), told(folder, source))
                    if given.uniform:
                        measured = compare(folder, source, "exact", count, given.uniform)
                        row(f"  with {given.uniform} at even times / decode", measured, told(folder, source))
                if minutes > 1 and not given.folder:
                    source.unlink()
        if given.naive:
            naive(folder, rendered[given.gops[0]], given.naive, given.pairs)


def naive(folder: Path, source: Path, seconds: int, count: int) -> None:
    """Keyframes of a short clip, mode auto, against all frames in memory and k-means on pixels."""
    clip = folder / "clip.mp4"
    command = [ffmpeg(), "-v", "error", "-y", "-i", source, "-t", str(seconds), "-c", "copy", clip]
    subprocess.run(command, check=True)
    cost(job(folder, clip, "probe", "auto"))
    (folder / "naive").mkdir(exist_ok=True)
    ours, theirs = job(folder, clip, "keyframes", "auto"), python(NAIVE, str(clip), str(folder / "naive"))
    row(
        f"{seconds} s clip / naive way",
        pairs(lambda: again(folder, ours), lambda: cost(theirs), count),
        told(folder, clip),
    )


if __name__ == "__main__":
    main()
