"""Zero-shot labels of all videos, the model loaded once."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.core.units import by_shard
    from triptych.learn.relabel import relabel_videos

    config, columns = snakemake.config, snakemake.params.columns
    _, table = rows.of_table(config, columns, snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        relabel_videos(
            snakemake.wildcards.relabel,
            config,
            [{"slug": row.slug, "fields": {one: row.fields.get(one, "") for one in columns}} for row in table],
            snakemake.output.labels,
            shards=by_shard([row.slug for row in table], config["shards"]),
            device=card,
            threads=snakemake.threads,
        )
