"""Learning curves of models that `evaluate.curves` names, and hints at labels that are probably wrong.

Inputs: as of train_model; predictions of all models.
Outputs: curves/{task}/{model}.json and .svg, hints/{task}.csv.
Steps: draw_learning_curve, find_label_hints.
"""

CURVED = sorted({name for name in STUDY.evaluate.curves if name in EVERY})


rule draw_learning_curve:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        features=lambda wildcards: [PATHS.feature(name) for name in model_of(wildcards).inputs],
        texts=lambda wildcards: sum(PLAN.texts(model_of(wildcards).text).values(), []),
    output:
        json=PATHS.curve("{task}", "{model}", "json"),
        svg=PATHS.curve("{task}", "{model}", "svg"),
    log:
        PATHS.log("curve-{task}", "{model}"),
    benchmark:
        PATHS.benchmark("curve-{task}", "{model}")
    wildcard_constraints:
        model="|".join(CURVED) or "none",
    conda:
        "../envs/learn.yaml"
    threads: lambda wildcards: 2 if model_of(wildcards).network else 1
    resources:
        mem_mb=lambda wildcards: 8000 if model_of(wildcards).network else 4000,
        runtime=2880,
        gpu=lambda wildcards: min(1, GPUS) if model_of(wildcards).head == "finetune" else 0,
    params:
        model=lambda wildcards: model_of(wildcards).model_dump(exclude={"tasks", "allow_label_source"}),
        task=lambda wildcards: STUDY.tasks[wildcards.task].model_dump(),
        evaluate={key: config["evaluate"][key] for key in ("curve_shares", "curve_draws", "bootstrap", "seed")},
        texts=lambda wildcards: PLAN.texts(model_of(wildcards).text),
        columns=lambda wildcards: PLAN.text_columns(model_of(wildcards).text),
        rows=lambda wildcards: PLAN.table_digest_all(PLAN.text_columns(model_of(wildcards).text)),
        predict=versions.of("predict"),
        version=versions.of("curve"),
    message:
        "Learning curve of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/draw_learning_curve.py"


rule find_label_hints:
    input:
        predictions=lambda wildcards: [PATHS.predictions(wildcards.task, name) for name in PLAN.looking(wildcards.task)],
    output:
        hints=PATHS.hints("{task}"),
    log:
        PATHS.log("hints", "{task}"),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        models=lambda wildcards: PLAN.looking(wildcards.task),
        multi_label=lambda wildcards: STUDY.tasks[wildcards.task].multi_label,
        version=versions.of("hints"),
    message:
        "Labels of {wildcards.task} that are probably wrong"
    script:
        "../scripts/find_label_hints.py"
