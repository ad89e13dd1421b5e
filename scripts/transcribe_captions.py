"""Transcripts of a shard from captions."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import rows
    from triptych.core.paths import Paths
    from triptych.speech import captions

    config, source = snakemake.config, snakemake.wildcards.source
    paths = Paths.from_config(config)
    corpus, members = rows.of_shard(config, snakemake.wildcards.shard, ["captions"], snakemake.params.rows)
    videos = [
        {
            "slug": row.slug,
            "captions": str(corpus.captions_path(row) or ""),
            "manifest": paths.manifest("fetch", row.slug) if row.is_url else "",
        }
        for row in members
    ]
    out, language = snakemake.output.transcripts, snakemake.params.language
    captions.transcribe_shard(videos, source, config["transcripts"][source]["params"], out, language=language)
