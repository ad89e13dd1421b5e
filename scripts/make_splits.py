"""The split file of a task: what is new is appended, what is there never moves."""

from triptych.core.job import job

with job(snakemake) as log:
    from triptych.learn.splits import update_splits

    files, made = snakemake.input, snakemake.output
    pairs = files.pairs[0] if files.pairs else None
    for note in update_splits(files.labels, made.splits, snakemake.params.task, pairs, made.refused, made.duplicates):
        (log.warning if "near-duplicates with" in note or "is left out" in note else log.info)(note)
