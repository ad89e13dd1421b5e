"""Models of other models: late fusions join members' probabilities, choices take the best model in each training fold.

Inputs: predictions of the members (a choice is made by their inner rows alone), labels, splits.
Outputs: selection/{task}/{model}.json of choices, and predictions/{task}/{model}.parquet, as for every model.
Steps: select_model, fuse_models.
"""

CHOICES = sorted({model for task in STUDY.tasks for model in PLAN.choices(task)})


def members_of(wildcards):
    """Predictions of the models that a fusion or a choice reads."""
    model = model_of(wildcards)
    return [PATHS.predictions(wildcards.task, name) for name in model.members or model.select]


rule select_model:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        refused=PATHS.refused("{task}"),
        members=members_of,
    output:
        selection=PATHS.selection("{task}", "{model}"),
    log:
        PATHS.log("select-{task}", "{model}"),
    wildcard_constraints:
        model="|".join(CHOICES) or NOTHING,
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("select_model")
    resources:
        **NEEDS("select_model", videos=len(PLAN.rows)),
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        version=versions.of("select"),
    message:
        "Choosing for {wildcards.model} in {wildcards.task}"
    script:
        "../scripts/select_model.py"


rule fuse_models:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        refused=PATHS.refused("{task}"),
        members=members_of,
        selection=lambda wildcards: (
            [PATHS.selection(wildcards.task, wildcards.model)] if model_of(wildcards).select else []
        ),
    output:
        predictions=PATHS.predictions("{task}", "{model}"),
    log:
        PATHS.log("train-{task}", "{model}"),
    benchmark:
        PATHS.benchmark("train-{task}", "{model}")
    wildcard_constraints:
        model="|".join(FUSED) or NOTHING,
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("fuse_models")
    resources:
        **NEEDS("fuse_models", videos=len(PLAN.rows)),
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        version=versions.of("predict"),
    message:
        "Fusing {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/fuse_models.py"
