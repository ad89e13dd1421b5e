"""What a job sees on a node, as one line of JSON: the trial jobs of `triptych doctor --slurm` run this module.

Nothing but Python's own library is imported before the rest is tried.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import socket
import subprocess
import tempfile
from typing import Any

#: Hosts that downloads and weights come from.
HOSTS = ("huggingface.co", "www.youtube.com")
#: Variables of SLURM that the executor leaves to the srun inside a job.
LEFT = {"SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_SUBMIT_DIR", "SLURM_SUBMIT_HOST"}
SECONDS = 20


def look() -> dict[str, Any]:
    """Everything that is asked of a node."""
    folder = tempfile.gettempdir()
    return {
        "node": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "packages": {name: _version(name) for name in ("snakemake", "snakemake-executor-plugin-slurm-jobstep")},
        "step": _step(),
        "network": {host: _reached(host) for host in HOSTS},
        "scratch": [folder, shutil.disk_usage(folder).free],
        "cards": _cards(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _step() -> str:
    """What is wrong with a step inside a job as the executor starts one; empty when it runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_") or name in LEFT}
    try:
        command = ["srun", "-n1", "--cpu-bind=q", "true"]
        ran = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["srun failed"])[-1]


def _reached(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=SECONDS):
            return True
    except OSError:
        return False


def _cards() -> dict[str, Any]:
    tool = shutil.which("nvidia-smi")
    listed = ""
    if tool:
        try:
            listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=60).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            listed = ""
    return {"visible": os.environ.get("CUDA_VISIBLE_DEVICES"), "listed": listed.splitlines()}


if __name__ == "__main__":
    print(json.dumps(look()), flush=True)
