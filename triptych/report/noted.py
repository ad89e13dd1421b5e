"""What encoders noted of videos for the page: the likeliest sounds, objects and their boxes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triptych.core.hdf import DamagedStore
from triptych.core.paths import Paths
from triptych.core.store import read_index, read_store
from triptych.core.units import by_shard
from triptych.encoders.base import EncoderError, ModelCard
from triptych.encoders.detect import IDS
from triptych.encoders.registry import find

log = logging.getLogger(__name__)

#: Lines of a heading, and characters of a line, at most.
LINES, LONGEST = 12, 80


@dataclass
class Noted:
    """What encoders noted of one video.

    Attributes:
        lines: [encoder, heading, [[text, number or None], ...]] each, in the order of the study file.
        boxes: (K, 7) frame time, class, confidence, x1, y1, x2, y2 as shares, of the first detector; None: none.
        names: class -> name, of those that occur in `boxes`.
    """

    lines: list[list[Any]] = field(default_factory=list)
    boxes: np.ndarray | None = None
    names: dict[int, str] = field(default_factory=dict)


def read(study: Mapping[str, Any], paths: Paths, slugs: Sequence[str], boxed: Collection[str] = ()) -> dict[str, Noted]:
    """Notes of the study's encoders, by video; videos without any are left out.

    Args:
        study: the complete study file as a mapping.
        paths: its files; of encoders whose card tells `notes` the embedding files are read. One that is missing or
            damaged is left out.
        slugs: all videos that the page lists.
        boxed: those whose boxes are wanted.
    """
    found: dict[str, Noted] = {}
    shards = by_shard(slugs, study["shards"])
    for name, section in study["encoders"].items():
        try:
            card = find(section["use"]).card
        except EncoderError:
            continue
        for shard, members in shards.items() if card.notes else ():
            try:
                _of_file(paths.embeddings(name, shard), name, card, set(members), set(boxed), found)
            except (FileNotFoundError, DamagedStore) as error:
                log.warning("the notes of %s, shard %s, are left out of the page: %s", name, shard, error)
    return found


def _of_file(
    path: str, name: str, card: ModelCard, members: set[str], boxed: set[str], found: dict[str, Noted]
) -> None:
    numbered: dict[str, dict[int, str]] = {}
    for line in read_index(path):
        notes = line["provenance"].get("notes")
        if line["video"] not in members or not isinstance(notes, Mapping):
            continue
        told = [[name, heading, lines] for heading in card.notes if (lines := _lines(notes.get(heading)))]
        if told:
            found.setdefault(line["video"], Noted()).lines.extend(told)
        if "boxes" in card.records and "boxes" in line["ranges"]:
            names = _lines(notes.get(IDS), None)
            numbered[line["video"]] = {int(number): text for text, number in names if number is not None}
    wanted = [video for video in numbered if video in boxed and (video not in found or found[video].boxes is None)]
    if not wanted:
        return
    entries, _ = read_store(path, wanted, ["boxes"])
    for video, entry in entries.items():
        rows = entry.arrays["boxes"]
        if rows.ndim == 2 and rows.shape[1] == 7:
            one = found.setdefault(video, Noted())
            one.boxes, one.names = rows, numbered[video]


def _lines(given: Any, most: int | None = LINES) -> list[list[Any]]:
    """[text, number] lines as they may be shown; an encoder of a user may note anything."""
    lines = []
    for one in given if isinstance(given, list) else []:
        if isinstance(one, list) and one:
            number = one[1] if len(one) > 1 else None
            good = isinstance(number, (int, float)) and not isinstance(number, bool)
            lines.append([str(one[0])[:LONGEST], number if good else None])
    return lines[:most]
