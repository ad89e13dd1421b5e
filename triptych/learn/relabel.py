"""Zero-shot labels: videos held against candidate labels, by an inference model or by similarity of embeddings.

The result is `relabel/{name}.parquet` (see `relabel_files`). Only videos whose key is new are computed. What a killed
job had computed lies in `{name}.parts.jsonl` and is taken over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.config import LabelColumn, Relabel
from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import OK, Outcome
from triptych.learn import lineage, relabel_files
from triptych.learn.labeller import Labeller
from triptych.learn.relabel_files import RelabelError

VERSION = "1"
#: Rows from one message of progress to the next.
LOG_EVERY = 50

_log = logging.getLogger("triptych.relabel")


def labeller(section: Relabel, labels: Sequence[str], study: Mapping[str, Any], paths: Paths, shards) -> Labeller:
    """The labeller that a section names.

    Raises:
        RelabelError: its model or encoder cannot be used.
    """
    if section.use == "nli":
        from triptych.learn.relabel_nli import Inference

        return Inference(section, labels, study, paths, shards)
    from triptych.learn.relabel_similarity import Similarity

    return Similarity(section, labels, study, paths, shards)


def relabel_videos(
    name: str,
    study: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    out: Path | str,
    *,
    shards: Iterable[str],
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, int]:
    """Write `relabel/{name}.parquet`.

    Args:
        name: of the section.
        study: the complete study file as a mapping.
        rows: the table: `{"slug", "fields": {column: text}}` each.
        out: the file; what it holds with unchanged keys is taken over.
        shards: names of the shards that hold videos.
        device: `cpu` or `cuda:0`.
        threads: of this job.

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        RelabelError: the model cannot be used, or a column names too few classes.
    """
    section = Relabel.model_validate(study["relabel"][name])
    labels = candidates(name, section, rows)
    paths = Paths.from_config(study)
    made = labeller(section, labels, study, paths, list(shards))
    told = made.signature()
    given = made.read(rows)
    # Names and places decide nothing: of weights their content counts.
    decisive = {key: value for key, value in told.items() if key not in ("model", "encoder")}
    keys = {video: digest_json([VERSION, decisive, labels, one.digest]) for video, one in given.items()}
    out = Path(out)
    parts = relabel_files.Parts(out)
    with writer_lock(out):
        wanted = set(keys.values())
        have = {key: scores for key, scores in parts.read() if key in wanted}
        have |= relabel_files.scores(out, labels, wanted)
        usable = [video for video, one in sorted(given.items()) if one.outcome.ok]
        done = {video: have[keys[video]] for video in usable if keys[video] in have}
        todo = [video for video in usable if video not in done]
        counts = {"computed": len(todo), "taken_over": len(done)}
        _log.info("%s: %d videos, %d taken over, %d to compute", name, len(given), len(done), len(todo))
        if todo:
            made.load(device, threads)
        size = max(8, 4 * section.batch // len(labels))
        for start in range(0, len(todo), size):
            batch = todo[start : start + size]
            scores = np.asarray(made.score([given[video].value for video in batch]), dtype=np.float64)
            if scores.shape != (len(batch), len(labels)) or not np.isfinite(scores).all():
                raise RelabelError(f"relabel {name}: the model gave scores that are no numbers, or too few of them")
            found = dict(zip(batch, np.round(scores, 9).tolist(), strict=True))
            parts.keep((keys[video], row) for video, row in found.items())
            done |= found
            if start // LOG_EVERY != (start + len(batch)) // LOG_EVERY:
                _log.info("%s: %d of %d", name, start + len(batch), len(todo))
        table = []
        for video, one in sorted(given.items()):
            row = {"video": video, "key": keys[video], "outcome": one.outcome, "scores": done.get(video), "labels": ()}
            if video in done:
                row["labels"], row["outcome"] = decide(done[video], labels, section)
            table.append(row)
            counts[row["outcome"].status] = counts.get(row["outcome"].status, 0) + 1
        source = lineage.joined(lineage.of_relabel(name, study))
        facts = {**told, "labels": labels, "counts": counts, "label_source": source}
        relabel_files.write(out, table, labels, source, facts)
        parts.remove()
    _log.info("%s: %s", name, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def candidates(name: str, section: Relabel, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The candidate labels: those of the section, or the sorted classes of its column.

    Raises:
        RelabelError: the column is not there, or names fewer than two classes.
    """
    if not isinstance(section.labels, LabelColumn):
        return list(section.labels)
    column = section.labels.column
    values = [(row["fields"].get(column) or "") for row in rows]
    found = sorted({part.strip() for value in values for part in value.split(";") if part.strip()})
    if len(found) < 2:
        raise RelabelError(f"relabel {name}: column {column!r} names {len(found)} classes; two are needed")
    return found


def threshold(section: Relabel) -> float:
    """The lowest score of a label."""
    if section.threshold is not None:
        return section.threshold
    return 0.5 if section.multi_label else 0.0


def decide(scores: Sequence[float], labels: Sequence[str], section: Relabel) -> tuple[tuple[str, ...], Outcome]:
    """The labels of a video, the likeliest first (of equal ones the first named), and its outcome."""
    order = sorted(range(len(labels)), key=lambda place: (-scores[place], place))
    lowest = threshold(section)
    chosen = tuple(labels[place] for place in order if scores[place] >= lowest)[: None if section.multi_label else 1]
    if chosen:
        return chosen, OK
    best = max(scores)
    return (), Outcome("absent", "below_threshold", f"no label reaches {lowest:g} (the best one has {best:.3f})")
