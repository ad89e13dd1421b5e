"""Tasks: what is predicted, and how the videos are split.

Inputs: label, group and fold columns of the table, platform metadata of downloads, or zero-shot labels; near-duplicates.
Outputs: tasks/{task}/labels.parquet; data/splits/{study}/{task}.csv, append-only and meant to be committed;
tasks/{task}/refused.json (videos left out for a near-duplicate in another fold), tasks/{task}/duplicates.csv.
Steps: make_labels, make_splits.
"""


rule make_labels:
    input:
        metadata=lambda wildcards: PLAN.task_metadata(wildcards.task),
        relabel=lambda wildcards: PLAN.task_relabel(wildcards.task),
    output:
        labels=PATHS.labels("{task}"),
    log:
        PATHS.log("labels", "{task}"),
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("make_labels")
    resources:
        **NEEDS("make_labels", videos=len(PLAN.rows)),
    params:
        columns=lambda wildcards: PLAN.task_columns(wildcards.task),
        rows=lambda wildcards: PLAN.table_digest_all(PLAN.task_columns(wildcards.task)),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        version=versions.of("labels"),
    message:
        "Labels of {wildcards.task}"
    script:
        "../scripts/make_labels.py"


rule make_splits:
    input:
        labels=PATHS.labels("{task}"),
        pairs=lambda wildcards: PLAN.task_pairs(wildcards.task),
    output:
        splits=update(PATHS.splits("{task}")),
        refused=PATHS.refused("{task}"),
        duplicates=PATHS.task_duplicates("{task}"),
    log:
        PATHS.log("splits", "{task}"),
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("make_splits")
    resources:
        **NEEDS("make_splits", videos=len(PLAN.rows)),
    params:
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        version=versions.of("splits"),
    message:
        "Splits of {wildcards.task}"
    script:
        "../scripts/make_splits.py"
