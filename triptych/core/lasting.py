"""Every file that a finished study has: what `rule all` asks for by name.

Snakemake makes no file anew that only lies between its targets and what is there: when a job fails, its old outputs are
removed, and a run that asks for the report alone finds the old report and is content. So each file is a target.
"""

from __future__ import annotations

from triptych.core.paths import MEDIA_STAGES
from triptych.core.plan import Plan


def lasting(plan: Plan) -> list[str]:
    """The files of a study, but for the marks of downloads that were removed."""
    study, paths = plan.study, plan.paths
    found = plan.fetches()
    found += [one for stage in MEDIA_STAGES[1:] for one in plan.manifests(stage)]
    found += [one for source in (*study.transcripts, "text") for one in plan.transcripts(source)]
    found += [one for summary in study.summaries for one in plan.summaries(summary)]
    found += [one for encoder in study.encoders for one in plan.embeddings(encoder)]
    found += [paths.feature(feature) for feature in study.features]
    found += plan.duplicate_pairs()
    found += _crossmodal(plan)
    for task in study.tasks:
        found += _task(plan, task)
    return list(dict.fromkeys([*found, *plan.curves(), *plan.hints(), paths.status, *_report(plan)]))


def _crossmodal(plan: Plan) -> list[str]:
    study, paths = plan.study, plan.paths
    found = plan.relabel_reviews()
    found += [paths.agreement(name, "csv") for name, section in study.relabel.items() if section.against]
    found += [one for name in study.imagine for one in plan.imagined(name)]
    found += [paths.imagined_scores(name, "csv") for name in study.imagine]
    found += [paths.match(name, suffix) for name in study.match for suffix in ("csv", "h5")]
    return found + plan.crossmodal_match() + plan.crossmodal_mapping()


def _task(plan: Plan, task: str) -> list[str]:
    paths, fused = plan.paths, plan.fused(task)
    found = [paths.labels(task), paths.splits(task), paths.refused(task), paths.task_duplicates(task)]
    found += [*plan.predictions(task), *plan.metrics(task), *plan.all_selections(task), paths.comparison(task)]
    for model, section in plan.study.models_of(task).items():
        found += [paths.confusion(task, model, suffix) for suffix in ("svg", "csv")]
        found += [paths.reliability(task, model)] + ([] if model in fused else [paths.balance(task, model)])
        found += [paths.checkpoint(task, model)] if section.head == "finetune" else []
    return found


def _report(plan: Plan) -> list[str]:
    return [plan.paths.report, plan.paths.config, plan.paths.history]
