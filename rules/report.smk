"""Comparison, status and the report.

Inputs: metrics, predictions, labels; manifests of all stages; learning curves, hints at wrong labels; embeddings of
encoders that note what they found.
Outputs: comparison/{task}.csv, hints/{task}.csv, status.tsv, report/index.html, config.yaml, history.jsonl.
Steps: compare_models, find_label_hints, collect_status, build_report.
"""

from triptych.learn import lineage


rule compare_models:
    input:
        metrics=lambda wildcards: PLAN.metrics(wildcards.task),
        predictions=lambda wildcards: PLAN.predictions(wildcards.task),
        labels=PATHS.labels("{task}"),
        refused=PATHS.refused("{task}"),
    output:
        comparison=PATHS.comparison("{task}"),
    log:
        PATHS.log("compare", "{task}"),
    conda:
        "../envs/report.yaml"
    threads: NEEDS.threads("compare_models")
    resources:
        **NEEDS("compare_models", videos=len(PLAN.rows)),
    params:
        models=lambda wildcards: list(STUDY.models_of(wildcards.task)),
        lineage=lambda wildcards: lineage.notes(wildcards.task, config),
        evaluate={key: config["evaluate"][key] for key in ("permutations", "seed")},
        version=versions.of("compare"),
    message:
        "Comparing the models of {wildcards.task}"
    script:
        "../scripts/compare_models.py"


rule find_label_hints:
    input:
        predictions=lambda wildcards: [PATHS.predictions(wildcards.task, name) for name in PLAN.looking(wildcards.task)],
        # Hints tell scores too: not before each choice is written.
        selections=lambda wildcards: PLAN.all_selections(wildcards.task),
    output:
        hints=PATHS.hints("{task}"),
    log:
        PATHS.log("hints", "{task}"),
    conda:
        "../envs/report.yaml"
    threads: NEEDS.threads("find_label_hints")
    resources:
        **NEEDS("find_label_hints", videos=len(PLAN.rows)),
    params:
        models=lambda wildcards: PLAN.looking(wildcards.task),
        multi_label=lambda wildcards: STUDY.tasks[wildcards.task].multi_label,
        version=versions.of("hints"),
    message:
        "Labels of {wildcards.task} that are probably wrong"
    script:
        "../scripts/find_label_hints.py"


rule comparisons:
    input:
        [PATHS.comparison(task) for task in STUDY.tasks],
    message:
        "Comparisons are there"


rule collect_status:
    input:
        # Functions where lists grow with the table: each job of a cluster reads this file, and needs them not.
        fetch=lambda wildcards: PLAN.fetches(),
        media=lambda wildcards: sum((PLAN.manifests(stage) for stage in ("probe", "audio", "keyframes")), []),
        transcripts=[PLAN.transcripts(source) for source in ("text", *STUDY.shown)],
        summaries=[PLAN.summaries(summary) for summary in STUDY.summaries],
        embeddings=[PLAN.embeddings(encoder) for encoder in STUDY.encoders],
        relabel=[PATHS.relabelled(name) for name in STUDY.relabel],
        imagine=[PLAN.imagined(name) for name in STUDY.imagine],
        labels=[PATHS.labels(task) for task in STUDY.tasks],
        refused=[PATHS.refused(task) for task in STUDY.tasks],
    output:
        status=PATHS.status,
    log:
        PATHS.log("status", "all"),
    conda:
        "../envs/report.yaml"
    threads: NEEDS.threads("collect_status")
    resources:
        **NEEDS("collect_status", videos=len(PLAN.rows)),
    params:
        rows=lambda wildcards: PLAN.table_digest_all(["source"]),
        version=versions.of("report"),
    message:
        "Collecting what happened to each video"
    script:
        "../scripts/collect_status.py"


rule build_report:
    input:
        status=PATHS.status,
        comparisons=[PATHS.comparison(task) for task in STUDY.tasks],
        features=[PATHS.feature(feature) for feature in STUDY.features],
        # What encoders noted of each video: sounds, objects and their boxes.
        notes=[PLAN.embeddings(encoder) for encoder in STUDY.encoders if CARDS[encoder].notes],
        relabel=PLAN.relabel_reviews(),
        duplicates=[*PLAN.duplicate_pairs(), *(PATHS.task_duplicates(task) for task in STUDY.tasks)],
        curves=PLAN.curves(),
        hints=PLAN.hints(),
        mapping=PLAN.crossmodal_mapping(),
        match=PLAN.crossmodal_match(),
    output:
        report=PATHS.report,
        config=PATHS.config,
        history=update(PATHS.history),
    log:
        PATHS.log("report", "all"),
    conda:
        "../envs/report.yaml"
    threads: NEEDS.threads("build_report")
    resources:
        **NEEDS("build_report", videos=len(PLAN.rows)),
    params:
        report=config["report"],
        rows=lambda wildcards: PLAN.table_digest_all(["title", "source"]),
        version=versions.of("report"),
    message:
        "Writing the report"
    script:
        "../scripts/build_report.py"


rule report:
    input:
        PATHS.report,
    message:
        "The report is there"
