"""Videos that are the same or nearly, as a table of pairs."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import rows
    from triptych.core.paths import Paths
    from triptych.learn.duplicates import find_duplicates

    config, section = snakemake.config, snakemake.params.duplicates
    _, table = rows.of_table(config, [], snakemake.params.rows)
    find_duplicates(
        section,
        [row.slug for row in table],
        Paths.from_config(config),
        snakemake.output.pairs,
        features=dict(zip(section["features"], snakemake.input.features, strict=True)),
        remake={"limits": config["limits"], "fetch": config["fetch"]},
        threads=snakemake.threads,
    )
