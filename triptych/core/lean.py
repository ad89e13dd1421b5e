"""What libraries import if they find it, and no job has a use for.

Snakemake brings pandas; scikit-learn and PyArrow import it only to ask whether what they are given is a part of it.
That costs each job .3 seconds and 60 MB.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys

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
