"""Learning curves of models that `evaluate.curves` names, and hints at labels that are probably wrong.

Inputs: as of train_model; predictions of all models.
Outputs: curves/{task}/{model}.json and .svg, hints/{task}.csv.
Steps: draw_learning_curve, draw_network_curve, find_label_hints.
"""

CURVED = sorted({name for name in STUDY.evaluate.curves if name in EVERY})
CURVED_NETWORKS = [name for name in CURVED if EVERY[name].network]


rule draw_learning_curve:
    input:
        labels=PATHS.labels("{task}"),
        splits=PATHS.splits("{task}"),
        refused=PATHS.refused("{task}"),
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
        model="|".join(name for name in CURVED if name not in CURVED_NETWORKS) or "none",
    conda:
        "../envs/learn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=600,
        gpu=0,
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


use rule draw_learning_curve as draw_network_curve with:
    wildcard_constraints:
        model="|".join(CURVED_NETWORKS) or "none",
    conda:
        "../envs/networks.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=2880,
        gpu=lambda wildcards: min(1, GPUS) if wildcards.model in TUNED else 0,
    params:
        weights=lambda wildcards: TUNED_WEIGHTS.get(wildcards.model),
    message:
        "Learning curve of the network {wildcards.model} for {wildcards.task}"


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
