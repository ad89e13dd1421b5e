"""Late fusion of members' predictions for one task."""

from triptych.core.job import job

with job(snakemake):
    from triptych.learn.predict import run_model

    run_model(
        snakemake.wildcards.model,
        snakemake.params.model,
        snakemake.params.task,
        labels=snakemake.input.labels,
        splits=snakemake.input.splits,
        refused=snakemake.input.refused,
        out=snakemake.output.predictions,
        members=dict(zip(snakemake.params.model["members"], snakemake.input.members, strict=True)),
        threads=snakemake.threads,
    )
