"""Remove a download that its media stages are done with."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core.files import replace_json
    from triptych.core.paths import Paths
    from triptych.media import fetch

    video = snakemake.wildcards.video
    fetch.drop_source(Paths.from_config(snakemake.config), video)
    replace_json(snakemake.output.mark, {"video": video, "dropped": True})
