"""What a corpus costs on a cluster, computed from costs that were measured: jobs, hours, files, bytes, by shards.

usage: python benchmarks/cluster_costs.py VIDEOS [MINUTES [JOBS [CARDS]]]

Nothing is run. Costs are CPU seconds of single runs on two cores (docs/benchmarks.md) for videos of 720p; put in your
own after a first shard: results/STUDY/benchmarks/RULE/SHARD.tsv has the seconds of each job.
"""

from __future__ import annotations

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


def main() -> None:
    """Print the table."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    given = [float(word) for word in sys.argv[1:]]
    videos, minutes, jobs, cards = given + [5.0, 100.0, 0.0][len(given) - 1 :]
    print("\n".join(table(int(videos), minutes, int(jobs), int(cards))))


if __name__ == "__main__":
    main()
