"""Labels of a task that are probably wrong, from out-of-fold predictions of all models that look at videos."""

from triptych.core.job import job

with job(snakemake):
    from triptych.evaluate.hints import label_hints

    label_hints(
        dict(zip(snakemake.params.models, snakemake.input.predictions, strict=True)),
        snakemake.output.hints,
        snakemake.params.multi_label,
    )
