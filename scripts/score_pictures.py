"""Imagined pictures of all videos held against keyframes."""

from triptych.core.job import job

with job(snakemake):
    from triptych.core import device, rows
    from triptych.crossmodal.imagine_scores import score_pictures

    config = snakemake.config
    _, table = rows.of_table(config, [], snakemake.params.rows)
    gpus = device.granted(config["gpus"], snakemake.resources)
    with device.lease(gpus) as card:
        score_pictures(
            snakemake.wildcards.imagine,
            config,
            [row.slug for row in table],
            device=card,
            threads=snakemake.threads,
        )
