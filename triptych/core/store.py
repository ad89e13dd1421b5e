"""HDF5 artefacts: shard files of embeddings, feature matrices and keyframes; verified on reading, replaced whole.

A shard file holds, for each named array, one dataset with the rows of all its videos one after another. A row of
videos is then one contiguous read, which is what makes a shard tens of times faster than a file a video:

    /index                 one JSON line an entry, sorted by video: status, key, provenance, row ranges, crc32
    /arrays/{name}         (sum of T, ...) values, contiguous; each entry's rows are verified by its crc32
    /times/{name}          (sum of T, 2) float64: start and end in seconds
    /columns/{name}        (entries, 3) int64: first row, end, and the quick checksum of `read_column`
    /videos                the slugs, a line each, in the order of the index

Columns are contiguous and without HDF5's own checksums: an entry's crc32 covers its values and times, costs a third of
fletcher32's time, and damage to one entry leaves its neighbours usable (a damaged chunk would not).
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.files import parse_json
from triptych.core.hdf import DamagedStore, opened, read_arrays, whole, write_arrays
from triptych.core.status import OK, Outcome

__all__ = [
    "Column",
    "DamagedStore",
    "Entry",
    "read_arrays",
    "read_column",
    "read_index",
    "read_store",
    "write_arrays",
    "write_store",
]


@dataclass(frozen=True)
class Entry:
    """One video in a shard file.

    Attributes:
        video: slug.
        key: digest of all that determined the arrays (inputs, encoder, revision, parameters, version).
        outcome: how the video ended at this encoder.
        arrays: name -> (T, ...) values with a leading time axis; empty unless ok.
        times: name -> (T, 2) float64 seconds: start and end of what each row was computed from.
        provenance: JSON-able facts (encoder, revision, parameters); no clock, host or duration.
    """

    video: str
    key: str
    outcome: Outcome = OK
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    times: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_store(path: Path | str, entries: Iterable[Entry], attributes: Mapping[str, Any] | None = None) -> None:
    """Write a shard file of `entries` (any order; sorted by video), whole or not at all.

    Raises:
        ValueError: a video twice, arrays of one name with different trailing shapes, times that do not fit.
    """
    ordered = sorted(entries, key=lambda entry: entry.video)
    if len({entry.video for entry in ordered}) != len(ordered):
        raise ValueError("a video occurs twice")
    rows: dict[str, list[np.ndarray]] = {}
    spans: dict[str, list[np.ndarray]] = {}
    ends: dict[str, int] = {}
    index, index_ranges = [], []
    for entry in ordered:
        ranges: dict[str, list[int]] = {}
        index_ranges.append(ranges)
        for name, value in sorted(entry.arrays.items()):
            value = np.ascontiguousarray(value)
            times = np.ascontiguousarray(entry.times[name], dtype=np.float64).reshape(-1, 2)
            if len(times) != len(value):
                raise ValueError(f"{entry.video}: array {name!r} has {len(value)} rows and {len(times)} times")
            before = rows.setdefault(name, [])
            if before and (before[0].shape[1:] != value.shape[1:] or before[0].dtype != value.dtype):
                raise ValueError(f"{entry.video}: array {name!r} is {value.dtype}{value.shape[1:]} unlike the others")
            start = ends.get(name, 0)
            ends[name] = start + len(value)
            before.append(value)
            spans.setdefault(name, []).append(times)
            ranges[name] = [start, ends[name], _crc(value, times)]
        index.append(
            json.dumps(
                {
                    "video": entry.video,
                    "key": entry.key,
                    **entry.outcome.as_dict(),
                    "provenance": dict(entry.provenance),
                    "ranges": ranges,
                    "complete": True,
                },
                sort_keys=True,
                ensure_ascii=False,
            )
        )
    arrays = {f"arrays/{name}": np.concatenate(values) for name, values in rows.items()}
    arrays |= {f"times/{name}": np.concatenate(values) for name, values in spans.items()}
    columns = list(arrays)
    for name in rows:
        arrays[f"columns/{name}"] = _places(name, index_ranges, arrays[f"arrays/{name}"], arrays[f"times/{name}"])
    arrays["videos"] = np.frombuffer("\n".join(entry.video for entry in ordered).encode("utf-8"), dtype=np.uint8)
    arrays["index"] = np.frombuffer("\n".join(index).encode("utf-8"), dtype=np.uint8)
    write_arrays(path, arrays, attributes or {}, plain=columns)


def read_store(
    path: Path | str, videos: Iterable[str] | None = None, names: Iterable[str] | None = None
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Read entries of a shard file, each verified.

    Args:
        path: the shard file.
        videos: slugs that are wanted; all by default. Those that the file does not hold are left out.
        names: arrays that are wanted; all by default.

    Returns:
        Entries by video, and what is damaged: video -> why. A damaged entry is never among the entries.

    Raises:
        DamagedStore: the file as a whole cannot be trusted.
        FileNotFoundError: no such file.
    """
    wanted = None if videos is None else set(videos)
    chosen = None if names is None else set(names)
    entries: dict[str, Entry] = {}
    damaged: dict[str, str] = {}
    with opened(path) as handle:
        index = _index(handle, path)
        whole = _whole_columns(handle, index, wanted, chosen)
        for line in index:
            video = line["video"]
            if wanted is not None and video not in wanted:
                continue
            arrays, times = {}, {}
            try:
                for name, (start, end, crc) in line["ranges"].items():
                    if chosen is not None and name not in chosen:
                        continue
                    values, spans = whole.get(name) or (handle[f"arrays/{name}"], handle[f"times/{name}"])
                    arrays[name], times[name] = values[start:end], spans[start:end]
                    if len(arrays[name]) != end - start or _crc(arrays[name], times[name]) != crc:
                        raise OSError(f"checksum of {name!r} differs")
            except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
                damaged[video] = str(error)
                continue
            entries[video] = Entry(
                video=video,
                key=line["key"],
                outcome=Outcome.from_dict(line),
                arrays=arrays,
                times=times,
                provenance=line["provenance"],
            )
    return entries, damaged


@dataclass(frozen=True)
class Column:
    """One array of all entries of a shard file, in one piece.

    Attributes:
        videos: slugs of all entries, sorted.
        starts: (entries,) first row of each; equal to `ends` where an entry lacks the array.
        ends: (entries,) row after the last.
        values: (sum of T, ...).
        times: (sum of T, 2) seconds.
        damaged: slugs whose rows differ from their checksum; never to be used.
    """

    videos: list[str]
    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray
    times: np.ndarray
    damaged: frozenset[str]

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Slug and (T, ...) rows of each entry that has the array and is whole."""
        for video, start, end in zip(self.videos, self.starts.tolist(), self.ends.tolist(), strict=True):
            if end > start and video not in self.damaged:
                yield video, self.values[start:end]


def read_column(path: Path | str, name: str) -> Column:
    """Read one array of all entries at once: the way to read a corpus, several times faster than `read_store`.

    Rows are verified by a quick checksum: the crc32 of the weighted 64-bit sums of the rows, and of their times. It
    finds what storage does: flipped bits, zeroed, foreign or exchanged blocks, lost tails. (Two words of a row that
    differ in their highest bits alone could change places unseen; `read_store`, which reads every byte, sees that too.)

    Raises:
        DamagedStore: the file as a whole cannot be trusted.
        FileNotFoundError: no such file.
    """
    with opened(path) as handle:
        try:
            text = bytes(handle["videos"][...]).decode("utf-8")
            videos = text.split("\n") if text else []
            if f"columns/{name}" not in handle:
                none = np.zeros(len(videos), np.int64)
                return Column(videos, none, none, np.zeros((0, 0), np.float32), np.zeros((0, 2)), frozenset())
            places = handle[f"columns/{name}"][...]
            values, times = whole(handle[f"arrays/{name}"]), whole(handle[f"times/{name}"])
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DamagedStore(f"{path} is damaged: {error}") from error
    fits = places.shape == (len(videos), 3) and places.dtype == np.int64 and values.ndim and times.ndim == 2
    if not fits or places[:, :2].max(initial=0) > min(len(values), len(times)) or places.min(initial=0) < 0:
        raise DamagedStore(f"{path} is damaged: {name!r} does not fit its videos")
    sums = _row_sums(values)
    damaged = {
        video
        for video, (start, end, check) in zip(videos, places.tolist(), strict=True)
        if zlib.crc32(times[start:end], zlib.crc32(sums[start:end])) != check
    }
    return Column(videos, places[:, 0], places[:, 1], values, times, frozenset(damaged))


def _places(name: str, ranges: list[dict[str, list[int]]], values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(entries, 3) first row, end and quick checksum of an array's entries."""
    sums = _row_sums(values)
    places = []
    for one in ranges:
        start, end = one[name][:2] if name in one else (0, 0)
        places.append([start, end, zlib.crc32(times[start:end], zlib.crc32(sums[start:end]))])
    return np.array(places, dtype=np.int64).reshape(-1, 3)


def _row_sums(values: np.ndarray) -> np.ndarray:
    """(rows,) sums of each row's bytes, as the widest words that fit, weighted by place, modulo 2 to the 64."""
    raw = values.reshape(len(values), -1).view(np.uint8) if values.size else np.zeros((len(values), 0), np.uint8)
    for word in (np.uint64, np.uint32, np.uint16):
        if raw.shape[1] and raw.shape[1] % np.dtype(word).itemsize == 0:
            raw = raw.view(word)
            break
    # As fast as a plain sum for 64-bit words: no array of products is made.
    return np.einsum("ij,j->i", raw, _weights(raw.shape[1]), dtype=np.uint64, casting="safe")


@functools.lru_cache(maxsize=64)
def _weights(count: int) -> np.ndarray:
    """(count,) fixed numbers, one a place (splitmix64); odd, so that no change of a single word is lost."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)


def read_index(path: Path | str) -> list[dict[str, Any]]:
    """The index of a shard file, a mapping an entry, sorted by video: status and key without reading any array.

    Raises:
        DamagedStore: the file cannot be trusted.
    """
    with opened(path) as handle:
        return _index(handle, path)


def _whole_columns(handle, index, wanted, chosen) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Columns read in one go when most of their rows are wanted; a damaged chunk leaves its column to slices."""
    if wanted is not None and len(wanted) * 2 < len(index):
        return {}
    columns = {}
    for name in handle.get("arrays", {}):
        if chosen is None or name in chosen:
            try:
                columns[name] = (whole(handle[f"arrays/{name}"]), whole(handle[f"times/{name}"]))
            except (OSError, RuntimeError, KeyError, ValueError, TypeError):
                continue
    return columns


def _index(handle, path) -> list[dict[str, Any]]:
    try:
        lines = bytes(handle["index"][...]).decode("utf-8")
        return [_line(parse_json(line)) for line in lines.split("\n") if line]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedStore(f"{path} has no readable index: {error}") from error


def _line(told: dict[str, Any]) -> dict[str, Any]:
    """A line of the index as it is, if it tells of an entry."""
    if not (isinstance(told["video"], str) and isinstance(told["key"], str) and isinstance(told["provenance"], dict)):
        raise TypeError("a line tells of no entry")
    for start, end, crc in told["ranges"].values():
        if not (0 <= start <= end and crc >= 0):
            raise ValueError("rows of an entry are none")
    Outcome.from_dict(told)
    return told


def _crc(values: np.ndarray, times: np.ndarray) -> int:
    raw = [np.ascontiguousarray(one).view(np.uint8) for one in (values, times)]
    return zlib.crc32(raw[1], zlib.crc32(raw[0]))
