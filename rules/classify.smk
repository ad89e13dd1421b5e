"""Models on features and text: out-of-fold predictions, then metrics and confusion matrices from predictions alone.

Inputs: features/{feature}.h5, transcripts/text/{shard}.jsonl, labels, splits.
Outputs: predictions/{task}/{model}.parquet, balance/{task}/{model}.svg, metrics/{task}/{model}.json,
confusion/{task}/{model}.svg and .csv, reliability/{task}/{model}.svg.
Steps: train_model, evaluate_model.
"""

from triptych.learn.networks.params import needs_torch

FUSED = sorted({model for task in STUDY.tasks for model in PLAN.fused(task)})
EVERY = {name: model for task in STUDY.tasks for name, model in STUDY.models_of(task).items()}
TUNED = sorted(name for name, model in EVERY.items() if model.head == "finetune")
# Also heads behind a network that reduces features: they need PyTorch, which the environment of other heads lacks.
NETWORKS = sorted({name for name, model in EVERY.items() if needs_torch(model)} - set(TUNED))
TRAINED = sorted(set(EVERY) - set(FUSED) - set(TUNED) - set(NETWORKS))


def model_of(wildcards):
    """The model of a job, as the study names it."""
    return STUDY.models_of(wildcards.task)[wildcards.model]


rule train_model:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        refused=PATHS.refused("{task}"),
        features=lambda wildcards: [PATHS.feature(name) for name in model_of(wildcards).inputs],
        texts=lambda wildcards: sum(PLAN.texts(model_of(wildcards).text).values(), []),
    output:
        predictions=PATHS.predictions("{task}", "{model}"),
        balance=PATHS.balance("{task}", "{model}"),
    log:
        PATHS.log("train-{task}", "{model}"),
    benchmark:
        PATHS.benchmark("train-{task}", "{model}")
    wildcard_constraints:
        model="|".join(TRAINED) or NOTHING,
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("train_model")
    resources:
        **NEEDS(
            "train_model",
            videos=len(PLAN.rows),
            gpu=False,
        ),
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        inner=lambda wildcards: STUDY.inner_folds(wildcards.model, wildcards.task),
        texts=lambda wildcards: PLAN.texts(model_of(wildcards).text),
        columns=lambda wildcards: PLAN.text_columns(model_of(wildcards).text),
        rows=lambda wildcards: PLAN.table_digest_all(PLAN.text_columns(model_of(wildcards).text)),
        version=versions.of("predict"),
    message:
        "Training {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/train_model.py"


rule evaluate_model:
    input:
        predictions=PATHS.predictions("{task}", "{model}"),
        labels=PATHS.labels("{task}"),
        refused=PATHS.refused("{task}"),
        # No candidate of a choice is scored on test rows before the choice is written.
        selections=lambda wildcards: PLAN.selections(wildcards.task, wildcards.model),
    output:
        metrics=PATHS.metrics("{task}", "{model}"),
        svg=PATHS.confusion("{task}", "{model}", "svg"),
        csv=PATHS.confusion("{task}", "{model}", "csv"),
        reliability=PATHS.reliability("{task}", "{model}"),
    log:
        PATHS.log("evaluate-{task}", "{model}"),
    conda:
        "../envs/learn.yaml"
    threads: NEEDS.threads("evaluate_model")
    resources:
        **NEEDS("evaluate_model", videos=len(PLAN.rows)),
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        evaluate={key: config["evaluate"][key] for key in ("bootstrap", "seed")},
        multi_label=lambda wildcards: STUDY.tasks[wildcards.task].multi_label,
        version=versions.of("metrics"),
    message:
        "Metrics of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/evaluate_model.py"


rule predictions:
    input:
        [PLAN.predictions(task) for task in STUDY.tasks],
    message:
        "Predictions are there"
