"""The best of several models in each training fold, by their inner rows alone."""

from triptych.core.job import job

with job(snakemake) as log:
    from triptych.learn.select import select_model

    told = select_model(
        snakemake.wildcards.model,
        snakemake.params.model,
        snakemake.params.task,
        labels=snakemake.input.labels,
        splits=snakemake.input.splits,
        refused=snakemake.input.refused,
        members=dict(zip(snakemake.params.model["select"], snakemake.input.members, strict=True)),
        out=snakemake.output.selection,
    )
    for one in told["folds"]:
        log.info("repeat %d, seed %d, fold %d: %s", one["repeat"], one["seed"], one["fold"], one["chosen"])
