"""A request to take up again what failed: `triptych status --retry-failed` writes it, the rules read it.

Downloads that failed before the request are due. Of the media stages, units with a video that ended by a limit or a
crash, or whose manifest or files are lost, get a higher count; the count is a parameter of their rules, so their jobs
run once for each request and not again afterwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from triptych.core.files import read_json, replace_json
from triptych.core.paths import ARTEFACTS, MEDIA_STAGES, Paths

#: Reasons that another attempt on the same input may mend: more time, more memory, a quieter machine.
UNSETTLED = ("timeout", "out_of_memory", "crashed")
#: In place of a reason: the video went through, and a file that was made of it is gone.
_LOST = "lost"


def request_file(paths: Paths) -> Path:
    """Where the request lies: a name that no video can have."""
    return Path(paths.attempts("x")).with_name(".retry.json")


def request(paths: Paths) -> None:
    """Mark all failures that are recorded until now as due."""
    now = time.time()
    media = counts(paths)
    for unit in sorted(unsettled(paths)):
        media[unit] = media.get(unit, 0) + 1
    replace_json(request_file(paths), {"requested_at": now, "media": media})


def counts(paths: Paths) -> dict[str, int]:
    """Unit (`probe/{video}`, `probe/shards/{shard}`) -> number of requests that made its job due."""
    try:
        counted = read_json(request_file(paths))["media"].items()
        return {unit: count for unit, count in counted if type(count) is int and 0 <= count < 2**53}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def unsettled(paths: Paths) -> set[str]:
    """The units of the media stages that another attempt may mend, as `counts` names them."""
    found: set[str] = set()
    for stage in MEDIA_STAGES:
        # What failed to download has a count of its own, beside its note; here only a lost manifest matters.
        mends = () if stage == "fetch" else (*UNSETTLED, _LOST)
        reasons = {}
        for path in _json_files(f"{paths.root}/{stage}"):
            try:
                told = read_json(path)
                gone = told["reason"] is None and lost(paths, stage, path.stem)
                reasons[path.stem] = _LOST if gone else str(told["reason"])
            except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
                continue
        found |= {f"{stage}/{video}" for video, reason in reasons.items() if reason in mends}
        for path in _json_files(f"{paths.root}/{stage}/shards"):
            try:
                members = [str(video) for video in read_json(path)["videos"]]
            except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
                continue
            if any(video not in reasons or reasons[video] in mends for video in members):
                found.add(f"{stage}/shards/{path.stem}")
    return found


def lost(paths: Paths, stage: str, video: str, there: Collection[str] | None = None) -> list[str]:
    """The files that a media stage made of a video that went through it, and that are gone.

    Args:
        paths: the study's files.
        stage: name of the stage.
        video: slug.
        there: names in the stage's folder, when they were listed already.
    """
    folder = f"{paths.root}/{stage}"
    made = (f"{video}.{ending}" for ending in ARTEFACTS.get(stage, ()))
    return [
        f"{folder}/{name}" for name in made if not (Path(folder, name).exists() if there is None else name in there)
    ]


def _json_files(folder: str) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(one.path) for one in entries if one.name.endswith(".json") and one.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def requested_at(paths: Paths) -> float:
    """When the last request was made, in seconds since the epoch; 0 without one."""
    try:
        return _moment(read_json(request_file(paths))["requested_at"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return 0.0


def _moment(told: object) -> float:
    """Seconds since the epoch; ValueError when they are none."""
    if type(told) not in (int, float) or not 0 <= told < 2**53:
        raise ValueError(f"{told!r} is no time")
    return float(told)


def due(paths: Paths, video: str, since: float | None = None) -> bool:
    """Whether the failed download of a video is due by request: it failed before the request was made.

    Args:
        paths: the study's files.
        video: slug.
        since: `requested_at`, when it was read already.
    """
    since = requested_at(paths) if since is None else since
    if not since:
        return False
    try:
        return _moment(read_json(paths.attempts(video))["failed_at"]) < since
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return False
