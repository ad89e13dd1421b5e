"""CPU seconds and peak memory of whole processes, compared in interleaved pairs."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
#: CPU seconds and peak MB of a process with all that it started.
Cost = tuple[float, float]


def ffmpeg() -> str:
    """The ffmpeg program of the wheel imageio-ffmpeg."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def cost(command: list[str]) -> Cost:
    """Run a command to its end: CPU seconds (user and system) and peak resident MB, its children's included."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    sys.stdout.flush()
    process = os.posix_spawn(command[0], command, environment)
    _, status, used = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"exit status {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def python(program: str, *arguments: str) -> list[str]:
    """The command line of a Python program given as text."""
    return [sys.executable, "-c", program, *arguments]


def pairs(one: Callable[[], Cost], other: Callable[[], Cost], count: int) -> tuple[Cost, Cost, float]:
    """Costs of two processes run in turn: median seconds and highest MB of each, median of the pairs' ratios."""
    costs = [(one(), other()) for _ in range(count)]
    ratio = statistics.median(first[0] / second[0] for first, second in costs)
    return _middle([first for first, _ in costs]), _middle([second for _, second in costs]), ratio


def _middle(costs: list[Cost]) -> Cost:
    return statistics.median(seconds for seconds, _ in costs), max(memory for _, memory in costs)
