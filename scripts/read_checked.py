"""What a sheet that was checked by hand tells of zero-shot labels."""

from triptych.core.job import job

with job(snakemake) as log:
    from triptych.learn.review import read_checked

    facts = read_checked(snakemake.input.labels, snakemake.input.sheet, snakemake.output.json)
    log.info("%s of %s right, %s without an answer", facts["right"], facts["n"], facts["open"])
