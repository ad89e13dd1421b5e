"""Remove the downloads of a unit that its media stages are done with."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core.files import replace_json
    from triptych.core.paths import Paths
    from triptych.media import fetch_unit

    fetch_unit.drop_unit(snakemake.params.videos, Paths.from_config(snakemake.config))
    replace_json(snakemake.output.mark, {"unit": snakemake.wildcards.unit, "dropped": True})
