"""status.tsv: what happened to each video at each stage, and the check that none was lost on the way.

For every stage ok + absent + failed + refused is the number of rows of the table; a stage that does not add up is a
bug or a missing file, and stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.files import DamagedFile, read_text, replace_text
from triptych.core.paths import MEDIA_STAGES, Paths
from triptych.core.status import OK, STATES, Manifest, Outcome
from triptych.core.store import read_index
from triptych.core.units import by_shard
from triptych.evaluate.guard import one_line
from triptych.report.links import safe_source

COLUMNS = ("video", "id", "source", "stage", "status", "reason", "message", "warnings")


#: Why a video is unlabelled -> in words.
UNLABELLED = {
    "no_label": "no label",
    "no_metadata": "the platform tells no label",
    "no_group": "the platform tells no group",
    "few_groups": "its class has too few groups for the folds",
}


class StatusError(RuntimeError):
    """Stages that do not account for every row of the table; the message names stage and videos."""


def collect(paths: Paths, rows: Iterable[Mapping[str, str]], study: Mapping[str, Any]) -> list[dict[str, str]]:
    """The status of every video at every stage.

    Args:
        paths: files of the study.
        rows: the table: per row `slug`, `id`, `source` (a URL, a path or empty).
        study: the complete study file as a mapping.

    Returns:
        A row a video and stage, stages in run order, videos sorted by slug; the columns are `COLUMNS`, unescaped.
        Stages are `fetch`, `probe`, `audio`, `keyframes`, `transcripts:{source}`, `transcripts:text`,
        `summaries:{name}`, `embed:{encoder}`, `relabel:{name}`, `imagine:{name}` and `task:{task}`.

    Raises:
        StatusError: a stage accounts for a video never, twice, or for one that the table has not.
    """
    known = {row["slug"]: row for row in sorted(rows, key=lambda row: row["slug"])}
    found = []
    for stage, outcomes in _stages(paths, known, study):
        _complete(stage, outcomes, known)
        told = dict(outcomes)
        found += [_line(stage, row, told[slug]) for slug, row in known.items()]
    return found


def write(path: Path | str, lines: Sequence[Mapping[str, str]]) -> None:
    """Write status.tsv whole: one line a row, tabs and line breaks escaped, no cell that a spreadsheet would run."""
    text = ["\t".join(COLUMNS)]
    text += ["\t".join(one_line(line[name]) for name in COLUMNS) for line in lines]
    replace_text(path, "\n".join(text) + "\n")


def read(path: Path | str) -> list[dict[str, str]]:
    """Read status.tsv; cells stay escaped as they are in the file.

    Raises:
        DamagedFile: it is no such table.
    """
    try:
        lines = read_text(path).rstrip("\n").split("\n")
        names = lines[0].split("\t")
        if tuple(names) != COLUMNS:
            raise ValueError(f"line 1 is not {' '.join(COLUMNS)}")
        return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    except ValueError as error:
        raise DamagedFile(path, error) from error


def totals(lines: Iterable[Mapping[str, str]]) -> dict[str, dict[str, int]]:
    """Videos by state at each stage, stages in their order."""
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        found.setdefault(line["stage"], dict.fromkeys(STATES, 0))[line["status"]] += 1
    return found


def _stages(paths: Paths, known: Mapping[str, Mapping[str, str]], study: Mapping[str, Any]):
    """Stage -> (video, outcome) pairs as its files tell them."""
    shards = by_shard(known, study["shards"])
    for stage in MEDIA_STAGES:
        yield stage, _of_media(paths, stage, shards, known, study["unit"] == "shard")
    if study["transcripts"]:
        for source in [*study["transcripts"], "text"]:
            yield f"transcripts:{source}", list(_of_transcripts(paths, source, shards))
    for name in study.get("summaries") or ():
        yield f"summaries:{name}", list(_of_summaries(paths, name, shards))
    for encoder in study["encoders"]:
        yield f"embed:{encoder}", list(_of_embeddings(paths, encoder, shards))
    for name in study.get("relabel") or ():
        yield f"relabel:{name}", list(_of_relabel(paths.relabelled(name)))
    for name in study.get("imagine") or ():
        yield (
            f"imagine:{name}",
            [
                (line["video"], Outcome.from_dict(line))
                for shard in shards
                for line in read_index(paths.imagined(name, shard))
            ],
        )
    for task in study["tasks"]:
        yield f"task:{task}", list(_of_labels(paths.labels(task), paths.refused(task)))


def _of_video(paths: Paths, stage: str, row: Mapping[str, str]) -> Outcome:
    source = row["source"]
    if stage == "fetch" and not source:
        return Outcome("absent", "no_source", "the row has no source")
    if stage == "fetch" and not source[:8].lower().startswith(("http://", "https://")):
        return OK
    return _of_manifest(stage, paths.manifest(stage, row["slug"]))


def _of_media(
    paths: Paths,
    stage: str,
    shards: Mapping[str, Sequence[str]],
    known: Mapping[str, Mapping[str, str]],
    per_shard: bool,
) -> list[tuple[str, Outcome]]:
    """The outcomes of a media stage.

    A shard's job declares the manifest of the shard alone, so no run would miss that of a video: where one is lost,
    the shard's is removed, and the next run makes it anew from the videos that are unchanged and those that are not.

    Raises:
        StatusError: with the first manifest that is lost, when all shards were looked through.
    """
    found, faults = [], []
    for shard, members in shards.items():
        for slug in members:
            try:
                found.append((slug, _of_video(paths, stage, known[slug])))
            except StatusError as error:
                faults.append(error)
                if per_shard:
                    Path(paths.shard_manifest(stage, shard)).unlink(missing_ok=True)
    if faults:
        more = f" ({len(faults) - 1} more of this stage are lost too)" if len(faults) > 1 else ""
        raise StatusError(f"{faults[0]}{more}") from faults[0]
    return found


def _of_manifest(stage: str, path: str) -> Outcome:
    try:
        return Manifest.read(path).outcome
    except FileNotFoundError as error:
        raise StatusError(f"stage {stage}: {path} is not there; run snakemake again") from error
    except ValueError as error:
        Path(path).unlink(missing_ok=True)
        raise StatusError(f"stage {stage}: {path} was damaged and is removed; run snakemake again") from error


def _of_transcripts(paths: Paths, source: str, shards: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
    from triptych.speech.transcript import read_transcripts

    for shard in shards:
        for video, transcript in read_transcripts(paths.transcripts(source, shard)).items():
            yield video, transcript.outcome


def _of_summaries(paths: Paths, name: str, shards: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
    from triptych.speech.transcript import read_transcripts

    for shard in shards:
        for video, summary in read_transcripts(paths.summary(name, shard)).items():
            yield video, summary.outcome


def _of_embeddings(paths: Paths, encoder: str, shards: Iterable[str]) -> Iterator[tuple[str, Outcome]]:
    for shard in shards:
        for entry in read_index(paths.embeddings(encoder, shard)):
            yield entry["video"], Outcome.from_dict(entry)


def _of_relabel(path: str) -> Iterator[tuple[str, Outcome]]:
    from triptych.learn.relabel_files import read

    found = read(path)
    yield from zip(found.videos, found.outcomes, strict=True)


def _of_labels(path: str, refused: str) -> Iterator[tuple[str, Outcome]]:
    from triptych.learn.tasks import read_labels

    labels = read_labels(path, refused)
    for video, found, reason in zip(labels.videos, labels.labels, labels.reasons, strict=True):
        code, _, rest = (reason or "no_label").partition(" ")
        if found is not None:
            yield video, OK
        elif code.startswith("duplicate_of"):
            yield video, Outcome("refused", "duplicate", f"a near-duplicate of {rest or code.partition(':')[2]}")
        else:
            why = UNLABELLED.get(code, code)
            yield video, Outcome("absent", code, f"{why}: predicted by the models fitted on all labelled videos")


def _complete(stage: str, outcomes: Sequence[tuple[str, Outcome]], known: Mapping[str, Any]) -> None:
    counted = Counter(video for video, _ in outcomes)
    faults = {
        "lacks": [video for video in known if video not in counted],
        "has twice": [video for video, count in counted.items() if count > 1],
        "has, unlike the table,": [video for video in counted if video not in known],
    }
    for what, videos in faults.items():
        if videos:
            shown = ", ".join(videos[:5]) + (", ..." if len(videos) > 5 else "")
            raise StatusError(
                f"stage {stage} {what} {len(videos)} of {len(known)} videos ({shown}): ok + absent + failed + refused "
                f"must be the rows of the table; run snakemake again"
            )


def _line(stage: str, row: Mapping[str, str], outcome: Outcome) -> dict[str, str]:
    warnings = "; ".join(f"{code}: {message}" for code, message in sorted(outcome.warnings.items()))
    return {
        "video": row["slug"],
        "id": row["id"],
        "source": safe_source(row["source"]),
        "stage": stage,
        "status": outcome.status,
        "reason": outcome.reason or "",
        "message": outcome.message or "",
        "warnings": warnings,
    }
