"""Snakemake looks for jobs when one has ended; a limit of starts that was asked for stays."""

import re
import subprocess
import sys

import pytest
from support import CHECKOUT

JOBS = 24
SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from triptych.core import waking

onstart:
    waking.when_jobs_end(workflow)

rule all:
    input: expand("{{number}}.txt", number=range({JOBS}))

rule one:
    output: "{{number}}.txt"
    shell: "sleep 0.3; touch {{output}}"
"""


@pytest.mark.parametrize(("options", "kept"), [((), False), (("--max-jobs-per-timespan", "99/1s"), True)])
def test_jobs_are_chosen_when_one_ends(tmp_path, options, kept):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", "--verbose", *options]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0 and len(list(tmp_path.glob("*.txt"))) == JOBS, ran.stderr[-3000:]
    choices = len(re.findall(r"^Ready jobs: ", ran.stderr + ran.stdout, re.MULTILINE))
    # Each start of two, and each end; the timers of a limit add more, the more jobs have ended.
    assert (choices > JOBS + 10) if kept else (choices <= JOBS + 2)
