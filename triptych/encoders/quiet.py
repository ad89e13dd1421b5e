"""Keeps what native libraries print when they start out of the logs: they know nothing of Python's logging."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Inside, nothing that is written to the process's stderr gets through; exceptions do."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
