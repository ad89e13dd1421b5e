"""What every script of a rule does first: threads, logging to the job's log and the terminal, no lost exception."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from triptych.core import live
from triptych.core.paths import Paths

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)


@contextlib.contextmanager
def job(snakemake) -> Iterator[logging.Logger]:
    """Set up a job: libraries keep to its threads, warnings and errors reach its log and the terminal.

    Its process is recorded with what it writes, so that one which outlives its Snakemake can be named.

    Import what computes inside the `with` block: numeric libraries read their threads when they are imported.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(snakemake.threads)
    # Weights were brought before the run (`triptych models --fetch`); no library asks a hub on its own.
    os.environ["HF_HUB_OFFLINE"] = "1"
    logger = start_logging(snakemake.log[0] if snakemake.log else None)
    started = time.monotonic()
    what = " ".join([snakemake.rule, *(f"{name}={value}" for name, value in snakemake.wildcards.items())])
    try:
        with live.working(Paths.from_config(snakemake.config).live, what, snakemake.output):
            yield logger
    except BaseException as error:
        if not type(error).__module__.startswith("triptych."):
            logger.exception("%s stopped", snakemake.rule)
            raise
        # The package's own exceptions are messages for the user. Snakemake shows the log of a failed job, so that the
        # traceback lies beside it.
        logger.error("%s stopped: %s", snakemake.rule, error)
        if snakemake.log:
            Path(f"{snakemake.log[0]}.traceback").write_text(traceback.format_exc(), encoding="utf-8")
        raise SystemExit(1) from None
    logger.info("%s done in %.1f s", snakemake.rule, time.monotonic() - started)


def start_logging(path: str | None) -> logging.Logger:
    """A logger `triptych`: everything to `path`, warnings and errors to stderr as well."""
    logger = logging.getLogger("triptych")
    logger.setLevel(logging.INFO)
    logger.handlers.clear()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    logger.addHandler(terminal)
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        log = logging.FileHandler(path, mode="w", encoding="utf-8")
        log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(log)
    return logger
