"""Keyframes of the videos of a unit, and their contact sheets."""

from triptych.core.job import job

with job(snakemake):
    from triptych.media.unit import run_rule

    run_rule("keyframes", snakemake)
