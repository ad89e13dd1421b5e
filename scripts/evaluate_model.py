"""Metrics and confusion matrix of a model, from its predictions alone."""

from pathlib import Path

from triptych.core.job import job

with job(snakemake):
    from triptych.evaluate.calibration_curve import draw_model
    from triptych.evaluate.metrics import evaluate_model

    own = snakemake.wildcards.model
    told = evaluate_model(
        snakemake.input.predictions,
        snakemake.input.labels,
        snakemake.output.metrics,
        task=snakemake.wildcards.task,
        model=snakemake.wildcards.model,
        spec=snakemake.params.model,
        evaluate=snakemake.params.evaluate,
        svg=snakemake.output.svg,
        csv=snakemake.output.csv,
        multi_label=snakemake.params.multi_label,
        selection=next((path for path in snakemake.input.selections if Path(path).stem == own), None),
    )
    draw_model(
        snakemake.input.predictions,
        snakemake.input.labels,
        snakemake.output.reliability,
        metrics=told,
        evaluate=snakemake.params.evaluate,
        title=f"{snakemake.wildcards.model}: {snakemake.wildcards.task}",
    )
