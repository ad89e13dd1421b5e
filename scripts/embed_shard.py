"""One encoder over the videos of a shard."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.core.paths import Paths
    from triptych.encoders.engine import embed_shard

    config, wildcards = snakemake.config, snakemake.wildcards
    columns = snakemake.params.columns
    _, members = rows.of_shard(config, wildcards.shard, columns, snakemake.params.rows)
    videos = [
        {"slug": row.slug, "fields": {column: row.fields.get(column, "") for column in columns}} for row in members
    ]
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        embed_shard(
            config["encoders"][wildcards.encoder],
            videos,
            Paths.from_config(config),
            wildcards.shard,
            name=wildcards.encoder,
            shards=config["shards"],
            device=card,
            threads=snakemake.threads,
            sources=list(config["transcripts"]),
            summaries=list(config["summaries"]),
            remake={"limits": config["limits"], "fetch": config["fetch"]},
        )
