"""The text of each video of a shard: the first source that has any."""

from triptych.core.job import job

with job(snakemake):
    from triptych.speech.resolve import resolve_shard

    named = zip(snakemake.params.sources, snakemake.input.sources, strict=True)
    sources = [{"name": name, "path": path} for name, path in named]
    resolve_shard(sources, snakemake.params.videos, snakemake.output.text)
