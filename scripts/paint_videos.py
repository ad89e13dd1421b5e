"""Pictures made from the words of the videos of a shard."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.crossmodal.imagine import paint_shard

    config, wildcards, columns = snakemake.config, snakemake.wildcards, snakemake.params.columns
    _, members = rows.of_shard(config, wildcards.shard, columns, snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        paint_shard(
            wildcards.imagine,
            config,
            [{"slug": row.slug, "fields": {one: row.fields.get(one, "") for one in columns}} for row in members],
            wildcards.shard,
            painted=snakemake.params.painted,
            device=card,
            threads=snakemake.threads,
        )
