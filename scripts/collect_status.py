"""What happened to each video at each stage."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import rows
    from triptych.core.paths import Paths
    from triptych.report import status_table

    _, table = rows.of_table(snakemake.config, ["source"], snakemake.params.rows)
    told = [{"slug": row.slug, "id": row.id, "source": row.source, "url": row.is_url} for row in table]
    paths = Paths.from_config(snakemake.config)
    status_table.write(snakemake.output.status, status_table.collect(paths, told, snakemake.config))
