"""How often Snakemake chooses jobs: when one has ended, and not once a second for each that has.

Snakemake starts no more than 100 jobs a second unless told otherwise (`--max-jobs-per-timespan`). For that each choice
sets a timer for the next one a second later, and each job that ends makes a choice of its own: as long as jobs are
ready, N ended jobs leave N choices a second, each of which looks at the inputs of all ready jobs. Jobs here take
longer than the limit would ever be felt, so the default goes; a limit that was asked for stays.
"""

from __future__ import annotations

from typing import Any

#: Snakemake's own limit: jobs, seconds.
DEFAULT = (100, 1)


def when_jobs_end(workflow: Any) -> None:
    """Take Snakemake's default limit of job starts away, and its timers with it.

    Args:
        workflow: Snakemake's, before its first job (`onstart`).
    """
    # Other versions of Snakemake may keep it elsewhere: then all is as they have it.
    scheduler = getattr(workflow, "scheduler", None)
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (getattr(limit, "max_jobs", 0), getattr(limit, "timespan", 0)) == DEFAULT:
        scheduler.job_rate_limiter = None
