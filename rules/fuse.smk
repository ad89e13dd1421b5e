"""Late fusion: members' probabilities joined; a stack reads nothing but its members' predictions.

Inputs: predictions of the members (test, inner and new rows), labels, splits.
Outputs: predictions/{task}/{model}.parquet, as for every model.
"""


rule fuse_models:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        refused=PATHS.refused("{task}"),
        members=lambda wildcards: [PATHS.predictions(wildcards.task, name) for name in model_of(wildcards).members],
    output:
        predictions=PATHS.predictions("{task}", "{model}"),
    log:
        PATHS.log("train-{task}", "{model}"),
    benchmark:
        PATHS.benchmark("train-{task}", "{model}")
    wildcard_constraints:
        model="|".join(FUSED) or "none",
    conda:
        "../envs/learn.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        version=versions.of("predict"),
    message:
        "Fusing {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/fuse_models.py"
