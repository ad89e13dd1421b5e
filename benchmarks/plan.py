"""Planning 10,000 synthetic rows, media stages per video and per shard: jobs, CPU seconds, peak memory.

usage: python benchmarks/plan.py [ROWS]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]


def table(folder: Path, rows: int, source: str = "empty.mp4") -> Path:
    """Write a table of `rows` videos; `source` of each, where `{n}` is its number."""
    (folder / "empty.mp4").write_bytes(b"")
    lines = ["id,source,topic,film"]
    lines += [f"v{n:06d},{source.format(n=n)},{'abcd'[n % 4]},film{n // 8}" for n in range(rows)]
    path = folder / "videos.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def study(folder: Path, unit: str, shards: int = 50, **changes) -> Path:
    """Write the study file of the demo over the table in `folder`."""
    told = yaml.safe_load((CHECKOUT / "config.yaml").read_text())
    told |= {"study": f"plan-{unit}", "corpus": "videos.csv", "shards": shards, "unit": unit}
    told["tasks"]["topic"] |= {"folds": 4}
    path = folder / f"{unit}.yaml"
    path.write_text(yaml.safe_dump(told | changes, sort_keys=False))
    return path


def measured(command: list[str], cwd: Path | None = None) -> tuple[str, float, float, float]:
    """Run a command: what it printed, CPU seconds, wall seconds, peak MB of its largest process."""
    program = (
        "import json, resource, subprocess, sys, time\n"
        "started = time.monotonic()\n"
        "ran = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "cpu, wall = used.ru_utime + used.ru_stime, time.monotonic() - started\n"
        "print(json.dumps([ran.stdout, cpu, wall, used.ru_maxrss / 1024, ran.returncode]))\n"
    )
    # Peak memory only ever grows over the children of a process, so each command has a parent of its own.
    ran = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True, cwd=cwd)
    text, cpu, wall, peak, code = json.loads(ran.stdout)
    if code:
        sys.exit(text[-3000:])
    return text, cpu, wall, peak


def snakemake(folder: Path, config: Path, *more: str) -> list[str]:
    """The command line of Snakemake for a study in a folder of its own."""
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile"), "--directory", str(folder)),
        *("--configfile", str(config), "--cores", "2", *more),
    ]


def plan(folder: Path, config: Path, *more: str) -> tuple[int, float, float, float]:
    """Dry-run a study; jobs, CPU seconds, wall seconds, peak MB."""
    text, cpu, wall, peak = measured(snakemake(folder, config, "--dry-run", *more))
    found = re.search(r"^\s*total\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0, cpu, wall, peak


def main() -> None:
    """Plan the same table per shard, then per video."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table(folder, rows)
        for unit in ("shard", "video"):
            jobs, cpu, wall, peak = plan(folder, study(folder, unit))
            print(f"{rows} rows, media per {unit}: {jobs} jobs, {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
