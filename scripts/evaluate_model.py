"""Metrics and confusion matrix of a model, from its predictions alone."""

from pathlib import Path

from triptych.core.job import job

with job(snakemake):
    from triptych.evaluate.metrics import evaluate_model

    own = snakemake.wildcards.model
    evaluate_model(
        snakemake.input.predictions,
        snakemake.input.labels,
        snakemake.output.metrics,
        task=snakemake.wildcards.task,
        model=snakemake.wildcards.model,
        spec=snakemake.params.model,
        evaluate=snakemake.params.evaluate,
        svg=snakemake.output.svg,
        csv=snakemake.output.csv,
        reliability=snakemake.output.reliability,
        multi_label=snakemake.params.multi_label,
        selection=next((path for path in snakemake.input.selections if Path(path).stem == own), None),
    )
