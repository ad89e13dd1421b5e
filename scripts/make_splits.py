"""The split file of a task: what is new is appended, what is there never moves."""

from triptych.core.job import job

with job(snakemake) as log:
    from triptych.learn.splits import update_splits

    for note in update_splits(snakemake.input.labels, snakemake.output.splits, snakemake.params.task):
        log.info(note)
