"""Vectors of an encoder, frame by frame, as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, read_column, read_index
from triptych.encoders.shelf import Shelf
from triptych.evaluate import retrieval


@dataclass(frozen=True)
class Frames:
    """The frames of a video.

    Attributes:
        vectors: (F, D), of length one.
        times: (F,) seconds.
    """

    vectors: np.ndarray
    times: np.ndarray


def read(
    paths: Paths, encoder: str, array: str, shards: Iterable[str]
) -> tuple[dict[str, Frames], dict[str, Outcome], dict[str, str]]:
    """The frames of all videos.

    Args:
        paths: of the study.
        encoder: its name in the study file.
        array: of the encoder.
        shards: names of the shards that hold videos.

    Returns:
        By video: frames, why there are none of the others, and the key of what the vectors were computed from.

    Raises:
        DamagedStore: shard files that cannot be trusted; each was set aside, so that the next run makes it again.
    """
    found: dict[str, Frames] = {}
    without: dict[str, Outcome] = {}
    keys: dict[str, str] = {}
    faults = []
    for shard in shards:
        path = paths.embeddings(encoder, shard)
        try:
            column, index = read_column(path, array), read_index(path)
            if column.damaged:
                raise DamagedStore(f"{path}: damaged entries of {', '.join(sorted(column.damaged)[:5])}")
        except DamagedStore as error:
            Shelf(Path(path)).set_aside()
            faults.append(str(error))
            continue
        places = dict(zip(column.videos, zip(column.starts, column.ends, strict=True), strict=True))
        for line in index:
            video, outcome = line["video"], Outcome.from_dict(line)
            keys[video] = line["key"]
            start, end = places[video]
            if not outcome.ok:
                without[video] = Outcome(outcome.status, outcome.reason, f"{encoder}: {outcome.message}")
            elif start == end:
                without[video] = Outcome("absent", f"no_{array}", f"{encoder} gave no array {array!r}")
            else:
                rows = column.values[start:end].reshape(end - start, -1)
                found[video] = Frames(retrieval.unit(rows), column.times[start:end].mean(axis=1))
    if faults:
        raise DamagedStore("damaged shard files were set aside; run snakemake again:\n  " + "\n  ".join(faults))
    return found, without, keys


def counted(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Videos by reason."""
    found: dict[str, int] = {}
    for one in outcomes:
        found[one.reason or one.status] = found.get(one.reason or one.status, 0) + 1
    return dict(sorted(found.items()))


def groups_of(task: str | None, paths: Paths) -> Mapping[str, str] | None:
    """Group of each video in a task; a video without one stands for itself. None without a task."""
    if task is None:
        return None
    from triptych.learn.tasks import read_labels

    labels = read_labels(paths.labels(task))
    told = zip(labels.videos, labels.groups, strict=True)
    return {video: f"video {video}" if group is None else f"group {group}" for video, group in told}
