"""What of one feature can be told from another: mappings of all ordered pairs."""

from triptych.core.job import job

with job(snakemake):
    from triptych.crossmodal.mapping import run_mapping

    section, evaluate = snakemake.params.section, snakemake.params.evaluate
    run_mapping(
        snakemake.wildcards.mapping,
        section,
        snakemake.params.task,
        labels=snakemake.input.labels,
        splits=snakemake.input.splits,
        refused=snakemake.input.refused,
        features=dict(zip(section["features"], snakemake.input.features, strict=True)),
        csv=snakemake.output.csv,
        json=snakemake.output.json,
        svg=snakemake.output.svg,
        bootstrap=evaluate["bootstrap"],
        seed=evaluate["seed"],
        threads=snakemake.threads,
    )
