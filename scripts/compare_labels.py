"""Agreement of zero-shot labels with existing ones."""

from triptych.core.job import job

with job(snakemake) as log:
    from triptych.core import rows
    from triptych.learn.review import compare_labels

    columns, out = snakemake.params.columns, snakemake.output
    _, table = rows.of_table(snakemake.config, columns, snakemake.params.rows)
    told = [{"slug": row.slug, "fields": row.fields} for row in table]
    facts = compare_labels(snakemake.input.labels, told, columns[0], out.json, out.csv, out.svg)
    log.info("kappa %s, agreement %s, n = %s", facts["kappa"], facts["agreement"], facts["n"])
