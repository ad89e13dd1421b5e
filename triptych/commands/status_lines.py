"""The status of a study in words: a table of its stages, and the videos that failed with the reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from triptych.commands import status_running, status_tasks
from triptych.commands.status import Stage, disk_use
from triptych.core.cells import count, printable
from triptych.core.config import Study
from triptych.core.corpus import Corpus
from triptych.core.paths import MEDIA_STAGES, Paths
from triptych.core.retry import UNSETTLED
from triptych.core.status import STATES

#: Most characters of a message: sites and files have their say in it.
LONGEST = 1000


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


def _lost(stage: Stage) -> str:
    """That files of a stage are gone, and how to have them again: Snakemake goes by manifests and sees nothing."""
    more = f" and {len(stage.lost) - 1} more" if len(stage.lost) > 1 else ""
    return f"lost: {printable(stage.lost[0], LONGEST)}{more}; made again on request (--retry-failed)"


def lines(
    study: Study, corpus: Corpus, work: status_running.Work, stages: list[Stage], most: int = 20
) -> Iterator[str]:
    """The status in words, for the terminal; `most` limits the videos that are named."""
    now = time.time()
    yield f"Study {study.study}: {len(corpus.rows)} rows in {study.corpus}, results in {Paths.of(study).root}"
    yield work.line()
    yield ""
    table = [["stage", *STATES, "pending", "running", "warned", "disk", "s/job", "a minute", "ends"]]
    for stage in stages:
        rate = stage.rate(now)
        ends = stage.ends(now)
        table.append(
            [
                stage.name,
                *(str(stage.counts[state]) for state in STATES),
                str(stage.pending),
                str(stage.running or "-"),
                str(stage.warned),
                size(stage.bytes),
                f"{stage.seconds:.1f}" if stage.seconds is not None else "-",
                f"{rate:.1f}" if rate else "-",
                date(ends) if ends else "-",
            ]
        )
    yield from columns(table)
    held = disk_use(f"{study.media_dir}/{study.study}")
    if held:
        yield f"downloads: {size(held)} in {study.media_dir}/{study.study}"
    yield from _tasks(status_tasks.collect(study, work), now)
    yield from _stopped(work.stopped, most)
    for stage in stages:
        for path, why in stage.damaged.items():
            yield f"damaged: {printable(why if path in why else f'{path}: {why}', LONGEST)}"
        if stage.lost:
            yield _lost(stage)
    faults = first_faults(stages)
    if faults:
        yield ""
        counted = Counter((stage, status, reason) for stage, _, status, reason, _ in faults)
        verb = "video failed or was" if len(faults) == 1 else "videos failed or were"
        yield f"{len(faults)} {verb} refused, named at the first stage where that happened:"
        for (stage, status, reason), number in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
            yield f"  {number:>5}  {stage}: {status}: {printable(reason)}"
        yield ""
        for stage, video, _, reason, message in faults[:most]:
            yield f"  {video}: {stage}: {printable(reason)}: {printable(message, LONGEST)}"
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


def _tasks(tasks: list[status_tasks.Task], now: float) -> Iterator[str]:
    if not tasks:
        return
    yield ""
    table = [["task", "models", "done", "failed", "pending", "running", "s/job", "a minute", "ends"]]
    for task in tasks:
        rate, ends = task.models.rate(now), task.models.ends(now)
        table.append(
            [
                task.name,
                str(task.models.expected),
                str(task.models.counts["ok"]),
                str(task.models.counts["failed"]),
                str(task.models.pending),
                str(task.models.running or "-"),
                f"{task.models.seconds:.1f}" if task.models.seconds is not None else "-",
                f"{rate:.1f}" if rate else "-",
                date(ends) if ends else "-",
            ]
        )
    yield from columns(table)


def _stopped(jobs: list[dict[str, Any]], most: int) -> Iterator[str]:
    if not jobs:
        return
    yield ""
    yield f"{count(len(jobs), 'job')} stopped since the last run began; the next run tries again what is still wanted:"
    for job in jobs[-most:]:
        log = f" (log: {job['log']})" if job["log"] else ""
        yield f"  {printable(job['what'], LONGEST)}: {printable(job['why'], LONGEST)}{printable(log, LONGEST)}"
    if len(jobs) > most:
        yield f"  ... and {len(jobs) - most} earlier (--all names them)"


def date(when: float) -> str:
    """A time for people, of this place: `2026-01-31 14:05`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def columns(table: list[list[str]], left: int = 1) -> Iterator[str]:
    """Rows of words in columns, the first `left` ones to the left and the others to the right."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        placed = enumerate(zip(row, widths, strict=True))
        yield "  ".join(cell.ljust(width) if n < left else cell.rjust(width) for n, (cell, width) in placed).rstrip()


def size(number: float) -> str:
    """Bytes for people: `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
