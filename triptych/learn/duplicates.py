"""Near-duplicates: videos that are the same or nearly, found by content, pictures, sound or features.

Prints of each video's keyframes and sound are kept beside the result (`prints.h5`) with the digests of the files that
they were taken from, so that one video more costs one video's prints. The table of pairs holds no labels and no groups:
what a pair means for a task is decided where its videos are split.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.config import Duplicates
from triptych.core.files import digest_json, parse_json
from triptych.core.paths import Paths
from triptych.core.status import Manifest, Refused
from triptych.core.store import DamagedStore, read_arrays, write_arrays
from triptych.learn.duplicates_pictures import Pictures, like_pictures
from triptych.learn.duplicates_sound import Sound, like_sounds
from triptych.learn.pairs import Pair, write_pairs
from triptych.media import prints

VERSION = "1"
#: Seconds of work after which the prints so far are kept.
KEPT_EACH = 120.0
#: Copies of one content that are paired with one another; of more, each with its next ones.
CROWD = 20
#: Rows of features that are multiplied at once.
BLOCK = 1024

log = logging.getLogger("triptych")


@dataclass
class _Prints:
    """Prints by video, each with the digest of the file that it was taken from."""

    pictures: dict[str, tuple[str, Pictures]] = field(default_factory=dict)
    sounds: dict[str, tuple[str, Sound]] = field(default_factory=dict)


def find_duplicates(
    section: Duplicates | Mapping[str, Any],
    videos: Iterable[str],
    paths: Paths,
    out: Path | str,
    features: Mapping[str, Path | str] | None = None,
    remake: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> list[Pair]:
    """Find near-duplicates and write `pairs.csv`, sorted.

    Args:
        section: the study's section `duplicates`.
        videos: slugs of the table.
        paths: files of the study; manifests of probe, audio and keyframes are read.
        out: path of pairs.csv.
        features: feature -> its file, for those that the section names.
        remake: `limits` and `fetch` of the study, for an artefact that is missing or damaged.
        threads: of this job.
    """
    section = section if isinstance(section, Duplicates) else Duplicates.model_validate(section)
    slugs = sorted(videos)
    found: list[Pair] = []
    if "content" in section.use:
        found += by_content(slugs, paths)
    kinds = [kind for kind in ("pictures", "sound") if kind in section.use]
    if kinds:
        known = _collect(kinds, slugs, paths, Path(out).with_name("prints.h5"), remake or {}, threads)
        seen = {video: one for video, (_, one) in known.pictures.items()}
        heard = {video: one for video, (_, one) in known.sounds.items()}
        like = like_pictures(seen, section.picture_bits, section.picture_share)
        found += [Pair(one, other, "pictures", score) for one, other, score in like]
        found += [Pair(one, other, "sound", score) for one, other, score in like_sounds(heard, section.sound_share)]
    for name, least in section.features.items():
        found += by_feature(name, (features or {})[name], least)
    found = sorted(Pair(one.video, one.other, one.by, round(one.score, 4)) for one in found)
    write_pairs(out, found)
    ways = sorted({one.by for one in found})
    told = ", ".join(f"{sum(one.by == way for one in found)} by {way}" for way in ways)
    log.info("%d pairs of near-duplicates among %d videos%s", len(found), len(slugs), f": {told}" if told else "")
    return found


def by_content(slugs: Sequence[str], paths: Paths) -> list[Pair]:
    """Videos with the same bytes, or with the same decoded sound that is not silent."""
    same: dict[str, list[str]] = {}
    for slug in slugs:
        probe = Manifest.read(paths.manifest("probe", slug))
        if probe.outcome.ok:
            same.setdefault(f"bytes {probe.data['digest']}", []).append(slug)
        sound = Manifest.read(paths.manifest("audio", slug))
        if sound.outcome.ok and "silent" not in sound.outcome.warnings:
            same.setdefault(f"sound {sound.artefacts['flac']['sha256']}", []).append(slug)
    found = {
        (one, other)
        for copies in same.values()
        for place, one in enumerate(copies)
        for other in copies[place + 1 : place + 1 + CROWD]
    }
    return [Pair(one, other, "content", 1.0) for one, other in sorted(found)]


def by_feature(name: str, path: Path | str, least: float) -> list[Pair]:
    """Videos whose rows of a feature have at least this cosine; rows of nothing but zeros have none."""
    from triptych.encoders.pooling import read_feature

    videos, values, mask = read_feature(path)
    order = [row for row in np.argsort(videos, kind="stable").tolist() if mask[row]]
    rows = np.asarray(values, np.float64)[order]
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    found = []
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ rows[start:].T
        for one, other in zip(*np.nonzero(np.triu(cosines >= least, 1)), strict=True):
            pair = videos[order[start + one]], videos[order[start + other]]
            found.append(Pair(*pair, f"feature {name}", float(min(1.0, cosines[one, other]))))
    return found


# Prints, and where they are kept.


def _collect(kinds, slugs: Sequence[str], paths: Paths, kept: Path, remake, threads: int) -> _Prints:
    """Prints of all videos that have them: those kept whose files are unchanged, and new ones."""
    known, before = _Prints(), _read(kept)
    todo = []
    for stage, artefact, kind in (("keyframes", "h5", "pictures"), ("audio", "flac", "sounds")):
        if kind.startswith(tuple(kinds)):
            for slug in slugs:
                manifest = Manifest.read(paths.manifest(stage, slug))
                if not manifest.outcome.ok:
                    continue
                digest = manifest.artefacts[artefact]["sha256"]
                old = getattr(before, kind).get(slug)
                if old is not None and old[0] == digest:
                    getattr(known, kind)[slug] = old
                else:
                    todo.append((kind, slug, digest))
    taken = len(known.pictures) + len(known.sounds)
    dropped = len(before.pictures) + len(before.sounds) - taken
    saved = time.monotonic()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        made = pool.map(partial(_make, paths, dict(remake)), todo)
        for (kind, slug, digest), one in zip(todo, made, strict=True):
            if one is not None:
                getattr(known, kind)[slug] = digest, one
            if time.monotonic() - saved > KEPT_EACH:
                _write(kept, known)
                saved = time.monotonic()
    if todo or dropped or not kept.is_file():
        _write(kept, known)
    log.info("prints: %d computed, %d taken over", len(todo), taken)
    return known


def _make(paths: Paths, remake: dict[str, Any], wanted: tuple[str, str, str]) -> Pictures | Sound | None:
    """Prints of one video; None when its artefact is lost."""
    from triptych.media import keyframes, unit
    from triptych.media.audio import read_flac

    kind, slug, _ = wanted
    try:
        if kind == "sounds":
            return Sound(*prints.sound_prints(read_flac(unit.artefact(paths, "audio", slug, "flac", **remake))))
        frames, _ = keyframes.read_jpegs(unit.artefact(paths, "keyframes", slug, "h5", **remake))
    except Refused as refused:
        log.warning("%s: no prints of its %s: %s", slug, kind, refused)
        return None
    found = [one for one in map(prints.picture_print, frames) if one is not None]
    codes = np.array([code for code, _ in found], np.uint64)
    return Pictures(codes, np.array([small for _, small in found], np.uint8).reshape(-1, prints.SIDE, prints.SIDE))


def _made_with() -> str:
    """What prints depend on beside the files they are taken from."""
    names = [name for name in vars(prints) if name.isupper() and name != "BLOCK"]
    return digest_json([VERSION, {name: getattr(prints, name) for name in sorted(names)}])


def _write(path: Path, known: _Prints) -> None:
    """Keep prints: the rows of all videos one after another, and whose they are."""
    index: dict[str, dict[str, list]] = {"pictures": {}, "sounds": {}}
    columns: dict[str, list[np.ndarray]] = {"codes": [], "small": [], "words": [], "told": []}
    for kind, names in (("pictures", ("codes", "small")), ("sounds", ("words", "told"))):
        start = 0
        for slug, (digest, one) in sorted(getattr(known, kind).items()):
            for name in names:
                columns[name].append(getattr(one, name))
            end = start + len(columns[names[0]][-1])
            index[kind][slug] = [digest, start, end]
            start = end
    empty = {"codes": ((0,), np.uint64), "small": ((0, prints.SIDE, prints.SIDE), np.uint8)}
    empty |= {"words": ((0,), np.uint32), "told": ((0,), bool)}
    arrays = {name: np.concatenate([np.zeros(*empty[name]), *rows]) for name, rows in columns.items()}
    arrays = {name: values.astype(empty[name][1], copy=False) for name, values in arrays.items()}
    arrays["index"] = np.frombuffer(json.dumps(index, sort_keys=True).encode(), np.uint8)
    write_arrays(path, arrays, {"made_with": _made_with()})


def _read(path: Path) -> _Prints:
    """Kept prints; none when the file is not there, damaged or of another version."""
    try:
        arrays, attributes = read_arrays(path)
    except FileNotFoundError:
        return _Prints()
    except DamagedStore as error:
        log.warning("%s; prints are taken anew", error)
        return _Prints()
    if attributes.get("made_with") != _made_with():
        return _Prints()
    try:
        index = parse_json(arrays["index"].tobytes())
        codes, small, words, told = (arrays[name] for name in ("codes", "small", "words", "told"))
        return _Prints(
            {slug: (digest, Pictures(codes[a:b], small[a:b])) for slug, (digest, a, b) in index["pictures"].items()},
            {slug: (digest, Sound(words[a:b], told[a:b])) for slug, (digest, a, b) in index["sounds"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s); prints are taken anew", path, error)
        return _Prints()
