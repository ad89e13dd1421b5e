"""The report, the configuration that the results were made with, and a line of history."""

from triptych.core.job import job

with job(snakemake):
    import yaml

    from triptych.core import rows, sealed
    from triptych.core.files import digest_json, replace_text
    from triptych.core.paths import Paths
    from triptych.evaluate.modality import models_of
    from triptych.report import page
    from triptych.report.history import append_history

    study = dict(snakemake.config)
    paths = Paths.from_config(study)
    _, table = rows.of_table(study, ["title", "source"], snakemake.params.rows)
    replace_text(snakemake.output.config, yaml.safe_dump(study, sort_keys=False, allow_unicode=True))
    metrics = {
        task: {model: sealed.read_json(paths.metrics(task, model)) for model in models_of(study, task)}
        for task in study["tasks"]
    }
    append_history(snakemake.output.history, digest_json(study), metrics)
    told = [{"slug": row.slug, "id": row.id, "source": row.source, "title": row.title} for row in table]
    page.build(study, paths, told, snakemake.output.report)
