"""Near-duplicates: videos that are the same or nearly, in one table for all tasks.

Inputs: manifests of probe, audio and keyframes (and the artefacts that they name); features that the study names.
Outputs: duplicates/pairs.csv; beside it prints.h5, what is kept of each video's pictures and sound for the next run.
Steps: find_duplicates (one job).
"""


def duplicate_inputs(stage, *ways):
    """Manifests of a stage, when one of these ways of finding reads it."""
    return PLAN.manifests(stage) if set(ways) & set(STUDY.duplicates.use) else []


rule find_duplicates:
    input:
        probe=lambda wildcards: duplicate_inputs("probe", "content"),
        audio=lambda wildcards: duplicate_inputs("audio", "content", "sound"),
        keyframes=lambda wildcards: duplicate_inputs("keyframes", "pictures"),
        features=[PATHS.feature(feature) for feature in STUDY.duplicates.features],
    output:
        pairs=PATHS.duplicates,
    log:
        PATHS.log("duplicates", "all"),
    benchmark:
        PATHS.benchmark("duplicates", "all")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("find_duplicates")
    resources:
        **NEEDS("find_duplicates", videos=len(PLAN.rows)),
    params:
        duplicates=config["duplicates"],
        rows=lambda wildcards: PLAN.table_digest_all([]),
        version=versions.of("duplicates"),
    message:
        "Looking for near-duplicates"
    script:
        "../scripts/find_duplicates.py"
