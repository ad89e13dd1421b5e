"""Media: what is heard and what is seen, as files that models read.

Inputs: probe manifests (and the source that they name).
Outputs: audio/{video}.json + .mp3 + .flac, keyframes/{video}.json + .h5 + .jpg, one job a video or a shard.
Steps: extract_audio, pick_keyframes.
"""


rule extract_audio:
    input:
        probe=PLAN.stage("probe", "{unit}"),
    output:
        manifest=PLAN.stage("audio", "{unit}"),
    log:
        PATHS.log("audio", "{unit}"),
    benchmark:
        PATHS.benchmark("audio", "{unit}")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("extract_audio")
    resources:
        **NEEDS("extract_audio", videos=lambda wildcards: PLAN.members(wildcards.unit)),
    params:
        audio=config["audio"],
        version=versions.of("audio"),
        retry=lambda wildcards: PLAN.retry("audio", wildcards.unit),
    message:
        "Audio of {wildcards.unit}"
    script:
        "../scripts/extract_audio.py"


rule pick_keyframes:
    input:
        probe=PLAN.stage("probe", "{unit}"),
    output:
        manifest=PLAN.stage("keyframes", "{unit}"),
    log:
        PATHS.log("keyframes", "{unit}"),
    benchmark:
        PATHS.benchmark("keyframes", "{unit}")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("pick_keyframes")
    resources:
        **NEEDS("pick_keyframes", videos=lambda wildcards: PLAN.members(wildcards.unit)),
    params:
        keyframes=config["keyframes"],
        version=versions.of("keyframes"),
        retry=lambda wildcards: PLAN.retry("keyframes", wildcards.unit),
    message:
        "Keyframes of {wildcards.unit}"
    script:
        "../scripts/pick_keyframes.py"


rule media:
    input:
        lambda wildcards: PLAN.media(),
    message:
        "Audio and keyframes are there"
