"""The matrix that a classifier reads: one encoder's array pooled over time."""

from triptych.core.job import job

with job(snakemake):
    from triptych.encoders.pooling import pool_feature

    feature = snakemake.params.feature
    pool_feature(
        snakemake.wildcards.feature,
        feature["from_"],
        feature["pool"],
        snakemake.input.shards,
        snakemake.output.feature,
        min_ok_fraction=snakemake.params.min_ok_fraction,
    )
