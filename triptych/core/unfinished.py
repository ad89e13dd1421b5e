"""What a failed run leaves that looks finished: files that Snakemake put back.

A job that takes over what it computed before (`update`) finds its old file; when it fails, Snakemake restores that
file, with the time of now and a record as if the job had made it. Whatever the job should have changed is forgotten,
and the next run is content with the old file. Marked as incomplete it is made again.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.io import is_flagged


def mark(workflow: Any) -> None:
    """Mark what jobs should have updated in a run that has failed, so that the next one does it.

    Args:
        workflow: Snakemake's, after its last job (`onerror`).
    """
    left = [
        file
        for job in workflow.dag.needrun_jobs()
        for file in job.output
        if is_flagged(file, "update") and Path(file).exists()
    ]
    workflow.persistence.started(SimpleNamespace(output=left))
