"""Zero-shot labels: videos held against candidate labels, by an inference model or by similarity of embeddings.

Inputs: transcripts and text columns of the table, or embeddings.
Outputs: relabel/{name}.parquet, {name}.sheet.csv (samples to check by hand), {name}.agreement.json, .csv and .svg
(with existing labels), {name}.checked.json (of a filled sheet).
Steps: relabel_videos (the model loaded once; only new videos are computed), draw_samples, compare_labels, read_checked.
"""

COMPARED = [name for name, section in STUDY.relabel.items() if section.against]
CHECKED = [name for name, section in STUDY.relabel.items() if section.checked]


def relabel_identity(name):
    """All that determines the scores of a section beside what is read: weights by their content."""
    from triptych.learn import relabel_nli

    section = STUDY.relabel[name]
    if section.use == "similarity":
        return SIGNATURES[section.encoder]
    return relabel_nli.located(section).identity


def relabel_settings(wildcards):
    """What of a section changes its labels: not the batch size, nor what is done with them later."""
    return STUDY.relabel[wildcards.relabel].model_dump(
        mode="json", exclude={"batch", "threads", "against", "samples", "seed", "checked", "model"}
    )


def relabel_fields(name):
    """Text fields that labels were made from; none where they were made from pictures."""
    section = STUDY.relabel[name]
    if section.use == "nli":
        return section.fields
    return STUDY.encoders[section.encoder].text if CARDS[section.encoder].modality == "text" else []


def sheet_inputs(wildcards):
    """Transcripts that the sheet shows, or pictures that it names."""
    fields = relabel_fields(wildcards.relabel)
    return sum(PLAN.texts(fields).values(), []) if fields else PLAN.manifests("keyframes")


def sheet_columns(wildcards):
    """Columns that the sheet shows."""
    return list(dict.fromkeys(["title", *PLAN.text_columns(relabel_fields(wildcards.relabel))]))


rule relabel_videos:
    input:
        what=lambda wildcards: PLAN.relabel_inputs(wildcards.relabel),
    output:
        labels=update(PATHS.relabelled("{relabel}")),
    log:
        PATHS.log("relabel", "{relabel}"),
    benchmark:
        PATHS.benchmark("relabel", "{relabel}")
    conda:
        "../envs/relabel.yaml"
    threads: NEEDS.threads("relabel_videos", lambda wildcards: STUDY.relabel[wildcards.relabel].threads or 2)
    resources:
        **NEEDS(
            "relabel_videos",
            videos=len(PLAN.rows),
            gpu=lambda wildcards: STUDY.relabel[wildcards.relabel].use == "nli",
        ),
    params:
        columns=lambda wildcards: PLAN.relabel_columns(wildcards.relabel),
        rows=lambda wildcards: PLAN.table_digest_all(PLAN.relabel_columns(wildcards.relabel)),
        settings=relabel_settings,
        identity=lambda wildcards: relabel_identity(wildcards.relabel),
        version=versions.of("relabel"),
    message:
        "Zero-shot labels {wildcards.relabel}"
    script:
        "../scripts/relabel_videos.py"


rule draw_samples:
    input:
        labels=PATHS.relabelled("{relabel}"),
        what=sheet_inputs,
    output:
        sheet=update(PATHS.sheet("{relabel}")),
    log:
        PATHS.log("draw-samples", "{relabel}"),
    conda:
        "../envs/relabel.yaml"
    threads: NEEDS.threads("draw_samples")
    resources:
        **NEEDS("draw_samples", videos=len(PLAN.rows)),
    params:
        columns=sheet_columns,
        rows=lambda wildcards: PLAN.table_digest_all(sheet_columns(wildcards)),
        fields=lambda wildcards: relabel_fields(wildcards.relabel),
        texts=lambda wildcards: PLAN.texts(relabel_fields(wildcards.relabel)),
        samples=lambda wildcards: STUDY.relabel[wildcards.relabel].samples,
        seed=lambda wildcards: STUDY.relabel[wildcards.relabel].seed,
        version=versions.of("review"),
    message:
        "Sheet of samples of {wildcards.relabel}"
    script:
        "../scripts/draw_samples.py"


rule compare_labels:
    input:
        labels=PATHS.relabelled("{relabel}"),
    output:
        json=PATHS.agreement("{relabel}", "json"),
        csv=PATHS.agreement("{relabel}", "csv"),
        svg=PATHS.agreement("{relabel}", "svg"),
    log:
        PATHS.log("compare-labels", "{relabel}"),
    wildcard_constraints:
        relabel="|".join(COMPARED) or "none",
    conda:
        "../envs/relabel.yaml"
    threads: NEEDS.threads("compare_labels")
    resources:
        **NEEDS("compare_labels", videos=len(PLAN.rows)),
    params:
        columns=lambda wildcards: [STUDY.relabel[wildcards.relabel].against],
        rows=lambda wildcards: PLAN.table_digest_all([STUDY.relabel[wildcards.relabel].against]),
        version=versions.of("review"),
    message:
        "Agreement of {wildcards.relabel} with existing labels"
    script:
        "../scripts/compare_labels.py"


rule read_checked:
    input:
        labels=PATHS.relabelled("{relabel}"),
        sheet=lambda wildcards: STUDY.relabel[wildcards.relabel].checked,
    output:
        json=PATHS.checked("{relabel}"),
    log:
        PATHS.log("read-checked", "{relabel}"),
    wildcard_constraints:
        relabel="|".join(CHECKED) or "none",
    conda:
        "../envs/relabel.yaml"
    threads: NEEDS.threads("read_checked")
    resources:
        **NEEDS("read_checked", videos=len(PLAN.rows)),
    params:
        version=versions.of("review"),
    message:
        "What was checked of {wildcards.relabel}"
    script:
        "../scripts/read_checked.py"


rule relabels:
    input:
        PLAN.relabel_reviews(),
    message:
        "Zero-shot labels are there"
