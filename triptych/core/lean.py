"""What a job leaves out that takes its time and changes nothing: unused imports, and tidying up at its end.

Snakemake brings pandas; scikit-learn and PyArrow import it only to ask whether what they are given is a part of it.
And an interpreter that ends takes apart what it has loaded, object by object, before the system frees all at once:
.5 CPU seconds with transformers, 1.6 with TensorFlow.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.abc
import importlib.machinery
import logging
import os
import sys
from types import SimpleNamespace
from typing import Any

UNUSED = ("pandas",)


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages and fails to import them, as if they were installed badly: libraries go on without."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name in UNUSED else None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"jobs do without {spec.name} (triptych/core/lean.py)", name=spec.name)

    def exec_module(self, module):
        """Never called: no module is created."""


def without_unused() -> None:
    """Let the imports of this process that are in `UNUSED`, and not yet done, fail."""
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Absent())


class Ending:
    """The end of a process: at once if its work has been done, as usual otherwise."""

    def __init__(self) -> None:
        """Libraries that are imported later tidy up before this is asked."""
        self.done = False
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.done and not hasattr(sys, "last_value"):  # nothing was raised since
            logging.shutdown()
            with contextlib.suppress(OSError, ValueError):  # closed, or a full disk: the usual end deals with it
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)


def of_script(snakemake: Any) -> Ending | SimpleNamespace:
    """Make the process of a rule's script lean; one that is more than that (a test, a notebook) stays as it is.

    Args:
        snakemake: what the script was given.
    """
    if getattr(sys.modules["__main__"], "snakemake", None) is not snakemake:
        return SimpleNamespace(done=False)
    without_unused()
    return Ending()
