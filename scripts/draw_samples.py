"""A sheet of samples of zero-shot labels, to be checked by hand."""

from triptych.core.job import job

with job(snakemake):
    from pathlib import Path

    from triptych.core import rows
    from triptych.core.paths import Paths
    from triptych.learn import relabel_files, review
    from triptych.learn.text import join_fields, read_transcripts

    config, columns, params = snakemake.config, snakemake.params.columns, snakemake.params
    paths = Paths.from_config(config)
    _, table = rows.of_table(config, columns, params.rows)
    videos = [row.slug for row in table]
    spoken = {field: read_transcripts(files) for field, files in params.texts.items()}
    texts = spoken | {column: {row.slug: row.fields.get(column, "") for row in table} for column in columns}
    pictures = {video: Path(paths.manifest("keyframes", video)).with_suffix(".jpg") for video in videos}
    named = {} if params.fields else {video: str(path) for video, path in pictures.items() if path.is_file()}
    review.write_sheet(
        snakemake.output.sheet,
        relabel_files.read(snakemake.input.labels),
        params.samples,
        params.seed,
        {row.slug: row.title for row in table},
        dict(zip(videos, join_fields(videos, params.fields, texts), strict=True)),
        named,
    )
