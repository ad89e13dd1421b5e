"""Where the checkout and the real corpora are, and how a command of the docs is run."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
#: The virtual environment that runs the tests.
ENVIRONMENT = Path(sys.prefix)
#: Real corpora and weights, for extra tests; a folder that holds `data` and `weights`.
SHARED = os.environ.get("TRIPTYCH_SHARED")


def in_checkout(copy: Path, command: str, **changes: str) -> subprocess.CompletedProcess:
    """Run a command line of the docs in a copy of the checkout, with this environment's programs first on PATH."""
    environment = {**os.environ, "PATH": f"{ENVIRONMENT}/bin:{os.environ['PATH']}", **changes}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        ["bash", "-c", command], cwd=copy, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
