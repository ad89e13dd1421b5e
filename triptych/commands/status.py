"""`triptych status`: what happened to the videos at each stage, from the files alone, so that it works during a run."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from triptych.commands import status_running
from triptych.core import retry, sealed
from triptych.core.config import Study
from triptych.core.corpus import Corpus
from triptych.core.files import read_dated, read_text
from triptych.core.paths import MEDIA_STAGES, Paths
from triptych.core.status import STATES, Outcome
from triptych.core.units import by_shard

#: Seconds that a rate looks back (or so many jobs, where they last longer), and within which something must have been
#: written where no job is under way.
WINDOW, JOBS, FRESH = 600.0, 4, 120.0
#: How a manifest tells that a video is ok and has no warning, which most are: so much is told without parsing it.
_OK, _UNWARNED, _END = b'\n "status": "ok"', b'\n "warnings": {}', b"}\n"


@dataclass
class Stage:
    """What is recorded of the videos at one stage.

    Attributes:
        name: `probe`, `transcripts/captions`, `embeddings/picture`, `features/heard`.
        expected: number of videos that pass through it.
        counts: status -> number of videos; what is left to `expected` is pending.
        warned: videos that are usable with a warning.
        found: what is not ok: video, status, reason, message.
        written: when the records were written (seconds since the epoch).
        fails: the same of those that failed or were refused.
        running: jobs under way.
        bytes: size of its folder on disk.
        seconds: median seconds of its jobs, where Snakemake measured them.
        damaged: files that cannot be read, with why.
        lost: files that its records name and that are not there.
    """

    name: str
    expected: int
    counts: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    found: list[tuple[str, str, str, str]] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    fails: list[float] = field(default_factory=list)
    running: int = 0
    bytes: int = 0
    seconds: float | None = None
    damaged: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def pending(self) -> int:
        """Videos of which nothing is recorded yet."""
        return self.expected - sum(self.counts.values())

    def add(self, video: str, outcome: dict[str, Any], written: float) -> None:
        """Count the record of one video."""
        self.counts[outcome["status"]] += 1
        self.warned += bool(outcome.get("warnings"))
        self.written.append(written)
        if outcome["status"] in ("failed", "refused"):
            self.fails.append(written)
        if outcome["status"] != "ok":
            self.found.append((video, outcome["status"], outcome.get("reason") or "", outcome.get("message") or ""))

    def rate(self, now: float) -> float | None:
        """Videos a minute of the last ten minutes, or of the last few jobs; None when nothing is going on."""
        job = self.seconds or 0.0
        window = max(WINDOW, JOBS * job)
        # What bears a later time than now (a clock that is ahead, a stray file) counts when that time has come.
        recent = [when for when in self.written if 0 <= now - when < window]
        if len(recent) < 2 or now - max(recent) > (window if self.running else FRESH):
            return None
        begun = min(recent)
        # The videos of a file are all written at its job's end, and were made in the time before.
        begun = max(begun - job, now - window) if recent.count(begun) > 1 else begun
        return 60.0 * len(recent) / max(1.0, now - begun)

    def ends(self, now: float) -> float | None:
        """When nothing will be pending at this rate (seconds since the epoch); None when nothing is going on."""
        rate = self.rate(now)
        return now + 60.0 * self.pending / rate if rate and self.pending else None

    def as_dict(self, now: float) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "stage": self.name,
            "expected": self.expected,
            **{state: self.counts[state] for state in STATES},
            "pending": self.pending,
            "running": self.running,
            "warned": self.warned,
            "bytes": self.bytes,
            "seconds_a_job": self.seconds,
            "a_minute": self.rate(now),
            "ends": self.ends(now),
            "not_ok": [dict(zip(("video", "status", "reason", "message"), one, strict=True)) for one in self.found],
            "damaged": self.damaged,
            "lost": self.lost,
        }


def collect(study: Study, corpus: Corpus, work: status_running.Work, *, disk: bool = True) -> list[Stage]:
    """The stages of a study in their order, each with what is recorded of the rows of the table.

    Args:
        study: the study.
        corpus: its table.
        work: who works in its results now.
        disk: look at the size of each file too, which takes longer than all else.
    """
    stages = _recorded(study, corpus)
    under_way = work.by_stage()
    for stage in stages:
        stage.running = under_way.get(stage.name, 0)
        if disk:
            stage.bytes = _bytes(Paths.of(study), stage.name)
    return stages


def _recorded(study: Study, corpus: Corpus) -> list[Stage]:
    paths = Paths.of(study)
    slugs = list(corpus.by_slug)
    downloads = [slug for slug, row in corpus.by_slug.items() if row.is_url]
    shards = by_shard(slugs, study.shards)
    stages = [
        _media(paths, stage, downloads if stage == "fetch" else slugs)
        for stage in MEDIA_STAGES
        if downloads or stage != "fetch"
    ]
    if study.transcripts:
        stages += [_transcripts(paths, source, shards) for source in (*study.transcripts, "text")]
    for name in study.summaries:
        files = {shard: paths.summary(name, shard) for shard in shards}
        stages.append(_texts(paths, f"summaries/{name}", files, f"summaries-{name}", shards))
    stages += [_embeddings(paths, encoder, shards) for encoder in study.encoders]
    stages += [_feature(paths, feature, slugs) for feature in study.features]
    stages += [_relabelled(paths, name, slugs) for name in study.relabel]
    for name in study.imagine:
        files = {shard: paths.imagined(name, shard) for shard in shards}
        stages.append(_stores(paths, f"imagine/{name}", files, f"imagine-{name}", shards))
    return stages


def _media(paths: Paths, name: str, slugs: list[str]) -> Stage:
    stage = Stage(name, len(slugs), seconds=job_seconds(paths, name))
    there = _names(f"{paths.root}/{name}", stage)
    for slug in slugs:
        if f"{slug}.json" not in there:
            continue
        path = paths.manifest(name, slug)
        try:
            told, written = read_dated(path)
            plain = _OK in told and _UNWARNED in told and told.endswith(_END)
            outcome = {"status": "ok"} if plain else _outcome(sealed.parse(told))
            stage.add(slug, outcome, written)
            if outcome["status"] == "ok":
                stage.lost += retry.lost(paths, name, slug, there)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            stage.damaged[path] = str(error)
    return stage


def _outcome(told: dict[str, Any]) -> dict[str, Any]:
    """A record as it is, if it holds an outcome.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it holds none.
    """
    Outcome.from_dict(told)
    return told


def _names(folder: str, stage: Stage) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names alone
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        stage.damaged[folder] = str(error)
        return set()


def _transcripts(paths: Paths, source: str, shards: dict[str, list[str]]) -> Stage:
    files = {shard: paths.transcripts(source, shard) for shard in shards}
    return _texts(paths, f"transcripts/{source}", files, f"transcripts-{source}", shards)


def _texts(paths: Paths, name: str, files: dict[str, str], jobs: str, shards: dict[str, list[str]]) -> Stage:
    """A stage whose files, by shard, have the form of transcripts."""
    stage = Stage(name, sum(map(len, shards.values())), seconds=job_seconds(paths, jobs))
    for shard, members in shards.items():
        path = Path(files[shard])
        wanted, known = set(members), {}
        # Videos of a job that is under way lie beside the file until it is replaced whole.
        for part in [path, *_parts(path, "*.jsonl")]:
            try:
                told, written = read_dated(part)
                for line in told.decode("utf-8").split("\n"):
                    if line:
                        outcome = sealed.read_line(line)
                        known[outcome["video"]] = (_outcome(outcome), written)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                stage.damaged[str(part)] = str(error)
        for video in sorted(wanted & set(known)):
            stage.add(video, *known[video])
    return stage


def _parts(path: Path, names: str) -> list[Path]:
    """What a job that is under way has done so far, beside its file."""
    try:
        return sorted(path.with_suffix(".parts").glob(names))
    except OSError:
        return []  # the file itself tells of missing rights


def _embeddings(paths: Paths, encoder: str, shards: dict[str, list[str]]) -> Stage:
    files = {shard: paths.embeddings(encoder, shard) for shard in shards}
    return _stores(paths, f"embeddings/{encoder}", files, f"embed-{encoder}", shards)


def _stores(paths: Paths, name: str, files: dict[str, str], jobs: str, shards: dict[str, list[str]]) -> Stage:
    """A stage whose files, by shard, are of the store."""
    from triptych.core.store import DamagedStore, read_index

    stage = Stage(name, sum(map(len, shards.values())), seconds=job_seconds(paths, jobs))
    for shard, members in shards.items():
        path = Path(files[shard])
        wanted, known = set(members), {}
        # Batches of a job that is under way lie beside the file until it is replaced whole.
        for part in [path, *_parts(path, "*.h5")]:
            try:
                known |= {one["video"]: (one, part.stat().st_mtime) for one in read_index(part)}
            except FileNotFoundError:
                continue
            except (DamagedStore, OSError) as error:
                stage.damaged[str(part)] = str(error)
        for video, (outcome, written) in sorted(known.items()):
            if video in wanted:
                stage.add(video, outcome, written)
    return stage


def _feature(paths: Paths, feature: str, slugs: list[str]) -> Stage:
    from triptych.core.store import DamagedStore, read_arrays

    path = Path(paths.feature(feature))
    stage = Stage(f"features/{feature}", len(slugs))
    wanted = set(slugs)
    try:
        arrays, _ = read_arrays(path, ["mask", "index"])
        for video, there in zip(json.loads(bytes(arrays["index"])), arrays["mask"], strict=True):
            if video in wanted:
                outcome = {"status": "ok" if there else "absent", "reason": "no_input"}
                stage.add(video, outcome, path.stat().st_mtime)
    except FileNotFoundError:
        pass
    except (DamagedStore, ValueError, OSError) as error:
        stage.damaged[str(path)] = str(error)
    return stage


def _relabelled(paths: Paths, name: str, slugs: list[str]) -> Stage:
    from triptych.learn.relabel_files import RelabelError, read

    path = Path(paths.relabelled(name))
    stage = Stage(f"relabel/{name}", len(slugs), seconds=job_seconds(paths, "relabel"))
    if path.is_file():
        wanted = set(slugs)
        try:
            found = read(path)
            for video, outcome in zip(found.videos, found.outcomes, strict=True):
                if video in wanted:
                    stage.add(video, outcome.as_dict(), path.stat().st_mtime)
        except RelabelError as error:
            stage.damaged[str(path)] = str(error)
    return stage


def job_seconds(paths: Paths, name: str) -> float | None:
    """Median seconds of the jobs of a stage, from Snakemake's benchmark files."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(Path(paths.benchmark(name, "x")).parent):
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = read_text(entry.path).splitlines()
                found.append(float(lines[1].split("\t")[lines[0].split("\t").index("s")]))
    return median(found) if found else None


def _bytes(paths: Paths, stage: str) -> int:
    """Size of the file or the folder of a stage."""
    kind, _, name = stage.partition("/")
    files = {"features": paths.feature, "relabel": paths.relabelled}
    if kind in files:
        with contextlib.suppress(OSError):
            return Path(files[kind](name)).stat().st_size
        return 0
    return disk_use(f"{paths.root}/crossmodal/{stage}" if kind == "imagine" else f"{paths.root}/{stage}")


def disk_use(folder: Path | str) -> int:
    """Bytes of the files below a folder, links not followed; 0 when it is not there."""
    total = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += disk_use(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total
