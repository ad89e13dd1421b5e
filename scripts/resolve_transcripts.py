"""The text of each video of a shard: the first source that has any."""

from triptych.core.job import job

with job(snakemake):
    from triptych.speech.resolve import resolve_shard
    from triptych.speech.transcript import read_transcripts

    named = zip(snakemake.params.sources, snakemake.input.sources, strict=True)
    sources = [{"name": name, "path": path} for name, path in named]
    videos = sorted({video for source in sources for video in read_transcripts(source["path"])})
    resolve_shard(sources, videos, snakemake.output.text)
