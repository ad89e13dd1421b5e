"""`triptych plan`: what the next run would do, and why."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from triptych.core.config import Study
from triptych.core.corpus import Corpus
from triptych.core.paths import MEDIA_STAGES, Paths
from triptych.core.units import shard_of

#: Most videos that are named.
NAMED = 10
#: Why most jobs run: another one does.
FOLLOWS = "its inputs are made anew"
#: How Snakemake's reasons begin, and what they mean for a user.
_REASONS = (
    ("Missing output", "not made yet"),
    ("Incomplete output", "a run was ended while writing it"),
    ("Updated input", "an input file changed"),
    ("Input files updated", FOLLOWS),
    ("Set of input files", "other inputs than before"),
    ("Params have changed", "a setting, a table cell or the stage's version changed"),
    ("Software environment", "its software environment changed"),
    ("Code has changed", "its code changed"),
    ("Forced", "asked for"),
)


class PlanError(RuntimeError):
    """The dry run failed; the message is Snakemake's."""


@dataclass
class Planned:
    """What would run.

    Attributes:
        jobs: rule -> number of jobs.
        why: rule -> reason in words -> number of jobs.
        new: videos of which nothing is there.
        again: videos with a manifest of which a media stage runs again.
        cached: all other videos.
    """

    jobs: Counter[str] = field(default_factory=Counter)
    why: dict[str, Counter[str]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    cached: int = 0

    @property
    def total(self) -> int:
        """Number of jobs."""
        return sum(self.jobs.values())

    def summary(self) -> str:
        """One line: videos and jobs."""
        videos = [_videos(len(self.new), "new"), f"{self.cached} cached"]
        if self.again:
            videos.insert(1, f"{len(self.again)} again")
        return f"{', '.join(videos)}; {self.total} job{'' if self.total == 1 else 's'}"


def _videos(number: int, word: str) -> str:
    return f"{number} {word} video{'' if number == 1 else 's'}"


def snakefile() -> Path:
    """The Snakefile here, or that of the checkout from which the package is installed."""
    own = Path("Snakefile")
    return own if own.is_file() else Path(__file__).resolve().parents[2] / "Snakefile"


def plan(study: Study, corpus: Corpus, configfile: Path | str | None, targets: list[str]) -> Planned:
    """Ask Snakemake what it would run, and say it by rule and reason.

    Args:
        study: the study file.
        corpus: its table.
        configfile: the study file's path; None for Snakemake's default.
        targets: rules or files that are asked for; all by default.

    Raises:
        PlanError: the dry run failed.
    """
    found = Planned()
    media_again: set[str] = set()
    paths = Paths.of(study)
    for job in dry_run(configfile, targets):
        if not job["makes"]:
            continue  # a name to ask for, such as `features`
        rule = job["rule"]
        found.jobs[rule] += 1
        why = found.why.setdefault(rule, Counter())
        why.update(reasons(job["reason"]))
        for name in ("video", "unit"):
            if name in job["wildcards"]:
                media_again.add(job["wildcards"][name])
    for row in corpus.rows:
        if not any(Path(paths.manifest(stage, row.slug)).is_file() for stage in MEDIA_STAGES):
            found.new.append(row.slug)
        elif row.slug in media_again or (study.unit == "shard" and shard_of(row.slug, study.shards) in media_again):
            found.again.append(row.slug)
    found.cached = len(corpus.rows) - len(found.new) - len(found.again)
    return found


def dry_run(configfile: Path | str | None, targets: list[str]) -> list[dict]:
    """The jobs of a dry run: rule, wildcards and reason of each. It writes nothing, also while a run is active."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "jobs.jsonl"
        command = [sys.executable, "-m", "triptych.commands.dryrun", str(out), "--dry-run", "--cores", "1"]
        command += ["--snakefile", str(snakefile()), "--rerun-incomplete"]
        if configfile is not None:
            command += ["--configfile", str(configfile)]
        command += ["--", *targets] if targets else []
        ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if ran.returncode:
            raise PlanError(_message(ran.stderr or ran.stdout))
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def _message(text: str) -> str:
    """What Snakemake said, without its header."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    starts = [place for place, line in enumerate(lines) if re.search(r"(Exception|Error|Nothing was run)\b", line)]
    return "\n".join(lines[starts[0] :] if starts else lines[-20:])


def reasons(told: str) -> list[str]:
    """Snakemake's reasons of a job, in words and without the files; what follows from another job only when alone."""
    found = [words for start, words in _REASONS if re.search(rf"(^|; ){re.escape(start)}", told)]
    return [words for words in found if words != FOLLOWS] or [FOLLOWS]


def lines(found: Planned) -> Iterator[str]:
    """The plan in words, for the terminal."""
    yield found.summary()
    width = max((len(rule) for rule in found.jobs), default=0)
    for rule, number in found.jobs.items():
        why = ", ".join(f"{words} ({count})" if count != number else words for words, count in found.why[rule].items())
        yield f"  {number:>6}  {rule.ljust(width)}  {why}"
    for kind, videos in (("new", found.new), ("again", found.again)):
        if videos:
            shown = ", ".join(videos[:NAMED]) + (", ..." if len(videos) > NAMED else "")
            yield f"{kind}: {shown}"
