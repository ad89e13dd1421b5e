"""A small study in a folder of its own, run through the real Snakefile."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from support import CHECKOUT

DEMO = CHECKOUT / "data" / "demo"
#: Jobs are short: without bytecode each would compile its imports anew.
EXTRA = {"PYTHONDONTWRITEBYTECODE": ""}
#: All that does not hold seconds (benchmarks, comparison, report) or logs.
RESULTS = (
    *("probe/*.json", "audio/*.*", "keyframes/*.*", "embeddings/*/*.h5", "transcripts/*/*.jsonl", "features/*.h5"),
    *("tasks/**/*.*", "predictions/*/*.parquet", "metrics/*/*.json", "confusion/*/*.*", "status.tsv"),
)
_HEADING = re.compile(r"output_file\tdate\trule")


def demo_rows(classes: int = 2, films: int = 2, clips: int = 1) -> list[dict[str, str]]:
    """Rows of the demo table: the first clips of the first films of the first classes, sources made absolute."""
    with (DEMO / "videos.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    chosen: list[dict[str, str]] = []
    for topic in list(dict.fromkeys(row["topic"] for row in rows))[:classes]:
        own = [row for row in rows if row["topic"] == topic]
        for film in list(dict.fromkeys(row["film"] for row in own))[:films]:
            chosen += [row for row in own if row["film"] == film][:clips]
    for row in chosen:
        for column in ("source", "captions"):
            row[column] = str(DEMO / row[column]) if row[column] else ""
    return chosen


def finals(root: Path) -> dict[str, bytes]:
    """Result files below a folder under their final names, by name, whatever happens to them meanwhile."""
    found = {}
    for path in sorted({path for pattern in RESULTS for path in root.glob(pattern)}):
        name = path.relative_to(root)
        # Names with a dot in front are locks, and what is being written.
        if not any(part.startswith(".") for part in name.parts):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                found[str(name)] = path.read_bytes()
    return found


class Workflow:
    """A study in `folder`: its table, its file, and Snakemake over both."""

    def __init__(self, folder: Path, rows: list[dict[str, str]], **changes) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.study = {
            "study": "small",
            "corpus": "videos.csv",
            "shards": 2,
            "keyframes": {"count": 4},
            "transcripts": {"captions": {"use": "captions"}},
            "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
            "features": {
                "seen": {"from": "picture.frame", "pool": "mean+std"},
                "heard": {"from": "sound.clip", "pool": "mean"},
            },
            "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
            "models": {
                "sight": {"inputs": ["seen"], "head": "logistic"},
                "sound": {"inputs": ["heard"], "head": "logistic"},
                "words": {"text": ["transcript"], "head": "logistic"},
                "late": {"fusion": "late", "members": ["sight", "sound", "words"], "head": "mean"},
            },
            "evaluate": {"bootstrap": 100, "permutations": 100},
            **changes,
        }
        self.rows = rows
        self.write()

    def write(self) -> None:
        """Write the table and the study file as they are now."""
        columns = list(dict.fromkeys(column for row in self.rows for column in row))
        with (self.folder / "videos.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        (self.folder / "study.yaml").write_text(yaml.safe_dump(self.study, sort_keys=False))

    def command(self, *arguments: str) -> list[str]:
        """The command line of Snakemake for this study."""
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile")),
            *("--directory", str(self.folder), "--configfile", str(self.folder / "study.yaml")),
            *("--cores", "2", *arguments),
        ]

    def run(self, *arguments: str, check: bool = True, under: Sequence[str] = ()) -> subprocess.CompletedProcess:
        """Run Snakemake, `under` another program; with `check` a failure shows what it printed."""
        command = [*under, *self.command(*arguments)]
        ran = subprocess.run(command, env={**os.environ, **EXTRA}, capture_output=True, text=True, cwd=self.folder)
        assert not check or ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-6000:]
        return ran

    def plan(self, *targets: str) -> list[str]:
        """The jobs that would run now, as sorted `rule wildcard=value` words."""
        program = Path(__file__).with_name("planned_jobs.py")
        ran = subprocess.run(
            [
                *(sys.executable, str(program), str(CHECKOUT / "Snakefile"), str(self.folder)),
                *(str(self.folder / "study.yaml"), *targets),
            ],
            env={**os.environ, **EXTRA},
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-6000:]
        return sorted(re.findall(r"^JOB (.*)$", ran.stdout, re.MULTILINE))

    def unasked(self) -> set[str]:
        """Files that jobs make and `rule all` does not ask for by name, or the other way round."""
        from triptych.core.corpus import read_corpus
        from triptych.core.lasting import lasting
        from triptych.core.plan import Plan
        from triptych.core.study import load_study

        lines = self.run("--summary").stdout.splitlines()
        made = {line.split("\t")[0] for line in lines[lines.index(next(filter(_HEADING.match, lines))) + 1 :]}
        study = load_study(self.folder / "study.yaml")
        plan = Plan(study, read_corpus(self.folder / study.corpus))
        return made ^ {*lasting(plan), *plan.dropped_sources()}

    def path(self, *parts: str) -> Path:
        """A file of the results."""
        return self.folder.joinpath("results", "small", *parts)

    def finals(self) -> dict[str, bytes]:
        """Result files under their final names, by name."""
        return finals(self.path())

    def snapshot(self, *patterns: str) -> dict[str, bytes]:
        """Content of result files by name."""
        root = self.path()
        return {
            str(path.relative_to(root)): path.read_bytes()
            for pattern in patterns
            for path in sorted(root.glob(pattern))
            if path.is_file()
        }
