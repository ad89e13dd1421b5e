"""Match: pictures held against words, a video's frames against its own text and against other videos' texts.

Inputs: embeddings of a CLIP, transcripts, summaries and text columns of the table, labels (where groups are kept apart).
Outputs: crossmodal/match/{match}.json, .csv (a row a video and field), .svg, .h5 (vectors of the texts).
Steps: match_videos (texts that did not change are taken over).
"""


def match_columns(wildcards):
    """The columns of the table that a match reads."""
    return PLAN.text_columns(STUDY.match[wildcards.match].text)


def match_groups(wildcards):
    """The labels whose groups are kept apart."""
    task = STUDY.match[wildcards.match].group
    return [PATHS.labels(task)] if task else []


rule match_videos:
    input:
        frames=lambda wildcards: PLAN.embeddings(STUDY.match[wildcards.match].encoder),
        texts=lambda wildcards: sum(PLAN.texts(STUDY.match[wildcards.match].text).values(), []),
        groups=match_groups,
    output:
        json=PATHS.match("{match}", "json"),
        csv=PATHS.match("{match}", "csv"),
        svg=PATHS.match("{match}", "svg"),
        texts=update(PATHS.match("{match}", "h5")),
    log:
        PATHS.log("match", "{match}"),
    benchmark:
        PATHS.benchmark("match", "{match}")
    wildcard_constraints:
        match="|".join(STUDY.match) or "none",
    conda:
        "../envs/crossmodal.yaml"
    threads: NEEDS.threads("match_videos")
    resources:
        # Six square matrices of the videos, beside the text tower.
        **NEEDS(
            "match_videos",
            videos=len(PLAN.rows),
            mem_mb=4000 + (48 * len(PLAN.rows) ** 2 >> 20),
            gpu=True,
        ),
    params:
        columns=match_columns,
        rows=lambda wildcards: PLAN.table_digest_all(match_columns(wildcards)),
        settings=lambda wildcards: STUDY.match[wildcards.match].model_dump(),
        signature=lambda wildcards: SIGNATURES[STUDY.match[wildcards.match].encoder],
        version=versions.of("match"),
    message:
        "Matching {wildcards.match}"
    script:
        "../scripts/match_videos.py"


rule matches:
    input:
        PLAN.crossmodal_match(),
    message:
        "Matches and imagined pictures are there"
