"""Frames of all videos held against their texts."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.crossmodal.match import match_videos

    config, columns = snakemake.config, snakemake.params.columns
    _, table = rows.of_table(config, columns, snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        match_videos(
            snakemake.wildcards.match,
            config,
            [{"slug": row.slug, "fields": {one: row.fields.get(one, "") for one in columns}} for row in table],
            device=card,
            threads=snakemake.threads,
        )
