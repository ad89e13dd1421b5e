"""The comparison of a task: models with metrics, intervals, paired tests and seconds."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core.paths import Paths
    from triptych.evaluate.compare import comparison
    from triptych.evaluate.compute import compute_seconds

    config, task, models = snakemake.config, snakemake.wildcards.task, snakemake.params.models
    comparison(
        dict(zip(models, snakemake.input.metrics, strict=True)),
        dict(zip(models, snakemake.input.predictions, strict=True)),
        snakemake.input.labels,
        snakemake.output.comparison,
        study=config,
        evaluate=snakemake.params.evaluate,
        compute=compute_seconds(Paths.from_config(config), config, task),
        multi_label=config["tasks"][task]["multi_label"],
        lineage=snakemake.params.lineage,
        refused=snakemake.input.refused,
    )
