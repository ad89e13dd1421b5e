"""Labels, groups and predefined folds of a task."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import rows
    from triptych.core.paths import Paths
    from triptych.learn import relabel_files
    from triptych.learn.tasks import make_labels, read_metadata

    columns, planned = snakemake.params.columns, snakemake.params.rows
    _, table = rows.of_table(snakemake.config, columns, planned)
    paths = Paths.from_config(snakemake.config)
    downloads = [row.slug for row in table if row.is_url] if snakemake.input.metadata else []
    manifests = {slug: paths.manifest("fetch", slug) for slug in sorted(downloads)}
    relabelled = relabel_files.read(snakemake.input.relabel[0]).joined if snakemake.input.relabel else {}
    make_labels(
        snakemake.wildcards.task,
        snakemake.params.task,
        [{"slug": row.slug, "line": row.line, "fields": row.fields} for row in table],
        snakemake.output.labels,
        read_metadata(manifests),
        relabelled,
    )
