"""Download one video with its captions and metadata."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core.paths import Paths
    from triptych.media import fetch

    row = {"slug": snakemake.wildcards.video, "source": snakemake.params.source}
    fetch.run(row, Paths.from_config(snakemake.config), snakemake.config["fetch"], snakemake.params.token)
