"""Late fusion of members' predictions for one task, or a choice among them."""

from triptych.core.job import job

with job(snakemake):
    from triptych.learn.predict import run_model

    model = snakemake.params.model
    run_model(
        snakemake.wildcards.model,
        model,
        snakemake.params.task,
        labels=snakemake.input.labels,
        splits=snakemake.input.splits,
        refused=snakemake.input.refused,
        out=snakemake.output.predictions,
        members=dict(zip(model["members"] or model["select"], snakemake.input.members, strict=True)),
        selection=next(iter(snakemake.input.selection), None),
        threads=snakemake.threads,
    )
