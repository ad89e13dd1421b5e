"""`triptych export`: features, embeddings and predictions as npz, parquet or csv, for use outside the workflow."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from triptych.core.config import Study, nearest
from triptych.core.files import replace_bytes
from triptych.core.paths import Paths

FORMATS = ("npz", "parquet", "csv")
#: What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class ExportError(ValueError):
    """Something that cannot be exported; the message says what to do."""


def export(study: Study, what: str, name: str, out: Path | str, form: str | None = None) -> str:
    """Write a feature, an array of an encoder or the predictions of a model to one file.

    Args:
        study: the study.
        what: `features`, `embeddings` or `predictions`.
        name: of the feature, `encoder.array`, or `task/model`.
        out: file to write.
        form: `npz`, `parquet` or `csv`; by default what `out` ends in.

    Returns:
        A sentence that tells what was written.

    Raises:
        ExportError: unknown name or format, or nothing computed yet.
    """
    form = form or Path(out).suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ExportError(f"unknown format {form!r}; use --format {', '.join(FORMATS)}, or such an ending of --out")
    read = {"features": _feature, "embeddings": _embeddings, "predictions": _predictions}[what]
    columns = read(study, name)
    data = {"npz": _npz, "parquet": _parquet, "csv": _csv}[form](columns)
    replace_bytes(out, data)
    rows = len(next(iter(columns.values())))
    return f"{rows} rows of {what} {name} in {out}"


def _feature(study: Study, name: str) -> dict[str, Any]:
    """`video`, `present` and the matrix `values` (N, D); of a sequence `video` and `values`, a line a row."""
    import numpy as np

    from triptych.core.store import DamagedStore
    from triptych.encoders.pooling import read_feature, read_sequences

    if name not in study.features:
        raise ExportError(_unknown("feature", name, study.features))
    path = Paths.of(study).feature(name)
    try:
        if study.features[name].pool == "sequence":
            ids, values, starts, _ = read_sequences(path)
            return {"video": np.repeat(ids, np.diff(starts)).tolist(), "values": values}
        ids, values, mask = read_feature(path)
    except FileNotFoundError:
        raise ExportError(f"{path} is not there; make it with: snakemake {path}") from None
    except DamagedStore as error:
        raise _damaged(path, error) from error
    return {"video": ids, "present": mask, "values": values}


def _embeddings(study: Study, name: str) -> dict[str, Any]:
    """`video`, `start`, `end` and the rows `values` (sum of T, ...) of an array; boxes of objects by their columns."""
    import numpy as np

    from triptych.core.store import DamagedStore, read_arrays, read_store
    from triptych.encoders.detect import COLUMNS, IDS

    encoder, _, array = name.partition(".")
    if encoder not in study.encoders:
        raise ExportError(f"write embeddings as encoder.array: {_unknown('encoder', encoder, study.encoders)}")
    rows: dict[str, Any] = {}
    arrays: set[str] = set()
    try:
        for path in sorted(Path(Paths.of(study).embeddings(encoder, "0")).parent.glob("*.h5")):
            if int(read_arrays(path, [])[1].get("shards", study.shards)) != study.shards:
                continue  # of another number of shards, before
            entries, damaged = read_store(path)
            if damaged:
                raise _damaged(path, f"{path} is damaged at {', '.join(sorted(damaged))}")
            rows |= entries
            arrays |= {one for entry in entries.values() for one in entry.arrays}
    except DamagedStore as error:
        raise _damaged(path, error) from error
    if not rows:
        raise ExportError(f"there are no embeddings of {encoder}; make them with: snakemake embeddings")
    found = [(video, rows[video]) for video in sorted(rows) if array in rows[video].arrays]
    if not found:
        raise ExportError(f"write embeddings as encoder.array: {_unknown('array', array, sorted(arrays))}")
    values = np.concatenate([entry.arrays[array] for _, entry in found])
    videos = [video for video, entry in found for _ in entry.arrays[array]]
    if array == "boxes" and values.ndim == 2 and values.shape[1] == len(COLUMNS):
        labels = []
        for _, entry in found:
            names = {number: text for text, number in entry.provenance.get("notes", {}).get(IDS, [])}
            labels += [str(names.get(int(number), int(number))) for number in entry.arrays[array][:, 1]]
        return {"video": videos, "label": labels} | {one: values[:, place] for place, one in enumerate(COLUMNS)}
    times = np.concatenate([entry.times[array] for _, entry in found])
    values = values.reshape(len(values), -1) if values.ndim > 2 else values
    return {"video": videos, "start": times[:, 0], "end": times[:, 1], "values": values}


def _predictions(study: Study, name: str) -> dict[str, Any]:
    """The columns of a predictions file."""
    from triptych.core import parquet
    from triptych.core.files import DamagedFile

    task, _, model = name.partition("/")
    if task not in study.tasks:
        raise ExportError(f"write predictions as task/model: {_unknown('task', task, study.tasks)}")
    if model not in study.models_of(task):
        raise ExportError(f"write predictions as task/model: {_unknown('model', model, study.models_of(task))}")
    path = Paths.of(study).predictions(task, model)
    if not Path(path).is_file():
        raise ExportError(f"{path} is not there; make it with: snakemake {path}")
    try:
        return parquet.read_table(path).to_pydict()
    except DamagedFile as error:
        raise _damaged(path, error.told) from error


def _damaged(path: Path | str, told: object) -> ExportError:
    # Snakemake goes by times: it would find a damaged file up to date, and one that was deleted not missed.
    return ExportError(f"{str(told).split('; delete it')[0]}; make it again with: snakemake --forcerun {path}")


def _unknown(kind: str, name: str, known) -> str:
    return f"there is no {kind} {name!r}{nearest(name, known)} (known: {', '.join(known) or 'none'})"


def _npz(columns: dict[str, Any]) -> bytes:
    """Arrays without pickles: text as unicode, null in a column of truth values as -1, elsewhere NaN or ""."""
    import numpy as np

    arrays = {}
    for name, values in columns.items():
        if not isinstance(values, np.ndarray) and any(value is None for value in values):
            kinds = {type(value) for value in values if value is not None}
            if kinds <= {bool}:
                values = np.array([-1 if value is None else int(value) for value in values], dtype=np.int8)
            elif kinds == {str}:
                values = ["" if value is None else value for value in values]
            else:
                values = [math.nan if value is None else value for value in values]
        arrays[name] = np.asarray(values, dtype=str if _textual(values) else None)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def _textual(values: Any) -> bool:
    return isinstance(values, list) and (not values or isinstance(values[0], str))


def _parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(_flat(columns)), out, compression="zstd")
    return out.getvalue()


def _csv(columns: dict[str, Any]) -> bytes:
    flat = _flat(columns)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([guarded(name) for name in flat])
    for row in zip(*flat.values(), strict=True):
        writer.writerow([guarded(cell) for cell in row])
    return out.getvalue().encode()


def _flat(columns: dict[str, Any]) -> dict[str, list]:
    """Matrices as a column each: `values_0`, `values_1`, ..."""
    flat: dict[str, list] = {}
    for name, values in columns.items():
        if getattr(values, "ndim", 1) == 2:
            flat |= {f"{name}_{place}": values[:, place].tolist() for place in range(values.shape[1])}
        else:
            flat[name] = values.tolist() if hasattr(values, "tolist") else list(values)
    return flat


def guarded(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a `'` before it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
