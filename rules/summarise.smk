"""Summaries: short texts of each video, which encoders and models may read like transcripts.

Inputs: transcripts and text columns of the table.
Outputs: summaries/{summary}/{shard}.jsonl, in the form of transcripts.
Steps: summarise_texts (sentences of the text, or a summarisation model; unchanged videos are taken over).
"""

from triptych.crossmodal import summarise

WRITTEN = [name for name, section in STUDY.summaries.items() if section.use == "transformers"]
#: Summary -> all of it that determines its texts; of weights their content.
SUMMARISED = {name: summarise.identity(section) for name, section in STUDY.summaries.items()}


def summary_columns(wildcards):
    """The columns of the table that a summary reads."""
    return PLAN.text_columns(STUDY.summaries[wildcards.summary].text)


rule summarise_texts:
    input:
        what=lambda wildcards: sum(PLAN.texts(STUDY.summaries[wildcards.summary].text, wildcards.shard).values(), []),
    output:
        summaries=update(PATHS.summary("{summary}", "{shard}")),
    log:
        PATHS.log("summaries-{summary}", "{shard}"),
    benchmark:
        PATHS.benchmark("summaries-{summary}", "{shard}")
    wildcard_constraints:
        summary="|".join(STUDY.summaries) or "none",
    conda:
        "../envs/crossmodal.yaml"
    threads: NEEDS.threads("summarise_texts", lambda wildcards: 2 if wildcards.summary in WRITTEN else 1)
    resources:
        **NEEDS(
            "summarise_texts",
            videos=len(PLAN.rows),
            mem_mb=lambda wildcards: 6000 if wildcards.summary in WRITTEN else 400,
            gpu=lambda wildcards: wildcards.summary in WRITTEN,
        ),
    params:
        columns=summary_columns,
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, summary_columns(wildcards)),
        identity=lambda wildcards: SUMMARISED[wildcards.summary],
        version=versions.of("summarise"),
    message:
        "Summaries {wildcards.summary} of shard {wildcards.shard}"
    script:
        "../scripts/summarise_texts.py"


rule summaries:
    input:
        [PLAN.summaries(summary) for summary in STUDY.summaries],
    message:
        "Summaries are there"
