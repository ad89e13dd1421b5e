"""`triptych status`: what happened to the videos at each stage, from the files alone, so that it works during a run."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from triptych.core.cells import count
from triptych.core.config import Study
from triptych.core.corpus import Corpus
from triptych.core.files import parse_json
from triptych.core.paths import MEDIA_STAGES, Paths
from triptych.core.retry import UNSETTLED
from triptych.core.status import STATES, Outcome
from triptych.core.units import by_shard

#: Seconds that a rate looks back, and within which something must have been written for a rate to be told.
WINDOW, FRESH = 600.0, 120.0


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
        bytes: size of its folder on disk.
        seconds: median seconds of its jobs, where Snakemake measured them.
        damaged: files that cannot be read, with why.
    """

    name: str
    expected: int
    counts: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    found: list[tuple[str, str, str, str]] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    bytes: int = 0
    seconds: float | None = None
    damaged: dict[str, str] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Videos of which nothing is recorded yet."""
        return self.expected - sum(self.counts.values())

    def add(self, video: str, outcome: dict[str, Any], written: float) -> None:
        """Count the record of one video."""
        self.counts[outcome["status"]] += 1
        self.warned += bool(outcome.get("warnings"))
        self.written.append(written)
        if outcome["status"] != "ok":
            self.found.append((video, outcome["status"], outcome.get("reason") or "", outcome.get("message") or ""))

    def rate(self, now: float) -> float | None:
        """Videos a minute of the last ten minutes; None when nothing is going on."""
        recent = [when for when in self.written if now - when < WINDOW]
        if len(recent) < 2 or now - max(recent) > FRESH:
            return None
        return 60.0 * len(recent) / max(1.0, now - min(recent))

    def as_dict(self, now: float) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "stage": self.name,
            "expected": self.expected,
            **{state: self.counts[state] for state in STATES},
            "pending": self.pending,
            "warned": self.warned,
            "bytes": self.bytes,
            "seconds_a_job": self.seconds,
            "a_minute": self.rate(now),
            "not_ok": [dict(zip(("video", "status", "reason", "message"), one, strict=True)) for one in self.found],
            "damaged": self.damaged,
        }


def collect(study: Study, corpus: Corpus) -> list[Stage]:
    """The stages of a study in their order, each with what is recorded of the rows of the table."""
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
    stage = Stage(name, len(slugs), bytes=disk_use(f"{paths.root}/{name}"), seconds=_job_seconds(paths, name))
    for slug in slugs:
        path = paths.manifest(name, slug)
        try:
            with open(path, encoding="utf-8") as handle:  # noqa: PTH123 - many files
                outcome = _outcome(parse_json(handle.read()))
                written = os.fstat(handle.fileno()).st_mtime
            stage.add(slug, outcome, written)
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


def _transcripts(paths: Paths, source: str, shards: dict[str, list[str]]) -> Stage:
    files = {shard: paths.transcripts(source, shard) for shard in shards}
    return _texts(paths, f"transcripts/{source}", files, f"transcripts-{source}", shards)


def _texts(paths: Paths, name: str, files: dict[str, str], jobs: str, shards: dict[str, list[str]]) -> Stage:
    """A stage whose files, by shard, have the form of transcripts."""
    stage = Stage(name, sum(map(len, shards.values())), bytes=disk_use(f"{paths.root}/{name}"))
    stage.seconds = _job_seconds(paths, jobs)
    for shard, members in shards.items():
        path = Path(files[shard])
        wanted, known = set(members), {}
        # Videos of a job that is under way lie beside the file until it is replaced whole.
        for part in [path, *sorted(path.with_suffix(".parts").glob("*.jsonl"))]:
            try:
                written = part.stat().st_mtime
                for line in part.read_text(encoding="utf-8").split("\n"):
                    if line:
                        outcome = parse_json(line)
                        known[outcome["video"]] = (_outcome(outcome), written)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                stage.damaged[str(part)] = str(error)
        for video in sorted(wanted & set(known)):
            stage.add(video, *known[video])
    return stage


def _embeddings(paths: Paths, encoder: str, shards: dict[str, list[str]]) -> Stage:
    files = {shard: paths.embeddings(encoder, shard) for shard in shards}
    return _stores(paths, f"embeddings/{encoder}", files, f"embed-{encoder}", shards)


def _stores(paths: Paths, name: str, files: dict[str, str], jobs: str, shards: dict[str, list[str]]) -> Stage:
    """A stage whose files, by shard, are of the store."""
    from triptych.core.store import DamagedStore, read_index

    stage = Stage(name, sum(map(len, shards.values())))
    stage.bytes = disk_use(Path(next(iter(files.values()))).parent) if files else 0
    stage.seconds = _job_seconds(paths, jobs)
    for shard, members in shards.items():
        path = Path(files[shard])
        wanted, known = set(members), {}
        # Batches of a job that is under way lie beside the file until it is replaced whole.
        for part in [path, *sorted(path.with_suffix(".parts").glob("*.h5"))]:
            try:
                known |= {one["video"]: (one, part.stat().st_mtime) for one in read_index(part)}
            except FileNotFoundError:
                continue
            except DamagedStore as error:
                stage.damaged[str(part)] = str(error)
        for video, (outcome, written) in sorted(known.items()):
            if video in wanted:
                stage.add(video, outcome, written)
    return stage


def _feature(paths: Paths, feature: str, slugs: list[str]) -> Stage:
    from triptych.core.store import DamagedStore, read_arrays

    path = Path(paths.feature(feature))
    stage = Stage(f"features/{feature}", len(slugs), bytes=path.stat().st_size if path.is_file() else 0)
    wanted = set(slugs)
    try:
        arrays, _ = read_arrays(path, ["mask", "index"])
        for video, there in zip(json.loads(bytes(arrays["index"])), arrays["mask"], strict=True):
            if video in wanted:
                outcome = {"status": "ok" if there else "absent", "reason": "no_input"}
                stage.add(video, outcome, path.stat().st_mtime)
    except FileNotFoundError:
        pass
    except (DamagedStore, ValueError) as error:
        stage.damaged[str(path)] = str(error)
    return stage


def _relabelled(paths: Paths, name: str, slugs: list[str]) -> Stage:
    from triptych.learn.relabel_files import RelabelError, read

    path = Path(paths.relabelled(name))
    stage = Stage(f"relabel/{name}", len(slugs), bytes=path.stat().st_size if path.is_file() else 0)
    stage.seconds = _job_seconds(paths, "relabel")
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


def _job_seconds(paths: Paths, name: str) -> float | None:
    """Median seconds of the jobs of a stage, from Snakemake's benchmark files."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(Path(paths.benchmark(name, "x")).parent):
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = Path(entry.path).read_text(encoding="utf-8").splitlines()
                found.append(float(lines[1].split("\t")[lines[0].split("\t").index("s")]))
    return median(found) if found else None


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


def first_faults(stages: Iterable[Stage]) -> list[tuple[str, str, str, str, str]]:
    """Stage, video, status, reason, message of each video that failed or was refused, at the first stage where it was.

    What follows from it downstream is left out.
    """
    seen: set[str] = set()
    rows = []
    for stage in stages:
        here = [one for one in stage.found if one[1] in ("failed", "refused") and one[0] not in seen]
        rows += [(stage.name, *one) for one in here]
        seen.update(one[0] for one in here)
    return rows


def models(study: Study) -> dict[str, tuple[int, int]]:
    """Task -> number of models with metrics, and of all."""
    paths = Paths.of(study)
    return {
        task: (
            sum(Path(paths.metrics(task, model)).is_file() for model in study.models_of(task)),
            len(study.models_of(task)),
        )
        for task in study.tasks
    }


def waiting(study: Study, corpus: Corpus) -> dict[str, Any]:
    """Failed downloads: how many are `due` in the next run, how many `later`, and the hours until the first of those.

    Permanent failures are counted as `permanent`: they are taken up on request only.
    """
    from triptych.core import retry
    from triptych.media.fetch_attempts import failure

    paths = Paths.of(study)
    since, now = retry.requested_at(paths), time.time()
    found: dict[str, Any] = {"due": 0, "later": 0, "permanent": 0, "hours": None}
    for slug, row in corpus.by_slug.items():
        if not row.is_url:
            continue
        try:
            failed = failure(paths, slug)
        except OSError:
            continue
        if failed is None:
            continue
        failed_at, transient = failed
        hours = study.fetch.retry_after_hours - (now - failed_at) / 3600
        if failed_at < since or (transient and hours <= 0):
            found["due"] += 1
        elif transient:
            found["later"] += 1
            found["hours"] = min(hours, found["hours"] or hours)
        else:
            found["permanent"] += 1
    return found


def lines(study: Study, corpus: Corpus, stages: list[Stage], most: int = 20) -> Iterator[str]:
    """The status in words, for the terminal; `most` limits the videos that are named."""
    now = time.time()
    paths = Paths.of(study)
    yield f"Study {study.study}: {len(corpus.rows)} rows in {study.corpus}, results in {paths.root}"
    yield ""
    table = [["stage", *STATES, "pending", "warned", "disk", "s/job", "a minute"]]
    for stage in stages:
        rate = stage.rate(now)
        left = f" ({max(1, round(stage.pending / rate))} min left)" if rate and stage.pending else ""
        table.append(
            [
                stage.name,
                *(str(stage.counts[state]) for state in STATES),
                str(stage.pending),
                str(stage.warned),
                size(stage.bytes),
                f"{stage.seconds:.1f}" if stage.seconds is not None else "-",
                f"{rate:.1f}{left}" if rate else "-",
            ]
        )
    yield from columns(table)
    held = disk_use(f"{study.media_dir}/{study.study}")
    if held:
        yield f"downloads: {size(held)} in {study.media_dir}/{study.study}"
    for task, (made, of) in models(study).items():
        yield f"task {task}: {made} of {of} models have metrics"
    for stage in stages:
        for path, why in stage.damaged.items():
            yield f"damaged: {path}: {why}"
    faults = first_faults(stages)
    if faults:
        yield ""
        counted = Counter((stage, status, reason) for stage, _, status, reason, _ in faults)
        verb = "video failed or was" if len(faults) == 1 else "videos failed or were"
        yield f"{len(faults)} {verb} refused, named at the first stage where that happened:"
        for (stage, status, reason), number in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
            yield f"  {number:>5}  {stage}: {status}: {reason}"
        yield ""
        for stage, video, _, reason, message in faults[:most]:
            yield f"  {video}: {stage}: {reason}: {message}"
        if len(faults) > most:
            yield f"  ... and {len(faults) - most} more (--all names them)"
    again = sum(one[0] in MEDIA_STAGES[1:] and one[3] in UNSETTLED for one in faults)
    if again:
        yield f"ended by a limit or a crash: {count(again, 'video')}, tried again on request (--retry-failed)"
    due = waiting(study, corpus)
    if due["due"] or due["later"] or due["permanent"]:
        later = f", {due['later']} later (the first in {due['hours']:.1f} h)" if due["later"] else ""
        asked = f"{due['permanent']} on request (--retry-failed)"
        yield f"failed downloads: {due['due']} due in the next run{later}, {asked}"


def columns(table: list[list[str]]) -> Iterator[str]:
    """Rows of words in columns, the first one to the left and the others to the right."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def size(number: float) -> str:
    """Bytes for people: `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
