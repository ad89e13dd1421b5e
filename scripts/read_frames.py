"""The text that is shown in the keyframes of a shard's videos."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core.paths import Paths
    from triptych.speech import ocr

    config, source = snakemake.config, snakemake.wildcards.source
    section = config["transcripts"][source]
    ocr.read_shard(
        snakemake.params.videos,
        source,
        section["params"],
        Paths.from_config(config),
        snakemake.output.transcripts,
        language=section["language"],
        threads=snakemake.threads,
        remake={"limits": config["limits"], "fetch": config["fetch"]},
    )
