"""Learning curve of one model for one task."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.learn.curve import learning_curve

    model, columns = snakemake.params.model, snakemake.params.columns
    _, table = rows.of_table(snakemake.config, columns, snakemake.params.rows)
    gpus = device.granted(snakemake.config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        learning_curve(
            snakemake.wildcards.model,
            model,
            snakemake.params.task,
            labels=snakemake.input.labels,
            splits=snakemake.input.splits,
            refused=snakemake.input.refused,
            out=snakemake.output.json,
            svg=snakemake.output.svg,
            evaluate=snakemake.params.evaluate,
            features=dict(zip(model["inputs"], snakemake.input.features, strict=True)),
            transcripts=snakemake.params.texts,
            fields={column: {row.slug: row.fields.get(column, "") for row in table} for column in columns},
            title=f"{snakemake.wildcards.model}: {snakemake.wildcards.task}",
            threads=snakemake.threads,
            device=card,
        )
