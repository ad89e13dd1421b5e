"""Prints the jobs that Snakemake would run now, one `JOB rule wildcard=value ...` a line (run as a program).

Snakemake's own dry-run text depends on the logger and leaves the rule's name out when a rule has a message.
usage: planned_jobs.py SNAKEFILE DIRECTORY CONFIGFILE [TARGET ...]
"""

import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    RerunTrigger,
    ResourceSettings,
)


def main(snakefile: str, directory: str, configfile: str, *targets: str) -> None:
    triggers = {RerunTrigger.INPUT, RerunTrigger.PARAMS, RerunTrigger.MTIME, RerunTrigger.SOFTWARE_ENV}
    with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[Path(configfile)]),
            snakefile=Path(snakefile),
            workdir=Path(directory),
        )
        settings = DAGSettings(targets=set(targets), rerun_triggers=frozenset(triggers), force_incomplete=True)
        workflow.dag(settings).execute_workflow(executor="dryrun")
        dag = workflow._workflow.dag
        for job in (job for job in dag.jobs if dag.needrun(job)):
            words = " ".join(f"{name}={value}" for name, value in job.wildcards_dict.items())
            print(f"JOB {job.rule.name} {words}".rstrip())


if __name__ == "__main__":
    main(*sys.argv[1:])
