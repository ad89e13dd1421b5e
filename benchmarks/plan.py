"""Planning 10,000 synthetic rows, media stages per video and per shard: jobs, CPU seconds, peak memory.

usage: python benchmarks/plan.py [ROWS]
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]


def plan(folder: Path, rows: int, unit: str) -> tuple[int, float, float, float]:
    """Dry-run a study of `rows` videos; jobs, CPU seconds, wall seconds, peak MB."""
    study = yaml.safe_load((CHECKOUT / "config.yaml").read_text())
    study |= {"study": f"plan-{unit}", "corpus": "videos.csv", "shards": 50, "unit": unit}
    study["tasks"]["topic"] |= {"folds": 4}
    path = folder / f"{unit}.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile"), "--directory", str(folder)),
        *("--configfile", str(path), "--dry-run", "--cores", "2"),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        text = process.stdout.read()
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"^\s*total\s+(\d+)", text, re.MULTILINE)
    if process.returncode or not found:
        sys.exit(text[-3000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(found[1]), cpu, wall, after.ru_maxrss / 1024


def main() -> None:
    """Plan the same table per shard, then per video (peak memory only ever grows over the children of a process)."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.mp4").write_bytes(b"")
        lines = ["id,source,topic,film"]
        lines += [f"v{n:06d},empty.mp4,{'abcd'[n % 4]},film{n // 8}" for n in range(rows)]
        (folder / "videos.csv").write_text("\n".join(lines) + "\n")
        for unit in ("shard", "video"):
            jobs, cpu, wall, peak = plan(folder, rows, unit)
            print(f"{rows} rows, media per {unit}: {jobs} jobs, {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
