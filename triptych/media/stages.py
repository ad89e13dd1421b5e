"""What each media stage does with one video: from a prepared job to outcome, facts and artefacts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core.files import temporary_name
from triptych.core.paths import ARTEFACTS
from triptych.core.status import Outcome
from triptych.media import audio, keyframes, probe, sandbox
from triptych.media.candidates import Source
from triptych.media.probe import checked_size

__all__ = ["Job", "checked_size", "do", "made_with", "warm"]

VERSIONS = {"probe": probe.VERSION, "audio": audio.VERSION, "keyframes": keyframes.VERSION}
#: Limits that decide what the probe answers.
HEADER_LIMITS = ("max_pixels", "max_frames", "max_seconds", "max_bytes")

#: Name -> content to write, or the finished temporary file.
Artefacts = dict[str, "bytes | Path"]


@dataclass
class Job:
    """One video at one stage.

    Attributes:
        slug: the video.
        folder: of the stage's manifests and artefacts.
        params: the stage's section of the study.
        limits: `Limits` as a mapping.
        threads: of the decoder.
        path: the media file.
        key: digest of all that determines the result.
        facts: what is known before the stage is done; goes into the manifest.
        found: the probe's `data`.
        fetch: how a download that was removed is fetched again; None for the defaults.
    """

    slug: str
    folder: Path
    params: dict[str, Any]
    limits: dict[str, Any]
    threads: int = 1
    path: str = ""
    key: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    fetch: Mapping[str, Any] | None = None


def made_with(stage: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Version and parameters that determine a stage's result."""
    chosen = {name: params[name] for name in HEADER_LIMITS if name in params} if stage == "probe" else dict(params)
    return {"version": VERSIONS[stage], "params": chosen}


def warm(stage: str) -> None:
    """Import once what each child of a unit of many videos would import again; nothing is decoded here."""
    wanted = {"probe": ("av",), "audio": ("av",), "keyframes": ("av", "PIL.Image", "PIL.ImageDraw", "PIL.ImageFont")}
    for name in wanted[stage]:
        importlib.import_module(name)


def do(stage: str, job: Job) -> tuple[Outcome, dict[str, Any], Artefacts]:
    """Do a stage for one video.

    Raises:
        Refused: with the video's outcome when it is not ok.
        OSError: a full disk or the like.
    """
    return {"probe": _probe, "audio": _audio, "keyframes": _keyframes}[stage](job)


def _in_child(job: Job, function, *arguments: Any) -> sandbox.Answer:
    return sandbox.run(
        function,
        *arguments,
        memory_mb=job.limits["memory_mb"],
        wall_seconds=job.limits["wall_seconds"],
        threads=job.threads,
    )


def _probe(job: Job) -> tuple[Outcome, dict[str, Any], Artefacts]:
    answer = _in_child(job, probe.examine, str(Path(job.path).absolute()), job.limits)
    return Outcome("ok", warnings=answer.warnings), answer.data, {}


def _audio(job: Job) -> tuple[Outcome, dict[str, Any], Artefacts]:
    job.folder.mkdir(parents=True, exist_ok=True)
    targets = {name: temporary_name(job.folder / f"{job.slug}.{name}") for name in ARTEFACTS["audio"]}
    for path in targets.values():
        path.unlink(missing_ok=True)  # left by a killed process, or a link that leads elsewhere
    try:
        answer = _in_child(
            job,
            audio.extract,
            str(Path(job.path).absolute()),
            job.found["audio"]["index"],
            job.found["start"],
            {name: str(path.absolute()) for name, path in targets.items()},
            job.params,
            job.limits,
        )
    except BaseException:
        for path in targets.values():
            path.unlink(missing_ok=True)
        raise
    return Outcome("ok", warnings=answer.warnings), answer.data, targets


def _keyframes(job: Job) -> tuple[Outcome, dict[str, Any], Artefacts]:
    source = Source(
        str(Path(job.path).absolute()),
        job.found["video"]["index"],
        job.found["start"],
        job.params,
        job.limits,
        job.threads,
    )
    answer = _in_child(job, keyframes.extract, source)
    from triptych.core.store import write_arrays

    arrays = {name: value for name, value in answer.arrays.items() if name != "sheet"}
    path = temporary_name(job.folder / f"{job.slug}.h5")
    write_arrays(path, arrays, {"stage": "keyframes", "mode": answer.data["mode"]})
    return Outcome("ok", warnings=answer.warnings), answer.data, {"h5": path, "jpg": answer.arrays["sheet"].tobytes()}
