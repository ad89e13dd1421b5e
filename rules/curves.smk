"""Learning curves of the models that `evaluate.curves` names.

Inputs: as of train_model.
Outputs: curves/{task}/{model}.json and .svg.
Steps: draw_learning_curve (of networks: draw_network_curve, in networks.smk).
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
        # A curve tells test scores: not before choices that may take the model are written.
        selections=lambda wildcards: PLAN.selections(wildcards.task, wildcards.model),
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
    threads: NEEDS.threads("draw_learning_curve")
    resources:
        **NEEDS("draw_learning_curve", videos=len(PLAN.rows)),
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
