"""What starting costs: 48 videos x 6 encoders by the engine, a process each encoder, against a process each video.

Media and transcripts of the demo are made once by the workflow. Then each encoder runs over one shard of 48 videos in
a process of its own, as a job of the workflow does. Start-up is everything before the first batch: the interpreter,
imports, weights. A process for each video and encoder is measured for a few videos of each encoder and multiplied
(that part is extrapolated, and said to be). Three encoders are the package's own; three are networks with random
weights (`networks.py`): CLIP's image tower, Whisper's encoder and DistilBERT, tiny by default; `--size real`
takes ViT-B/32, Whisper base and DistilBERT base. Peak memory is held against what each card declares.

    python benchmarks/startup.py [--size tiny|real] [--videos 48] [--sample 2]
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

JOB = """
import json, resource, sys, time
told = json.loads(sys.stdin.read())
from triptych.core.paths import Paths
from triptych.encoders import engine, registry
load, loaded = engine._load, {}
def marked(*arguments):
    load(*arguments)
    loaded.update(wall=time.time(), cpu=time.process_time())
engine._load = marked
spent = {}
counts = engine.embed_shard(told["encoder"], told["videos"], Paths(**told["paths"]), "0", name=told["name"], shards=1,
                            sources=["captions"], spent=spent)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"start_wall": loaded["wall"], "start": loaded["cpu"], "cpu": time.process_time(),
                  "waited": spent["wait"], "computed": counts["computed"], "peak": used.ru_maxrss / 1024,
                  "declared": registry.find(told["encoder"]["use"]).card.memory_mb}))
"""


def prepare(folder: Path, videos: int) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Media and transcripts of the demo's first videos, made by the workflow: what the engine's jobs read."""
    import yaml

    from triptych.core.paths import Paths

    demo = CHECKOUT / "data/demo"
    with (demo / "videos.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["topic"] and row["captions"] and row["source"]][:videos]
    if len(rows) < videos:
        raise SystemExit(f"the demo has {len(rows)} such videos, not {videos}")
    for row in rows:
        row["source"], row["captions"] = str(demo / row["source"]), str(demo / row["captions"])
    with (folder / "videos.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    study = {
        "study": "startup",
        "corpus": "videos.csv",
        "shards": 1,
        "unit": "shard",
        "transcripts": {"captions": {"use": "captions"}},
        "encoders": {"picture": {"use": "classic-image"}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "study.yaml"), "--cores", "2"]
    command += ["media", "transcripts"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stdout[-2000:] + ran.stderr[-2000:])
    paths = Paths("startup", str(folder / "results"), str(folder / "data/media"), str(folder / "data/splits"))
    return [{"slug": row["id"], "fields": {}} for row in rows], dataclasses.asdict(paths)


def job(name: str, encoder: dict[str, Any], videos: list[dict[str, Any]], paths: dict[str, str]) -> dict[str, float]:
    """One process over the videos: seconds (CPU and wall) in all and to the first batch, and its peak memory."""
    told = json.dumps({"name": name, "encoder": encoder, "videos": videos, "paths": paths})
    environment = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'benchmarks'}", "OMP_NUM_THREADS": "1"}
    start = time.time()
    ran = subprocess.run(
        [sys.executable, "-c", JOB], input=told, env=environment, capture_output=True, text=True, check=False
    )
    wall = time.time() - start
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    found = json.loads(ran.stdout.splitlines()[-1])
    if found["computed"] != len(videos):
        raise SystemExit(f"{name}: {found['computed']} of {len(videos)} videos were computed")
    return found | {"wall": wall, "start_wall": found["start_wall"] - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["tiny", "real"], default="tiny")
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--sample", type=int, default=2, help="videos that run in a process of their own")
    told = parser.parse_args()
    from networks import build

    encoders = {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}, "minilm": {"use": "minilm"}}
    with tempfile.TemporaryDirectory(prefix="triptych-startup-") as place:
        folder = Path(place)
        videos, paths = prepare(folder, told.videos)
        encoders |= build(folder / "weights", told.size)
        print(
            f"{told.videos} videos x {len(encoders)} encoders, networks {told.size}, one thread, a process an encoder"
        )
        print("             CPU s                wall s               s waited    peak MB          CPU s of a process")
        print("  encoder    whole  start-up      whole  start-up    for input   of declared      for one video")
        total = dict.fromkeys(("cpu", "start", "wall", "start_wall"), 0.0)
        apart = fixed = 0.0
        for name, encoder in encoders.items():
            one = job(name, encoder, videos, paths)
            alone = statistics.median(
                job(f"{name}-alone-{number}", encoder, videos[number : number + 1], paths)["cpu"]
                for number in range(told.sample)
            )
            apart += alone * told.videos
            fixed += alone
            total = {key: seconds + one[key] for key, seconds in total.items()}
            print(
                f"  {name:9s} {one['cpu']:6.1f}  {one['start']:8.1f}     {one['wall']:6.1f}  {one['start_wall']:8.1f}"
                f"     {one['waited']:8.1f}   {one['peak']:5.0f} of {one['declared']:<6d}   {alone:6.2f}"
            )
            if one["peak"] > one["declared"]:
                print(f"  {name} takes more memory than its card declares")
    for kind, whole, start in (("CPU", "cpu", "start"), ("wall", "wall", "start_wall")):
        share = 100 * total[start] / total[whole]
        print(f"start-up is {share:.1f} % of the run: {total[start]:.1f} of {total[whole]:.1f} {kind} s")
    share = 100 * fixed / total["cpu"]
    print(f"with imports that come after loading at most {share:.1f} %: {fixed:.1f} CPU s of processes for one video")
    print(
        f"a process for each video and encoder: {apart:.0f} CPU s, extrapolated from {told.sample} videos of each "
        f"encoder; {apart / total['cpu']:.1f} times the whole"
    )


if __name__ == "__main__":
    main()
