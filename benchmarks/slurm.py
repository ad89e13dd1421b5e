"""The demo on a SLURM of this machine's own: are the results the same bytes, and what do jobs of the cluster cost.

usage: python benchmarks/slurm.py [VIDEOS [NODES [CPUS]]]

First what a job costs before its work begins, by the rows of the table, since each job reads study and table twice.
Then the whole demo, its study as it stands but for `unit: shard`, here and on the cluster: submissions, wall time, and
the result files compared. Then VIDEOS of it (12): submissions and wall time, media per video and per shard.

It needs Debian's packages (python tests/slurm/cluster.py install). Nodes are daemons of this machine and share its
processors, so only what a job costs beside its work is seen here, not how much faster many nodes are.
"""

from __future__ import annotations

import csv
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests" / name) for name in ("", "workflow", "slurm")]
from cluster import Cluster, missing  # noqa: E402 - from the tests' folders
from harness import finals  # noqa: E402

DEMO = CHECKOUT / "data" / "demo"
SHARDS = 2


def write(folder: Path, rows: list[dict[str, str]], unit: str, shards: int = SHARDS) -> Path:
    """A study of the demo's models over some rows, in two folds."""
    folder.mkdir(parents=True)
    with (folder / "videos.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    study = yaml.safe_load((CHECKOUT / "config.yaml").read_text(encoding="utf-8"))
    study |= {"corpus": "videos.csv", "unit": unit, "shards": shards}
    study["tasks"]["topic"] |= {"folds": 2}
    study["evaluate"] = {"bootstrap": 100, "permutations": 100}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def demo(count: int) -> list[dict[str, str]]:
    """The first `count` rows of the demo's table, one clip of each film first, so that all classes are there."""
    with (DEMO / "videos.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    clips: dict[str, int] = {}
    order = []
    for row in (row for row in rows if row["topic"] and row["film"]):
        clips[row["film"]] = clips.get(row["film"], 0) + 1
        order.append((clips[row["film"]], row["id"], row))
    rows = [row for _, _, row in sorted(order, key=lambda one: one[:2])]
    for row in rows:
        for column in ("source", "captions"):
            row[column] = str(DEMO / row[column]) if row[column] else ""
    return rows[:count]


def snakemake(study: Path, *words: str, **settings: str) -> tuple[str, float, float, float]:
    """What a run printed, its wall seconds, and CPU seconds and peak MB of it and its children."""
    command = [*(sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile")), *words]
    command += ["--directory", str(study.parent), "--configfile", str(study)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **settings}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=study.parent)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode:
        sys.exit(ran.stdout[-3000:] + ran.stderr[-3000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ran.stdout + ran.stderr, wall, cpu, after.ru_maxrss / 1024


def whole(folder: Path) -> Path:
    """The demo's own study and table; only paths are made absolute, and media stages go by shard."""
    folder.mkdir(parents=True)
    study = yaml.safe_load((CHECKOUT / "config.yaml").read_text(encoding="utf-8"))
    study |= {"corpus": str(CHECKOUT / study["corpus"]), "unit": "shard"}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def locally(study: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a run on all processors of this machine."""
    _, wall, cpu, _ = snakemake(study, "--cores", str(os.cpu_count() or 1))
    return wall, cpu


def on_cluster(study: Path, cluster: Cluster) -> tuple[int, float]:
    """Submissions and wall seconds of a run whose jobs go to the cluster."""
    slurm = ["--workflow-profile", str(CHECKOUT / "profiles" / "slurm")]
    slurm += ["--slurm-init-seconds-before-status-checks", "2"]
    bin_first = os.pathsep.join([f"{sys.prefix}/bin", cluster.environment["PATH"]])
    told, wall, _, _ = snakemake(study, *slurm, SLURM_CONF=cluster.environment["SLURM_CONF"], PATH=bin_first)
    return len(re.findall("has been submitted with SLURM jobid", told)), wall


def equality(folder: Path, cluster: Cluster) -> None:
    """The whole demo here and on the cluster, its result files compared."""
    here, there = whole(folder / "demo here"), whole(folder / "demo there")
    local, cpu = locally(here)
    jobs, wall = on_cluster(there, cluster)
    name = yaml.safe_load(here.read_text(encoding="utf-8"))["study"]
    expected, found = (finals(study.parent / "results" / name) for study in (here, there))
    differ = [one for one in sorted({*expected, *found}) if expected.get(one) != found.get(one)]
    print(
        f"the whole demo, here: {local:.0f} s, {cpu:.0f} CPU s; on SLURM, media per shard: {jobs} submissions, "
        f"{wall:.0f} s; of {len(expected)} result files {len(differ)} differ",
        *differ[:9],
    )


def runs(folder: Path, cluster: Cluster, videos: int) -> None:
    """The same rows here and on the cluster, media per shard and per video."""
    rows = demo(videos)
    here, cpu = locally(write(folder / "here", rows, "shard"))
    print(f"{len(rows)} videos, {SHARDS} shards, here: {here:.0f} s, {cpu:.0f} CPU s")
    for unit in ("shard", "video"):
        jobs, wall = on_cluster(write(folder / unit, rows, unit), cluster)
        each = wall * len(cluster.nodes) * cluster.cpus / jobs
        print(
            f"{len(rows)} videos, {SHARDS} shards, SLURM, media per {unit}: {jobs} submissions, {wall:.0f} s, "
            f"{wall / here:.1f} x the run here, {each:.1f} s of a processor's place a job"
        )


def starts(folder: Path) -> None:
    """A job's own start: Snakemake as it is called on a node, without the work."""
    for rows in (1_000, 10_000, 100_000):
        lines = [
            {"id": f"v{n:06d}", "source": "", "topic": "abcd"[n % 4], "film": f"film{n // 8}"} for n in range(rows)
        ]
        study = write(folder / f"rows{rows}", lines, "shard", shards=10)
        words = ["--target-jobs", "probe_media:unit=0", "--allowed-rules", "probe_media", "--force", "--nolock"]
        words += ["--mode", "remote", "--cores", "all", "--dry-run", "--quiet", "all", "--workflow-profile", "none"]
        _, wall, cpu, peak = snakemake(study, *words)
        # The most memory of all children so far: sizes grow, so it is this one's.
        print(f"a job's start, {rows} rows: {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB; each job has two")


def main() -> None:
    """Print one line a run."""
    if missing():
        sys.exit(f"SLURM is not installed ({', '.join(missing())}); python tests/slurm/cluster.py install")
    given = [int(word) for word in sys.argv[1:]]
    videos, nodes, cpus = given + [12, 2, 2][len(given) :]
    with tempfile.TemporaryDirectory(prefix="triptych-slurm.") as name:
        folder = Path(name)
        starts(folder)
        cluster = Cluster(folder / "cluster", nodes=nodes, cpus=cpus, memory=16_000, cards=0)
        try:
            cluster.start()
            equality(folder, cluster)
            runs(folder, cluster, videos)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
