"""What the page tells of each video: contact sheet, transcript, what happened to it, what each model predicted."""

from __future__ import annotations

import base64
import io
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from triptych.core.files import read_text
from triptych.core.paths import Paths
from triptych.core.status import Manifest, Refused
from triptych.evaluate.paired import video_scores
from triptych.evaluate.predictions import Predictions
from triptych.report.boxes import strip
from triptych.report.links import linkable, safe_source
from triptych.report.noted import Noted

log = logging.getLogger(__name__)

#: Videos that the page lists at most; all are in status.tsv and in the predictions files.
LISTED = 20_000
#: Width in pixels and quality of an embedded contact sheet.
SHEET_WIDTH, SHEET_QUALITY = 880, 68
#: Characters of a transcript in the page: of videos with embedded pictures, and of the others.
LONG_TEXT, SHORT_TEXT = 6000, 300
#: Classes that are named for each prediction.
TOP = 3


def video_cards(
    rows: Iterable[Mapping[str, str]],
    statuses: Mapping[str, list[list[str]]],
    transcripts: Mapping[str, Any],
    predicted: Mapping[str, Mapping[str, Mapping[str, Any]]],
    paths: Paths,
    folder: Path | str,
    embed: int,
    noted: Mapping[str, Noted] | None = None,
) -> list[dict[str, Any]]:
    """One mapping a video, in the order of the table, at most `LISTED`.

    Args:
        rows: the table: `slug`, `id`, `source`, `title`.
        statuses: video -> [stage, status, reason, message, warnings] of stages that are worth a word.
        transcripts: video -> resolved `Transcript`.
        predicted: task -> video -> what `task_predictions` gives.
        paths: files of the study.
        folder: of the page, which linked files are relative to.
        embed: videos whose contact sheets are embedded; the others' are linked. Frames with boxes are shown of these
            alone.
        noted: video -> what encoders noted of it.
    """
    cards = []
    noted = noted or {}
    for number, row in enumerate(rows):
        if number >= LISTED:
            break
        slug, embedded = row["slug"], number < embed
        told = noted.get(slug, Noted())
        cards.append(
            {
                "slug": slug,
                "id": row["id"],
                "title": row.get("title") or row["id"],
                "source": safe_source(row["source"]),
                "link": linkable(row["source"]),
                "sheet": sheet(paths, slug, folder, embedded),
                "audio": _linked(paths, "audio", slug, "mp3", folder),
                "status": statuses.get(slug, []),
                "notes": told.lines,
                "boxes": strip(keyframes_file(paths, slug), told) if embedded and told.boxes is not None else None,
                "text": _text(transcripts.get(slug), LONG_TEXT if embedded else SHORT_TEXT),
                "tasks": {task: _brief(videos[slug], embedded) for task, videos in predicted.items() if slug in videos},
            }
        )
    return cards


def task_predictions(
    found: Mapping[str, Predictions],
    new: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    places: Mapping[str, tuple[str | None, int | None]],
    grouped: bool,
) -> dict[str, dict[str, Any]]:
    """Each video of a task: its truth, its group and fold, and each model's prediction.

    Args:
        found: model -> out-of-fold predictions, all on the same videos.
        new: model -> unlabelled video -> probabilities (K,), decisions (K,).
        places: video -> (group, predefined fold).
        grouped: whether the task has groups.

    Returns:
        video -> {truth: class indices or None, group, fold, models: [[decided indices, confidence, score, covered,
        [[index, probability], ...]], ...]} in the order of the models. Confidence and probabilities are means over
        repeats and seeds, the score is the share of them that were right (F1 with several labels).
    """
    first = next(iter(found.values()))
    means = {name: np.mean([repeat.probability for repeat in one.repeats], axis=0) for name, one in found.items()}
    votes = {name: np.mean([repeat.decision for repeat in one.repeats], axis=0) for name, one in found.items()}
    scores = {name: video_scores(one) for name, one in found.items()}
    told: dict[str, dict[str, Any]] = {}
    for row, video in enumerate(first.videos):
        told[video] = _place(places.get(video), grouped) | {
            "truth": np.flatnonzero(first.truth[row]).tolist(),
            "fold": int(first.repeats[0].fold[row]),
            "models": [
                _prediction(means[name][row], votes[name][row], first.multi, scores[name][row], one.covered[row])
                for name, one in found.items()
            ],
        }
    for video in sorted({video for videos in new.values() for video in videos}):
        models = [
            _prediction(*new[name][video], first.multi, None, True) if video in new.get(name, {}) else None
            for name in found
        ]
        told[video] = _place(places.get(video), grouped) | {"truth": None, "models": models}
    return told


def new_predictions(path: Path | str, classes: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Predictions of unlabelled videos: video -> probabilities (K,) and decisions (K,), as the model made them."""
    from triptych.learn.table import read_predictions

    return {
        video: (numbers, decided.astype(float))
        for part in read_predictions(path, classes, "new").values()
        for video, numbers, decided in zip(part.videos, part.probability, part.decision, strict=True)
    }


def sheet(paths: Paths, slug: str, folder: Path | str, embedded: bool) -> str | None:
    """The contact sheet of a video: a `data:` address, or the file relative to the page; None when there is none."""
    if not embedded:
        return _linked(paths, "keyframes", slug, "jpg", folder)
    path = _artefact(paths, "keyframes", slug, "jpg")
    if path is None:
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            scale = min(1.0, SHEET_WIDTH / image.width)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        return None
    memory = io.BytesIO()
    small.save(memory, "JPEG", quality=SHEET_QUALITY, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode()


def keyframes_file(paths: Paths, slug: str) -> Path | None:
    """The file of a video's keyframes; None when there is none."""
    return _artefact(paths, "keyframes", slug, "h5")


def _artefact(paths: Paths, stage: Any, slug: str, name: str) -> Path | None:
    """The file that a manifest names, if the stage went well; one that is missing or cut short is made again.

    Its size alone is looked at, a digest of all videos would take minutes. What cannot be had is left out of the page.
    """
    target = Path(paths.manifest(stage, slug))
    try:
        manifest = Manifest.read(target)
    except FileNotFoundError:
        return None
    if not manifest.outcome.ok or name not in manifest.artefacts:
        return None
    told = manifest.artefacts[name]
    path = target.parent / Path(told["path"]).name
    if path.is_file() and path.stat().st_size == told["bytes"]:
        return path
    from triptych.media.unit import artefact

    study = _study(paths)
    try:
        return artefact(paths, stage, slug, name, limits=study.get("limits"), fetch=study.get("fetch"))
    except (Refused, FileNotFoundError, TimeoutError) as error:
        log.warning("%s is left out of the page: %s", path, error)
        return None


def _study(paths: Paths) -> dict[str, Any]:
    """The study as it is written beside the page; empty when it is not there."""
    import yaml

    try:
        found = yaml.safe_load(read_text(paths.config))
    except (FileNotFoundError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _linked(paths: Paths, stage: str, slug: str, name: str, folder: Path | str) -> str | None:
    path = _artefact(paths, stage, slug, name)
    return None if path is None else quote(Path(os.path.relpath(path, folder)).as_posix())


def _text(transcript: Any, longest: int) -> dict[str, Any] | None:
    """Segments of a transcript as [start, text], cut where they become long."""
    if transcript is None or not transcript.usable:
        return None
    segments, length = [], 0
    for segment in transcript.segments:
        if length >= longest:
            break
        segments.append([round(segment.start, 1), segment.text[: longest - length]])
        length += len(segment.text)
    cut = length > longest or len(segments) < len(transcript.segments)
    return {"source": transcript.source, "language": transcript.language, "segments": segments, "cut": cut}


def _brief(told: Mapping[str, Any], whole: bool) -> Mapping[str, Any]:
    """Predictions of a video; of one without embedded pictures the decisions alone, since they are many."""
    if whole:
        return told
    return {**told, "models": [one and [*one[:-1], []] for one in told["models"]]}


def _place(place: tuple[str | None, int | None] | None, grouped: bool) -> dict[str, Any]:
    return {"group": place[0] if place and grouped else None, "fold": None}


def _prediction(probability, votes, multi: bool, score, covered) -> list[Any]:
    order = np.argsort(-probability, kind="stable")
    if multi:
        decided = np.flatnonzero(votes >= 0.5).tolist()
        confidence = float(probability[decided].min()) if decided else float(1 - probability.max())
    else:
        # Most repeats decide; among equals the higher probability.
        decided = [int(max(range(len(votes)), key=lambda k: (votes[k], probability[k])))]
        confidence = float(probability[decided[0]])
    top = [[int(k), round(float(probability[k]), 4)] for k in order[:TOP]]
    return [decided, round(confidence, 4), None if score is None else round(float(score), 4), bool(covered), top]
