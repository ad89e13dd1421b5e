"""Which device a job computes on: a card leased on workstations, the scheduler's choice on clusters, or the CPU."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Seconds from one look for a free card to the next.
WAIT = 0.5


@cache
def cards() -> int:
    """Number of graphics cards that this process may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() and one.strip() != "-1"])
    tool = shutil.which("nvidia-smi")
    if not tool:
        return 0
    try:
        ran = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in ran.stdout.splitlines()) if ran.returncode == 0 else 0


def wanted(gpus: str | int) -> int:
    """Cards that a study's jobs share: all that are there for `auto`, at most what is there otherwise."""
    return cards() if gpus == "auto" else min(int(gpus), cards())


@contextlib.contextmanager
def lease(gpus: int) -> Iterator[str]:
    """The device of a job: `cpu`, or `cuda:N` held until the job ends (the kernel frees it when the job dies).

    Under a scheduler that gave cards to the job, its first one; on a workstation one that no other job holds.

    Args:
        gpus: cards of this machine that jobs may share; 0 for the CPU.
    """
    if gpus < 1:
        yield "cpu"
        return
    if os.environ.get("SLURM_JOB_ID"):
        yield "cuda:0"
        return
    folder = Path(tempfile.gettempdir()) / f"triptych-cards.{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    visible = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))).split(",")[:gpus]
    while True:
        for number, name in enumerate(visible):
            handle = (folder / f"{name.strip().replace('/', '_')}.lock").open("a+")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                continue
            with handle:
                yield f"cuda:{number}"
            return
        time.sleep(WAIT)
