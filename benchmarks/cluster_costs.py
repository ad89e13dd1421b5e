"""What a corpus costs on a cluster, computed from costs that were measured: jobs, hours, files, bytes, by shards.

usage: python benchmarks/cluster_costs.py VIDEOS [MINUTES [JOBS [CARDS]]]
       python benchmarks/cluster_costs.py stages VIDEOS MINUTES SHARDS [CARDS]   jobs, files, bytes, hours by stage

Nothing is run. Costs are CPU seconds of single runs on two cores (docs/benchmarks.md) for videos of 720p; put in your
own after a first shard: results/STUDY/benchmarks/RULE/SHARD.tsv has the seconds of each job.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage of one job a shard: CPU seconds a video (fixed, and for each minute of it), and of a job's libraries."""

    name: str
    fixed: float
    a_minute: float
    libraries: float
    card: bool = False


#: Measured: five minutes of 720p, keyframes 1.75 s; ten minutes of sound 9.4 s; Whisper small 5.5 s for half a minute
#: on one thread; CLIP ViT-B/32 3.8 s for 32 frames; MPNet 1.8 s a text; 5.2 s to import torch and transformers.
CPU = [
    Stage("probe", 0.2, 0.0, 0.5),
    Stage("audio", 0.1, 0.94, 0.7),
    Stage("keyframes", 0.5, 0.25, 0.7),
    Stage("captions and text", 0.01, 0.0, 0.7),
    Stage("whisper small", 0.0, 11.0, 5.2),
    Stage("clip", 3.8, 0.0, 5.2),
    Stage("mpnet", 1.8, 0.0, 5.2),
]
#: With a card: the published 269 times real time of Whisper small. The two others were not measured on a card: a fifth
#: of a second is what reading 32 stored pictures takes, which the card then waits for.
ON_CARD = {"whisper small": (0.0, 60 / 269), "clip": (0.2, 0.0), "mpnet": (0.2, 0.0)}
#: A download by one job after the other from a server of this machine: CPU seconds (fixed, a MB), and of its libraries.
FETCH, FETCH_MB, FETCH_LIBRARIES = 0.07, 0.0023, 0.5
#: Not measured but assumed of a download: MB a minute of 720p, MB a second of one connection, seconds of the site's
#: pages and of a pause before (`fetch.sleep_seconds`); and how many run at once.
MB_A_MINUTE, MB_A_SECOND, PAUSE, AT_ONCE = 10.0, 5.0, 3.0, 16
#: Files that a stage leaves of a video (lock files too), bytes of a video, and of each minute of it.
LEFT = {
    "fetch": (2, 2_500, 0),
    "probe": (3, 1_000, 0),
    "audio": (4, 0, 2_100_000),
    "keyframes": (4, 1_850_000, 0),
    "captions and text": (0, 1_000, 1_500),
    "whisper small": (0, 1_000, 1_500),
    "clip": (0, 34_000, 0),
    "mpnet": (0, 3_000, 0),
}
#: A job's own start: two Snakemakes, each 2 s and 19 microseconds a row of the table.
START, START_A_ROW = 4.0, 38e-6
#: Files of a video with `unit: shard`; and bytes: mp3, flac, a contact sheet and 32 pictures.
FILES, BYTES, BYTES_A_MINUTE = 11, 1_850_000, 2_100_000
#: Jobs a shard: probe, audio, keyframes, captions, Whisper, text, CLIP, MPNet.
A_SHARD, REST = 8, 40
#: Planning on the submit node: seconds and MB a job, seconds and MB a row.
PLAN_JOB, PLAN_JOB_MB, PLAN_ROW, PLAN_ROW_MB = 0.002, 0.014, 0.00017, 0.002


def table(videos: int, minutes: float, jobs: int, cards: int) -> list[str]:
    """A line for each number of shards that is worth a thought."""
    lines = [f"{videos:,} videos of {minutes:g} minutes, {jobs} jobs at a time, {cards} of them on cards:"]
    for size in (25, 100, 500, 1000, 2000):
        shards = max(1, round(videos / size))
        total = A_SHARD * shards + REST
        if total > 100_000 or size > videos:
            continue
        cpu = on_card = longest = 0.0
        for stage in CPU:
            fixed, a_minute = ON_CARD[stage.name] if cards and stage.name in ON_CARD else (stage.fixed, stage.a_minute)
            work = videos * (fixed + a_minute * minutes)
            starts = shards * (START + START_A_ROW * videos + stage.libraries)
            longest = max(longest, (work + starts) / shards)
            if cards and stage.name in ON_CARD:
                on_card += work + starts
            else:
                cpu += work + starts
        # A stage is no faster than its shards are many.
        wall = max(cpu / min(jobs, shards * 2), on_card / min(cards, shards) if cards else 0.0) + 2 * longest
        own = A_SHARD * shards * (START + START_A_ROW * videos)
        lines.append(
            f"  {shards:>6} shards of {size:>5}: {total:>6} jobs, {cpu / 3600:,.0f} h of CPU"
            + (f" and {on_card / 3600:,.0f} h of cards" if cards else "")
            + f" ({100 * own / (cpu + on_card):.1f} % of it starts), longest job {longest / 3600:.1f} h, at best "
            f"{wall / 3600:,.1f} h; plan {total * PLAN_JOB + videos * PLAN_ROW:,.0f} s, "
            f"{200 + total * PLAN_JOB_MB + videos * PLAN_ROW_MB:,.0f} MB"
        )
    size = videos * (BYTES + BYTES_A_MINUTE * minutes)
    lines.append(f"  files {videos * FILES:,} beside the videos, {size / 1e12:.2f} TB")
    return lines


def stages(videos: int, minutes: float, shards: int, cards: int = 0) -> list[str]:
    """A line for each stage with units of a shard: jobs, files, bytes, CPU hours, hours of cards; downloads first."""
    megabytes = MB_A_MINUTE * minutes
    start = START + START_A_ROW * videos
    work = videos * (FETCH + FETCH_MB * megabytes) + shards * (start + FETCH_LIBRARIES)
    waits = videos * (PAUSE + megabytes / MB_A_SECOND) / AT_ONCE
    lines = [f"{videos:,} videos of {minutes:g} minutes in {shards:,} shards:"]
    lines.append(f"  {'stage':<20}{'jobs':>7}{'files':>12}{'TB':>9}{'CPU h':>9}{'card h':>8}")
    rows = [("fetch", shards, work, 0.0)]
    for stage in CPU:
        on_card = bool(cards) and stage.name in ON_CARD
        fixed, a_minute = ON_CARD[stage.name] if on_card else (stage.fixed, stage.a_minute)
        jobs = 2 * shards if stage.name == "captions and text" else shards
        seconds = videos * (fixed + a_minute * minutes) + jobs * (start + stage.libraries)
        rows.append((stage.name, jobs, 0.0 if on_card else seconds, seconds if on_card else 0.0))
    total = [0.0] * 5
    for name, jobs, cpu, card in rows:
        files, fixed, a_minute = LEFT[name]
        told = [jobs, max(jobs, videos * files), videos * (fixed + a_minute * minutes) / 1e12, cpu / 3600, card / 3600]
        total = [one + other for one, other in zip(total, told, strict=True)]
        lines.append(_stage(name, told))
    lines.append(_stage("all", total))
    lines.append(
        f"  downloads: {videos * megabytes / 1e6:.1f} TB pass, {waits / 3600:,.0f} h with {AT_ONCE} at once "
        f"(assumed: {MB_A_MINUTE:g} MB a minute, {MB_A_SECOND:g} MB/s each, {PAUSE:g} s of pages and pause)"
    )
    return lines


def _stage(name: str, told: list[float]) -> str:
    jobs, files, size, cpu, card = told
    return f"  {name:<20}{jobs:>7,.0f}{files:>12,.0f}{size:>9.3f}{cpu:>9,.0f}{card:>8,.0f}"


def main(words: list[str]) -> None:
    """Print the table, or how the program is called."""
    by_stage = words[:1] == ["stages"]
    given = _numbers(words[1:] if by_stage else words)
    if not (3 if by_stage else 1) <= len(given) <= 4:
        sys.exit(__doc__.split("\n\n")[1])
    if by_stage:
        videos, minutes, shards, cards = [*given, 0.0][:4]
        print("\n".join(stages(int(videos), minutes, int(shards), int(cards))))
        return
    videos, minutes, jobs, cards = given + [5.0, 100.0, 0.0][len(given) - 1 :]
    print("\n".join(table(int(videos), minutes, int(jobs), int(cards))))


def _numbers(words: list[str]) -> list[float]:
    """The numbers of a command line; nothing where a word is none, or there are no videos, jobs or shards."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        return []
    counted = [one for place, one in enumerate(found) if place in (0, 2)]
    fits = all(math.isfinite(one) and one >= 0 for one in found) and all(one >= 1 for one in counted)
    return found if fits else []


if __name__ == "__main__":
    main(sys.argv[1:])
