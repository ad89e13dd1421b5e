"""What the source of each video of a unit is: streams, limits, content digest."""

from triptych.core.job import job

with job(snakemake):
    from triptych.media.unit import run_rule

    run_rule("probe", snakemake)
