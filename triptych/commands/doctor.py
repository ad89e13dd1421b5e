"""`triptych doctor`: what of this machine the workflow can use, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "optional", "missing"]
#: Less free disk or memory than this is told (GB).
LEAST_DISK, LEAST_MEMORY = 5.0, 4.0


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `optional` (works without it) or `missing` (something needs it), and advice."""

    level: Level
    what: str
    told: str
    advice: str = ""


def examine(folder: Path | str = ".") -> Iterator[Finding]:
    """Every check in turn; one that breaks is itself a finding.

    Args:
        folder: where results are to lie, for the free disk.
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _workflow,
        _decoders,
        _opencv,
        _ffmpeg,
        _encoders,
        _weights,
        _extras,
        _gpu,
        lambda: _space(folder),
    )
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # a broken installation must not end the examination
            name = getattr(check, "__name__", "check").strip("_")
            yield Finding("missing", name, f"{type(error).__name__}: {error}", "install again: make demo")


def _python() -> Iterator[Finding]:
    fits = sys.version_info >= (3, 11)
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("ok" if fits else "missing", "python", told, "" if fits else "Python 3.11 or newer is needed")


def _workflow() -> Iterator[Finding]:
    version = version_of("snakemake")
    if version is None:
        yield Finding("missing", "snakemake", "not installed", "install again: make demo")
        return
    fits = tuple(int(part) for part in version.split(".")[:2]) >= (9, 27)
    yield Finding("ok" if fits else "missing", "snakemake", version, "" if fits else "9.27 or newer is needed")
    fetcher = version_of("yt-dlp")
    advice = "" if fetcher else "downloads need it: pip install yt-dlp"
    yield Finding("ok" if fetcher else "missing", "yt-dlp", fetcher or "not installed", advice)


def _decoders() -> Iterator[Finding]:
    import av
    from av.codec import Codec

    yield Finding("ok", "PyAV", av.__version__)
    wanted = (("h264", "r"), ("hevc", "r"), ("av1", "r"), ("vp9", "r"), ("aac", "r"), ("opus", "r"))
    for name, mode in (*wanted, ("libmp3lame", "w"), ("flac", "w")):
        word = "decoder" if mode == "r" else "encoder"
        try:
            told = Codec(name, mode).long_name
        except ValueError:
            yield Finding("missing", f"{word} {name}", "not in this build of PyAV", "pip install --force-reinstall av")
        else:
            yield Finding("ok", f"{word} {name}", told)


def _opencv() -> Iterator[Finding]:
    # In a process of its own: a missing system library may end the interpreter.
    ran = subprocess.run([sys.executable, "-c", "import cv2; print(cv2.__version__)"], capture_output=True, text=True)
    if ran.returncode == 0:
        yield Finding("ok", "OpenCV", ran.stdout.strip())
        return
    told = (ran.stderr.strip().splitlines() or ["does not import"])[-1]
    advice = "apt-get install libgl1 libglib2.0-0" if "libG" in told or "libg" in told else "install again: make demo"
    yield Finding("missing", "OpenCV", told, advice)


def _ffmpeg() -> Iterator[Finding]:
    on_path = shutil.which("ffmpeg")
    bundled = version_of("imageio-ffmpeg")
    if on_path or bundled:
        yield Finding("ok", "ffmpeg", on_path or f"imageio-ffmpeg {bundled}")
    else:
        advice = 'downloads whose streams PyAV cannot join need it: pip install "triptych[ffmpeg]"'
        yield Finding("optional", "ffmpeg", "not installed", advice)


def _encoders() -> Iterator[Finding]:
    from triptych.encoders import registry

    for name in sorted(registry.REGISTRY):
        card = registry.find(name).card
        arrays = ", ".join(f"{array} ({length or 'by model'})" for array, length in card.arrays.items())
        missing = registry.missing_packages(card)
        if missing:
            advice = f'pip install "triptych[{card.extra}]"' if card.extra else f"pip install {' '.join(missing)}"
            yield Finding("optional", f"encoder {name}", f"{card.modality}; lacks {', '.join(missing)}", advice)
        else:
            yield Finding("ok", f"encoder {name}", f"{card.modality}: {arrays}; {card.licence}")


def _weights() -> Iterator[Finding]:
    """Where weights are looked for, and what is there."""
    from triptych.core import hubs, weights

    for what, place in (("Hugging Face hub", hubs.hub_cache()), ("TensorFlow Hub", hubs.tfhub_cache())):
        here = len([one for one in place.iterdir() if one.is_dir()]) if place.is_dir() else 0
        yield Finding("ok", f"weights, {what}", f"{here} folders in {place}")
    try:
        listed = weights.read_lock()
    except weights.WeightsError as error:
        yield Finding("missing", "weights, lock", str(error), "restore models.lock from git")
        return
    told = f"{len(listed)} models in {weights.LOCK}" if listed else f"no {weights.LOCK} in this folder"
    yield Finding("ok", "weights, lock", told)
    if os.environ.get("HF_HUB_OFFLINE"):
        yield Finding("ok", "weights, network", "HF_HUB_OFFLINE is set: `triptych models --fetch` is off")


def _extras() -> Iterator[Finding]:
    """Which extras of the package are installed."""
    extras: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("triptych") or []:
        requirement, _, condition = line.partition(";")
        named = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", condition)
        if named:
            extras.setdefault(named[1], []).append(re.match(r"[\w.-]+", requirement.strip())[0])
    for name, packages in extras.items():
        missing = [package for package in packages if version_of(package) is None]
        if missing:
            advice = f'pip install "triptych[{name}]"'
            yield Finding("optional", f"extra {name}", f"lacks {', '.join(missing)}", advice)
        else:
            yield Finding("ok", f"extra {name}", ", ".join(f"{package} {version_of(package)}" for package in packages))


def _gpu() -> Iterator[Finding]:
    tool = shutil.which("nvidia-smi")
    cards = []
    if tool:
        command = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        cards = [line.strip() for line in ran.stdout.splitlines() if line.strip()] if ran.returncode == 0 else []
    torch = version_of("torch")
    if not cards:
        yield Finding("optional", "graphics card", "none seen by nvidia-smi", "everything runs on the CPU")
    for card in cards:
        yield Finding("ok", "graphics card", card)
    if torch is None:
        yield Finding(
            "optional", "torch", "not installed", 'encoders with weights need it: pip install "triptych[models]"'
        )
    elif cards and "+cpu" in torch:
        yield Finding("missing", "torch", f"{torch} cannot use the graphics card", "pip install torch for CUDA")
    else:
        yield Finding("ok", "torch", torch)


def _space(folder: Path | str) -> Iterator[Finding]:
    place = standing(folder)
    free = shutil.disk_usage(place).free / 1e9
    advice = "" if free >= LEAST_DISK else "downloads and results may fill it; set `media_dir` and `results` elsewhere"
    yield Finding("ok" if free >= LEAST_DISK else "optional", "disk", f"{free:.1f} GB free in {place}", advice)
    if not os.access(place, os.W_OK):
        yield Finding("missing", "disk", f"{place} cannot be written to", "run where you may write")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    fits = memory >= LEAST_MEMORY
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok" if fits else "optional", "memory", f"{memory:.1f} GB", "" if fits else "use --cores 1")
    yield Finding("ok", "processors", str(cores))


def standing(folder: Path | str) -> Path:
    """The folder itself, or the nearest one above it that is there: results may not have been made yet."""
    place = Path(folder).resolve()
    return next(one for one in (place, *place.parents) if one.exists())


def version_of(package: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
