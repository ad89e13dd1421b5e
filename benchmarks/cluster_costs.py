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
    """A stage that goes by shard.

    Attributes:
        name: as the table has it.
        fixed: CPU seconds a video.
        a_minute: the same for each minute of a video.
        libraries: CPU seconds that a job's imports and its model take.
        files: that a video leaves (lock files too).
        bytes: of a video.
        bytes_a_minute: the same for each minute of it.
        jobs: a shard.
        on_card: seconds of a card in place of the CPU's, fixed and for each minute; None where no card is used.
    """

    name: str
    fixed: float
    a_minute: float
    libraries: float
    files: int
    bytes: float
    bytes_a_minute: float
    jobs: int = 1
    on_card: tuple[float, float] | None = None

    def seconds(self, videos: int, minutes: float, shards: int, card: bool) -> float:
        """Seconds of all its jobs, their starts among them."""
        fixed, a_minute = self.on_card if card and self.on_card else (self.fixed, self.a_minute)
        return videos * (fixed + a_minute * minutes) + self.jobs * shards * (start(videos) + self.libraries)


#: Not measured but assumed of a download: MB a minute of 720p, MB a second of one connection, seconds of the site's
#: pages and of a pause before (`fetch.sleep_seconds`); and how many run at once.
MB_A_MINUTE, MB_A_SECOND, PAUSE, AT_ONCE = 10.0, 5.0, 3.0, 16
#: A download by one job after the other from a server of this machine: .07 CPU seconds, and .0023 a MB.
FETCH = Stage("fetch", 0.07, 0.0023 * MB_A_MINUTE, 0.5, 2, 2_500, 0)
#: Measured: five minutes of 720p, keyframes 1.75 s; ten minutes of sound 9.4 s; Whisper small 5.5 s for half a minute
#: on one thread; CLIP ViT-B/32 3.8 s for 32 frames; MPNet 1.8 s a text; 5.2 s to import torch and transformers.
#: With a card: the published 269 times real time of Whisper small. The two others were not measured on a card: a fifth
#: of a second is what reading 32 stored pictures takes, which the card then waits for.
STAGES = [
    Stage("probe", 0.2, 0.0, 0.5, 3, 1_000, 0),
    Stage("audio", 0.1, 0.94, 0.7, 4, 0, 2_100_000),
    Stage("keyframes", 0.5, 0.25, 0.7, 4, 1_850_000, 0),
    Stage("captions and text", 0.01, 0.0, 0.7, 0, 1_000, 1_500, jobs=2),
    Stage("Whisper small", 0.0, 11.0, 5.2, 0, 1_000, 1_500, on_card=(0.0, 60 / 269)),
    Stage("CLIP ViT-B/32", 3.8, 0.0, 5.2, 0, 34_000, 0, on_card=(0.2, 0.0)),
    Stage("MPNet", 1.8, 0.0, 5.2, 0, 3_000, 0, on_card=(0.2, 0.0)),
]
A_SHARD = sum(stage.jobs for stage in STAGES)
#: Jobs of features, models and the report, however many shards there are.
REST = 40
#: A job's own start, CPU seconds, and the same for each row of the table: of two Snakemakes, each 1.36 s at 1,000 rows,
#: 1.44 at 10,000 and 2.19 at 100,000 (medians of four; `python benchmarks/slurm.py`, the same within a fifth by
#: `python benchmarks/scale.py parse`).
START, START_A_ROW = 2.7, 17e-6
#: Planning on the submit node: seconds and MB a job, seconds and MB a row.
PLAN_JOB, PLAN_JOB_MB, PLAN_ROW, PLAN_ROW_MB = 0.002, 0.014, 0.00017, 0.002


def start(videos: int) -> float:
    """CPU seconds of a job before its work begins."""
    return START + START_A_ROW * videos


def table(videos: int, minutes: float, jobs: int, cards: int) -> list[str]:
    """A line for each number of shards that is worth a thought."""
    lines = [f"{videos:,} videos of {minutes:g} minutes, {jobs} jobs at a time, {cards} of them on cards:"]
    for size in (25, 100, 500, 1000, 2000):
        shards = max(1, round(videos / size))
        total = A_SHARD * shards + REST
        if total > 100_000 or size > videos:
            continue
        cpu, on_card, longest = REST * start(videos), 0.0, 0.0
        for stage in STAGES:
            seconds = stage.seconds(videos, minutes, shards, cards > 0)
            longest = max(longest, seconds / (stage.jobs * shards))
            if cards and stage.on_card:
                on_card += seconds
            else:
                cpu += seconds
        # A stage is no faster than its shards are many.
        wall = max(cpu / min(jobs, shards * 2), on_card / min(cards, shards) if cards else 0.0) + 2 * longest
        cards_too = f" and {on_card / 3600:,.0f} h of cards" if cards else ""
        share = 100 * total * start(videos) / (cpu + on_card)
        plan, memory = total * PLAN_JOB + videos * PLAN_ROW, 200 + total * PLAN_JOB_MB + videos * PLAN_ROW_MB
        lines.append(
            f"  {shards:>6} shards of {size:>5}: {total:>6} jobs, {cpu / 3600:,.0f} h of CPU{cards_too} "
            f"({share:.1f} % of it starts), longest job {longest / 3600:.1f} h, at best {wall / 3600:,.1f} h; "
            f"plan {plan:,.0f} s, {memory:,.0f} MB"
        )
    size = videos * sum(stage.bytes + stage.bytes_a_minute * minutes for stage in STAGES)
    files = videos * sum(stage.files for stage in STAGES)
    lines.append(f"  files {files:,} beside the videos, {size / 1e12:.2f} TB")
    lines.append(f"  a job's start: {start(videos):.1f} CPU s")
    return lines


def stages(videos: int, minutes: float, shards: int, cards: int = 0) -> list[str]:
    """A line for each stage with units of a shard: jobs, files, bytes, CPU hours, hours of cards; downloads first."""
    megabytes = MB_A_MINUTE * minutes
    waits = videos * (PAUSE + megabytes / MB_A_SECOND) / AT_ONCE
    lines = [f"{videos:,} videos of {minutes:g} minutes in {shards:,} shards:"]
    lines.append(f"  {'stage':<20}{'jobs':>7}{'files':>12}{'TB':>9}{'CPU h':>9}{'card h':>8}")
    total = [0.0] * 5
    rows = []
    for stage in (FETCH, *STAGES):
        jobs, on_card = stage.jobs * shards, bool(cards and stage.on_card)
        hours = stage.seconds(videos, minutes, shards, cards > 0) / 3600
        size = videos * (stage.bytes + stage.bytes_a_minute * minutes) / 1e12
        told = [jobs, max(jobs, videos * stage.files), size, 0.0 if on_card else hours, hours if on_card else 0.0]
        rows.append((stage.name, told))
    rows.append(("the rest", [REST, REST, 0.0, REST * start(videos) / 3600, 0.0]))
    for name, told in rows:
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
