"""A dry run of Snakemake in a process of its own: `python -m triptych.commands.dryrun OUT ARGUMENTS...`.

Jobs are taken from the events that Snakemake gives to its loggers, whatever logger the profile names, so that no text
made for people is parsed. OUT gets one JSON line a job: rule, wildcards, reason, number of outputs.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path


class Collector(logging.Filter):
    """Keeps the jobs that pass by, and lets every record through."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, dict] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a job's event."""
        event = getattr(record, "event", None)
        if getattr(event, "name", "") == "JOB_INFO":
            self.jobs[record.jobid] = {
                "rule": record.rule_name,
                "wildcards": dict(record.wildcards or {}),
                "reason": record.reason,
                "makes": len(record.output or []),
            }
        return True


def main(out: str, arguments: list[str]) -> int:
    """Run Snakemake's own command line with these arguments and write the jobs that it would run."""
    from snakemake.cli import main as snakemake
    from snakemake.logging import logger

    collector = Collector()
    logger.addFilter(collector)
    code = 0
    try:
        snakemake(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    Path(out).write_text("".join(json.dumps(job) + "\n" for job in collector.jobs.values()), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
