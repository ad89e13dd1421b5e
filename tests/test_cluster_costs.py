"""The costs on a cluster are those that the page has, and a mistyped command tells how the program is called."""

import re
import subprocess
import sys

import pytest
from support import CHECKOUT

#: A line of the program: shards, videos of each, jobs, work, its part that is starts, longest job, hours at best.
ROW = re.compile(
    r"(\d+) shards of +(\d+): +(\d+) jobs, (.*?) \(([\d.]+) % of it starts\), "
    r"longest job ([\d.]+) h, at best ([\d.]+) h"
)


def costs(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(CHECKOUT / "benchmarks" / "cluster_costs.py"), *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    [(), ("abc",), ("nan",), ("0",), ("900", "4", "0"), ("stages",), ("stages", "900000"), ("1", "2", "3", "4", "5")],
)
def test_a_mistyped_command_tells_how_it_is_called(words):
    ran = costs(*words)
    assert ran.returncode == 1 and ran.stderr.startswith("usage: python benchmarks/cluster_costs.py VIDEOS")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "words", [("2500", "5", "50"), ("2500", "5", "50", "4"), ("900000", "4", "1000"), ("900000", "4", "1000", "64")]
)
def test_the_rows_of_the_page_are_what_the_program_tells(words):
    page = (CHECKOUT / "docs" / "cluster.md").read_text(encoding="utf-8")
    rows = [
        f"| {int(shards):,} of {int(each):,} | {int(jobs):,} | {work} | {part} % | {longest} h | {best} h |"
        for shards, each, jobs, work, part, longest, best in ROW.findall(costs(*words).stdout)
    ]
    assert len([row for row in rows if row in page]) >= 3, rows


def test_the_costs_by_stage_are_those_of_the_page():
    page = (CHECKOUT / "docs" / "scale.md").read_text(encoding="utf-8")
    lines = costs("stages", "900000", "4", "900").stdout.splitlines()[2:-1]
    rows = ["| " + " | ".join(re.split(r"  +", line.strip())[:5]) + " |" for line in lines]
    assert len(rows) == 10 and [row for row in rows if row not in page] == []
