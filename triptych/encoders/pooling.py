"""Features: the arrays of an encoder pooled over time into one row a video, the matrix that a classifier reads.

`pool: sequence` keeps all rows of each video in their order, for networks that read them.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from triptych.core.files import parse_json
from triptych.core.store import Column, DamagedStore, read_arrays, read_column, read_index, write_arrays
from triptych.encoders.base import WEIGHTS
from triptych.encoders.shelf import Shelf

VERSION = "1"

_log = logging.getLogger("triptych.pooling")


class TooFew(Exception):
    """Fewer videos are usable than the study allows; the message counts them."""


class SequenceFeature(ValueError):
    """A sequence feature was read where one row a video is wanted, or the other way round; the message tells which."""


def pool(values: np.ndarray, how: str, weights: np.ndarray | None = None) -> np.ndarray:
    """One row of a video.

    Args:
        values: (T, D...) numbers, T at least 1.
        how: `mean`, `wmean` (the mean weighted by `weights`), `std` (population deviation), `max`, `min`, `pNN`
            (percentile, linear between rows), joined by `+`; `present` is 1.
        weights: (T,) or (T, 1) numbers above 0, for `wmean`.

    Returns:
        (number of poolings x D,) float32.

    Raises:
        ValueError: unknown pooling, no rows, or no weights of the rows.
    """
    if len(values) == 0:
        raise ValueError("nothing to pool: the array has no rows")
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return np.concatenate([_one(flat, part.strip(), weights) for part in how.split("+")]).astype(np.float32)


def _one(flat: np.ndarray, part: str, weights: np.ndarray | None) -> np.ndarray:
    if part == "wmean":
        if weights is None or np.size(weights) != len(flat):
            raise ValueError("wmean needs a weight for each row")
        return np.average(flat, axis=0, weights=np.asarray(weights, np.float64).reshape(-1))
    if part in ("mean", "std", "max", "min"):
        return getattr(flat, part)(axis=0)
    if part == "present":
        return np.ones(1)
    match = re.fullmatch(r"p(\d{1,2}|100)", part)
    if not match:
        raise ValueError(f"unknown pooling {part!r}; use mean, wmean, std, max, min or p25, joined by '+'")
    return np.percentile(flat, int(match.group(1)), axis=0)


def pool_feature(
    feature: str,
    from_: str,
    how: str,
    shards: Iterable[Path | str],
    out: Path | str,
    min_ok_fraction: float = 0.0,
) -> dict[str, int]:
    """Write the matrix of a feature from the shard files of its encoder.

    Args:
        feature: its name.
        from_: `encoder.array`.
        how: pooling, as `pool` reads it. `present` alone gives every video a row: 1 where it has the array, else 0.
            `sequence` keeps all rows.
        shards: shard files of this run's shards; together they hold each row of the table once.
        out: the HDF5 file to write: `values` (N, D) float32, `mask` (N,), `index` the ids as JSON. Of a sequence
            `values` (R, D) holds the rows of all videos one after another, and `starts` (N + 1,) where each begins.
        min_ok_fraction: share of the videos that must have the array.

    Returns:
        Number of videos by `ok` or reason.

    Raises:
        TooFew: below `min_ok_fraction`, with the counts.
        DamagedStore: a shard file or entries of it cannot be trusted. Each such file was set aside, so that its shard
            runs again: it takes over what is whole and computes the damaged videos alone.
    """
    array = from_.partition(".")[2]
    only_presence = how == "present"
    rows: dict[str, np.ndarray | None] = {}
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for path in shards:
        try:
            column, index = read_column(path, array), read_index(path)
            _refuse_damaged(path, column)
            weights = _weights(path, array, how)
        except DamagedStore as error:
            Shelf(Path(path)).set_aside()
            faults.append(str(error))
        if faults:
            continue
        pooled = {video: _row(values, how, weights.get(video)) for video, values in column}
        for line in index:
            video = line["video"]
            rows[video] = pooled.get(video)
            counts["ok" if video in pooled else line["reason"] or f"no_{array}"] += 1
    if faults:
        listed = "\n  ".join(faults)
        raise DamagedStore(
            f"feature {feature}: damaged shard files were set aside; run snakemake again, which takes over what is "
            f"whole in them and computes the rest:\n  {listed}"
        )
    if only_presence:
        rows = {video: np.float32([row is not None]) for video, row in rows.items()}
    else:
        _check(feature, from_, counts, min_ok_fraction)
    ids = sorted(rows)
    made = _joined(ids, rows) if how == "sequence" else _matrix(ids, rows)
    mask = np.array([rows[video] is not None for video in ids], dtype=bool)
    index = np.frombuffer(json.dumps(ids).encode(), dtype=np.uint8)
    told = {"feature": feature, "from": from_, "pool": how, "counts": json.dumps(dict(sorted(counts.items())))}
    write_arrays(out, {**made, "mask": mask, "index": index}, told)
    _log.info("%s: %d videos x %d; %s", feature, len(ids), made["values"].shape[1], _listed(counts))
    return dict(counts)


def _row(values: np.ndarray, how: str, weights: np.ndarray | None) -> np.ndarray:
    """What a video adds to a feature: its pooled row, or all its rows (T, D)."""
    return values.reshape(len(values), -1).astype(np.float32) if how == "sequence" else pool(values, how, weights)


def _matrix(ids: list[str], rows: dict[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    width = next((len(row) for row in rows.values() if row is not None), 0)
    values = np.zeros((len(ids), width), np.float32)
    for number, video in enumerate(ids):
        if rows[video] is not None:
            values[number] = rows[video]
    return {"values": values}


def _joined(ids: list[str], rows: dict[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    found = [rows[video] for video in ids]
    lengths = [0 if one is None else len(one) for one in found]
    there = [one for one in found if one is not None]
    values = np.concatenate(there) if there else np.zeros((0, 0), np.float32)
    return {"values": values, "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)}


def read_feature(path: Path | str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """A feature: ids (sorted slugs), values (N, D) float32, mask (N,) True where the video has it.

    Raises:
        DamagedStore: the file cannot be trusted.
        SequenceFeature: it holds sequences, which `read_sequences` reads.
    """
    arrays, told = read_arrays(path, ["values", "mask", "index"])
    if told.get("pool") == "sequence":
        raise SequenceFeature(
            f"{path} holds sequences (`pool: sequence`), which are for networks; here one row a video is wanted: name "
            "a feature with another pooling"
        )
    ids = _ids(path, arrays)
    _fit(path, arrays["values"].ndim == 2 and len(ids) == len(arrays["values"]) == len(arrays["mask"]))
    return ids, arrays["values"], arrays["mask"].astype(bool)


def _ids(path: Path | str, arrays: dict[str, np.ndarray]) -> list[str]:
    """The ids of a feature, whose `mask` goes with them."""
    try:
        ids = parse_json(bytes(arrays["index"]))
    except (ValueError, KeyError) as error:
        raise DamagedStore(f"{path}: its index is damaged ({error}); delete it and run again") from error
    _fit(path, isinstance(ids, list) and all(isinstance(one, str) for one in ids) and arrays["mask"].ndim == 1)
    return ids


def _fit(path: Path | str, whole: bool) -> None:
    if not whole:
        raise DamagedStore(f"{path}: its parts do not fit together; delete it and run again")


def read_sequences(path: Path | str) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """A sequence feature: ids (sorted slugs), values (R, D) float32, starts (N + 1,), mask (N,).

    Video number i has the rows starts[i] to starts[i + 1], none where its mask is False.

    Raises:
        DamagedStore: the file cannot be trusted.
        SequenceFeature: it was pooled to one row a video, which `read_feature` reads.
    """
    told = read_arrays(path, [])[1]
    if told.get("pool") != "sequence":
        raise SequenceFeature(f"{path} holds one row a video; sequences are wanted: name a feature of `pool: sequence`")
    arrays, _ = read_arrays(path, ["values", "mask", "index", "starts"])
    ids, starts, mask = _ids(path, arrays), arrays["starts"], arrays["mask"].astype(bool)
    _fit(path, starts.ndim == 1 and len(ids) == len(mask) == len(starts) - 1 and arrays["values"].ndim == 2)
    _fit(path, starts.dtype.kind == "i" and starts[0] == 0 and starts[-1] == len(arrays["values"]))
    lengths = np.diff(starts)
    _fit(path, not (lengths < 0).any() and not ((lengths > 0) != mask).any())
    return ids, arrays["values"], starts, mask


def feature_size(path: Path | str) -> tuple[int, int, int]:
    """Videos of a feature of either kind, how many have it, and the numbers of a row.

    Raises:
        DamagedStore: the file cannot be trusted.
    """
    arrays, _ = read_arrays(path, ["values", "mask"])
    _fit(path, arrays["values"].ndim == 2 and arrays["mask"].ndim == 1)
    return len(arrays["mask"]), int(arrays["mask"].sum()), int(arrays["values"].shape[1])


def _weights(path: Path | str, array: str, how: str) -> dict[str, np.ndarray]:
    """Weights of an array's rows by video, where the pooling asks for them."""
    if "wmean" not in how.split("+"):
        return {}
    column = read_column(path, array + WEIGHTS)
    _refuse_damaged(path, column)
    return dict(column)


def _refuse_damaged(path: Path | str, column: Column) -> None:
    if column.damaged:
        listed = ", ".join(sorted(column.damaged)[:5])
        more = f" and {len(column.damaged) - 5} more" if len(column.damaged) > 5 else ""
        raise DamagedStore(f"{path}: damaged entries of {listed}{more}")


def _check(feature: str, from_: str, counts: Counter[str], min_ok_fraction: float) -> None:
    total = sum(counts.values())
    if total == 0 or (counts["ok"] >= min_ok_fraction * total and counts["ok"]):
        return
    if counts["ok"] == 0 and min_ok_fraction == 0:
        return
    raise TooFew(
        f"feature {feature} ({from_}): {counts['ok']} of {total} videos are usable, fewer than min_ok_fraction = "
        f"{min_ok_fraction:g} asks for ({_listed(counts)}); see status.tsv, or lower min_ok_fraction in the study file"
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items())) or "no videos"
