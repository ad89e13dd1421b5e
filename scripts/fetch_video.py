"""Download the videos of a unit with their captions and metadata."""

from triptych.core.job import job

with job(snakemake):
    from triptych.media import fetch_unit

    fetch_unit.run_rule(snakemake)
