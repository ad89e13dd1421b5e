"""What every script of a rule does first: threads, logging to the job's log and the terminal, no lost exception."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from triptych.core import damage, ended, lean, live
from triptych.core.files import replace_text
from triptych.core.paths import Paths

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
#: Errors of a disk or of rights, which the user ends: what they mean, and what to do.
DISK = {
    errno.ENOSPC: "the disk is full: free space there",
    errno.EDQUOT: "the quota of the disk is used up: free space there",
    errno.EFBIG: "a file may not become that large there (ulimit -f)",
    errno.EROFS: "the place is read-only: make it writable, or set another `results` or `media_dir`",
    errno.EACCES: "there is no right to read or write it: change its rights, or set another `results` or `media_dir`",
    errno.EPERM: "there is no right to read or write it: change its rights, or set another `results` or `media_dir`",
}


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
    ending = lean.of_script(snakemake)
    logger = start_logging(snakemake.log[0] if snakemake.log else None)
    started = time.monotonic()
    what = ended.name_of(snakemake.rule, snakemake.wildcards)
    paths = Paths.from_config(snakemake.config)
    records = paths.live
    if snakemake.log:
        _clear_benchmark(paths, snakemake.log[0])
    try:
        with live.working(records, what, snakemake.output):
            yield logger
    except BaseException as error:
        told = _told(error, snakemake)
        if isinstance(error, Exception):  # nothing went wrong where a user ended it
            with contextlib.suppress(OSError):
                why = told or f"{type(error).__name__}: {error}"
                ended.stopped(records, what, snakemake.output, why, snakemake.log[0] if snakemake.log else None)
        if told is None:
            logger.exception("%s stopped", snakemake.rule)
            raise
        # A message for the user. Snakemake shows the log of a failed job, so that the traceback lies beside it.
        logger.error("%s stopped: %s", snakemake.rule, told)
        if snakemake.log:
            with contextlib.suppress(OSError):
                replace_text(f"{snakemake.log[0]}.traceback", traceback.format_exc())
        raise SystemExit(1) from None
    ended.succeeded(records, what)
    logger.info("%s done in %.1f s", snakemake.rule, time.monotonic() - started)
    ending.done = True


def _clear_benchmark(paths: Paths, log: str) -> None:
    """Unlink a link or a pipe at the place of the job's benchmark, which Snakemake follows and waits for at its end."""
    # Scripts are not told of their benchmark; it is named as the log.
    stage, _, unit = log.removeprefix(f"{paths.root}/logs/").removesuffix(".log").partition("/")
    place = Path(paths.benchmark(stage, unit))
    if place.is_symlink() or place.is_fifo():
        with contextlib.suppress(OSError):
            place.unlink()


def _told(error: BaseException, snakemake) -> str | None:
    """What a user can do about the end of a job; None for a bug, whose traceback is what helps."""
    if not isinstance(error, Exception):
        return None
    if isinstance(error, OSError) and error.errno in DISK:
        place = error.filename or next(iter(snakemake.output), "results")
        return f"{place}: {error.strerror}; {DISK[error.errno]}, and run snakemake again, which keeps what is done"
    # Whatever it stopped over: inputs that are damaged explain it, and would stop the next run too.
    root = Path(snakemake.config["results"], snakemake.config["study"])
    if removed := damage.remove([*snakemake.input, *damage.named(error)], root):
        listed = "\n  ".join(removed)
        return f"damaged files were removed; run snakemake again, which makes them anew:\n  {listed}"
    gone = [one for one in snakemake.input if not Path(one).exists()]
    if gone and isinstance(error, FileNotFoundError):
        return f"{gone[0]} has gone since the run began (another job removes what is damaged); run snakemake again"
    # The package's own exceptions are messages.
    return str(error) if type(error).__module__.startswith("triptych.") else None


class _LogFile(logging.FileHandler):
    """A log that a full disk cuts short without a word on each line: the job itself tells of the disk."""

    def handleError(self, record) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def start_logging(path: str | None) -> logging.Logger:
    """A logger `triptych`: everything to `path`, warnings and errors to stderr as well."""
    logger = logging.getLogger("triptych")
    logger.setLevel(logging.INFO)
    logger.handlers.clear()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    logger.addHandler(terminal)
    if path:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_symlink():
                Path(path).unlink()
            log = _LogFile(path, mode="w", encoding="utf-8")
        except OSError as error:
            logger.warning("no log is written: %s", error)
            return logger
        log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(log)
    return logger
