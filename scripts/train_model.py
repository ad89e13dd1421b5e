"""Out-of-fold predictions of one model for one task."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.learn.predict import run_model

    model, columns = snakemake.params.model, snakemake.params.columns
    _, table = rows.of_table(snakemake.config, columns, snakemake.params.rows)
    gpus = device.granted(snakemake.config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        run_model(
            snakemake.wildcards.model,
            model,
            snakemake.params.task,
            labels=snakemake.input.labels,
            splits=snakemake.input.splits,
            refused=snakemake.input.refused,
            out=snakemake.output.predictions,
            features=dict(zip(model["inputs"], snakemake.input.features, strict=True)),
            transcripts=snakemake.params.texts,
            fields={column: {row.slug: row.fields.get(column, "") for row in table} for column in columns},
            inner=snakemake.params.inner,
            balance=snakemake.output.balance,
            threads=snakemake.threads,
            device=card,
            checkpoint=snakemake.output.get("checkpoint"),
            task_name=snakemake.wildcards.task,
        )
