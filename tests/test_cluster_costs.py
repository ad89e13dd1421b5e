"""The costs on a cluster are those that the page has, and a mistyped command tells how the program is called."""

import subprocess
import sys

import pytest
from support import CHECKOUT


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


def test_the_page_has_what_the_program_tells():
    page = (CHECKOUT / "docs" / "cluster.md").read_text(encoding="utf-8")
    told = costs("2500", "5", "50").stdout
    assert (
        "100 shards of    25:    840 jobs, 48 h of CPU (1.9 % of it starts), longest job 0.4 h, at best 1.7 h" in told
    )
    assert "| 100 of 25 | 840 | 48 h of CPU | 1.9 % | 0.4 h | 1.7 h |" in page
    assert costs("stages", "1000", "0.5", "2").returncode == 0
