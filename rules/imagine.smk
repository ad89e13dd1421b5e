"""Imagine: pictures made from words by a diffusion model, held against the videos' own keyframes.

Inputs: transcripts, summaries or a text column of the table; embeddings of keyframes, labels (where groups are kept apart).
Outputs: crossmodal/imagine/{imagine}/{shard}.h5 (pictures), {imagine}.json, .csv (a row a video), .svg.
Steps: paint_videos (the pipeline loaded once for the shard; unchanged videos are taken over), score_pictures.
"""

from triptych.crossmodal import imagine, painter

#: Section -> all of it that determines its pictures, and the memory of its jobs: weights are read in float32.
IMAGINED = {name: imagine.identity(section) for name, section in STUDY.imagine.items()}
IMAGINE_MEMORY = {
    name: max(6000, 3000 + 3 * (painter.located(section).bytes >> 20)) for name, section in STUDY.imagine.items()
}


def imagine_columns(wildcards):
    """The columns of the table that are painted."""
    return PLAN.text_columns([STUDY.imagine[wildcards.imagine].text])


def imagine_groups(wildcards):
    """The labels whose groups are kept apart."""
    task = STUDY.imagine[wildcards.imagine].group
    return [PATHS.labels(task)] if task else []


rule paint_videos:
    input:
        what=lambda wildcards: sum(PLAN.texts([STUDY.imagine[wildcards.imagine].text], wildcards.shard).values(), []),
    output:
        pictures=update(PATHS.imagined("{imagine}", "{shard}")),
    log:
        PATHS.log("imagine-{imagine}", "{shard}"),
    benchmark:
        PATHS.benchmark("imagine-{imagine}", "{shard}")
    wildcard_constraints:
        imagine="|".join(STUDY.imagine) or NOTHING,
    conda:
        "../envs/crossmodal.yaml"
    threads: NEEDS.threads("paint_videos")
    resources:
        **NEEDS(
            "paint_videos",
            videos=lambda wildcards: PLAN.painted(wildcards.imagine, wildcards.shard),
            mem_mb=lambda wildcards: IMAGINE_MEMORY[wildcards.imagine],
            gpu=True,
        ),
    params:
        columns=imagine_columns,
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, imagine_columns(wildcards)),
        painted=lambda wildcards: PLAN.painted(wildcards.imagine, wildcards.shard),
        identity=lambda wildcards: IMAGINED[wildcards.imagine],
        version=versions.of("imagine"),
    message:
        "Painting {wildcards.imagine} of shard {wildcards.shard}"
    script:
        "../scripts/paint_videos.py"


rule score_pictures:
    input:
        pictures=lambda wildcards: PLAN.imagined(wildcards.imagine),
        frames=lambda wildcards: PLAN.embeddings(STUDY.imagine[wildcards.imagine].encoder),
        groups=imagine_groups,
    output:
        json=PATHS.imagined_scores("{imagine}", "json"),
        csv=PATHS.imagined_scores("{imagine}", "csv"),
        svg=PATHS.imagined_scores("{imagine}", "svg"),
    log:
        PATHS.log("imagine", "{imagine}"),
    benchmark:
        PATHS.benchmark("imagine", "{imagine}")
    wildcard_constraints:
        imagine="|".join(STUDY.imagine) or NOTHING,
    conda:
        "../envs/crossmodal.yaml"
    threads: NEEDS.threads("score_pictures")
    resources:
        **NEEDS(
            "score_pictures",
            videos=len(PLAN.rows),
            # Six square matrices of the videos, beside the encoder.
            mem_mb=lambda wildcards: MEMORY[STUDY.imagine[wildcards.imagine].encoder]
            + (48 * len(PLAN.rows) ** 2 >> 20),
            gpu=lambda wildcards: CARDS[STUDY.imagine[wildcards.imagine].encoder].gpu,
        ),
    params:
        rows=lambda wildcards: PLAN.table_digest_all([]),
        settings=lambda wildcards: STUDY.imagine[wildcards.imagine].model_dump(
            include={"encoder", "array", "group", "permutations", "shown", "seed"}
        ),
        signature=lambda wildcards: SIGNATURES[STUDY.imagine[wildcards.imagine].encoder],
        version=versions.of("imagine-scores"),
    message:
        "Scoring the pictures of {wildcards.imagine}"
    script:
        "../scripts/score_pictures.py"
