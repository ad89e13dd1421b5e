"""What is stored of a result: rows within bounds, finite numbers, facts for the report; or an outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.core.store import Entry
from triptych.encoders import base

FLOAT16_MAX = 65504.0


def entry(
    video: str,
    key: str,
    result: base.Encoded | Outcome,
    card: base.ModelCard,
    provenance: Mapping[str, Any],
    store: str = "float32",
) -> Entry:
    """The stored form of a result.

    Arrays have at most `base.MAX_VECTORS` rows, longer ones averaged; records at most `base.MAX_RECORDS` rows, the
    first ones, and are float32 always, since boxes of large frames go beyond what float16 tells apart.

    Args:
        video: slug.
        key: of the entry.
        result: of the encoder, or why there is none.
        card: of the encoder.
        provenance: facts of the entry; the result's `notes` are added.
        store: `float32`, or `float16` to halve the file; numbers beyond its range make the entry `failed: not_finite`.

    Raises:
        EncoderError: the result is none: rows without times, notes that are not JSON.
    """
    if isinstance(result, Outcome):
        return Entry(video, key, result, provenance=provenance)
    told = dict(provenance)
    if result.notes:
        told["notes"] = _notes(card.name, result.notes)
    if not result.outcome.ok:
        return Entry(video, key, result.outcome, provenance=told)
    arrays, times = {}, {}
    for name, given in result.arrays.items():
        values, spans = _rows(card.name, name, given, result.times)
        if len(values) == 0:
            continue
        if not np.isfinite(values).all():
            return _not_finite(video, key, told, f"{name} has values that are no numbers")
        if name in card.records:
            arrays[name], times[name] = values[: base.MAX_RECORDS], spans[: base.MAX_RECORDS]
            continue
        values, times[name] = base.reduce(values, spans)
        if store == "float16":
            largest = float(np.abs(values).max(initial=0.0))
            if largest > FLOAT16_MAX:
                message = f"{name} has values up to {largest:.3g}, beyond the range of float16; set store: float32"
                return _not_finite(video, key, told, message)
        arrays[name] = values.astype(store, copy=False)
    if not arrays:
        return Entry(video, key, Outcome("absent", "nothing_encoded", "the encoder gave no rows"), provenance=told)
    return Entry(video, key, result.outcome, arrays, times, told)


def _rows(encoder: str, name: str, given: Any, times: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(T, ...) float32 and (T, 2) seconds."""
    values = np.asarray(given)
    if values.dtype.kind not in "fiub" or values.ndim == 0:
        raise base.EncoderError(f"{encoder}: {name!r} is {values.dtype}{values.shape}, not rows of numbers")
    if name not in times:
        raise base.EncoderError(f"{encoder}: {name!r} has no times")
    spans = np.asarray(times[name], dtype=np.float64).reshape(-1, 2)
    if len(values) != len(spans):
        raise base.EncoderError(f"{encoder}: {len(values)} rows of {name!r}, {len(spans)} times")
    return values.astype(np.float32), spans


def _not_finite(video: str, key: str, told: Mapping[str, Any], message: str) -> Entry:
    return Entry(video, key, Outcome("failed", "not_finite", message), provenance=told)


def _notes(encoder: str, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes as JSON would give them back; numbers of numpy are numbers."""
    try:
        return json.loads(json.dumps(notes, allow_nan=False, default=_plain))
    except (TypeError, ValueError) as error:
        raise base.EncoderError(f"{encoder}: its notes are not JSON ({error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r}")
