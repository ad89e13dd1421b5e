"""Audio of the videos of a unit: mp3 for people, 16 kHz flac for models."""

from triptych.core.job import job

with job(snakemake):
    from triptych.media.unit import run_rule

    run_rule("audio", snakemake)
