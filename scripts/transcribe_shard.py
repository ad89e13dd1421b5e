"""One recogniser of speech over the videos of a shard."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.core.paths import Paths
    from triptych.speech.engine import transcribe_shard

    config, wildcards = snakemake.config, snakemake.wildcards
    _, members = rows.of_shard(config, wildcards.shard, [], snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        transcribe_shard(
            config["transcripts"][wildcards.source],
            [row.slug for row in members],
            Paths.from_config(config),
            wildcards.shard,
            name=wildcards.source,
            shards=config["shards"],
            earlier=snakemake.params.earlier,
            device=card,
            threads=snakemake.threads,
            remake={"limits": config["limits"], "fetch": config["fetch"]},
        )
