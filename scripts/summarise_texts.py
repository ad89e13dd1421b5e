"""Short texts of the videos of a shard."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.crossmodal.summarise import summarise_shard

    config, wildcards, columns = snakemake.config, snakemake.wildcards, snakemake.params.columns
    _, members = rows.of_shard(config, wildcards.shard, columns, snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        summarise_shard(
            wildcards.summary,
            config,
            [{"slug": row.slug, "fields": {one: row.fields.get(one, "") for one in columns}} for row in members],
            wildcards.shard,
            device=card,
            threads=snakemake.threads,
        )
