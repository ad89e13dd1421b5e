"""Intake: downloads, and what each source is.

Inputs: the table of videos, local files or URLs.
Outputs: fetch/{video}.json of URL rows and probe/{video}.json, or fetch/shards/{shard}.json and probe/shards/{shard}.json
that list them; downloads and links in data/media.
Steps: fetch_video (yt-dlp), probe_media (streams, limits and content digest from the header), drop_source; one job a video
or a shard.
"""

import time

from triptych.media import fetch_unit

# All downloads of one run stop together after a bot check or repeated answers 429.
os.environ.setdefault("TRIPTYCH_RUN", f"{int(time.time())}-{os.getpid()}")
#: Counts of recorded failures: a download's changes when it is due again, and so makes its job run.
TOKENS = fetch_unit.Tokens(PATHS, config["fetch"])


rule fetch_video:
    output:
        manifest=update(PLAN.stage("fetch", "{unit}")),
    log:
        PATHS.log("fetch", "{unit}"),
    benchmark:
        PATHS.benchmark("fetch", "{unit}")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("fetch_video")
    resources:
        **NEEDS("fetch_video", videos=lambda wildcards: PLAN.urls(wildcards.unit), downloads=1),
    params:
        sources=lambda wildcards: PLAN.urls(wildcards.unit),
        tokens=lambda wildcards: TOKENS.of(PLAN.members(wildcards.unit)),
        format=STUDY.fetch.format,
        captions=STUDY.fetch.captions,
        max_bytes=STUDY.fetch.max_bytes,
        max_seconds=STUDY.fetch.max_seconds,
        allow_private_hosts=STUDY.fetch.allow_private_hosts,
        version=versions.of("fetch"),
        retry=lambda wildcards: PLAN.retry("fetch", wildcards.unit),
    message:
        "Fetching {wildcards.unit}"
    script:
        "../scripts/fetch_video.py"


rule probe_media:
    input:
        sources=lambda wildcards: PLAN.sources(wildcards.unit),
    output:
        manifest=PLAN.stage("probe", "{unit}"),
    log:
        PATHS.log("probe", "{unit}"),
    benchmark:
        PATHS.benchmark("probe", "{unit}")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("probe_media")
    resources:
        **NEEDS("probe_media", videos=lambda wildcards: PLAN.members(wildcards.unit)),
    params:
        sources=lambda wildcards: PLAN.source_words(wildcards.unit),
        braced=lambda wildcards: PLAN.braced(PLAN.members(wildcards.unit)),
        limits={name: getattr(STUDY.limits, name) for name in ("max_pixels", "max_frames", "max_seconds", "max_bytes")},
        version=versions.of("probe"),
        retry=lambda wildcards: PLAN.retry("probe", wildcards.unit),
    message:
        "Probing {wildcards.unit}"
    script:
        "../scripts/probe_media.py"


rule drop_source:
    input:
        audio=PLAN.stage("audio", "{unit}"),
        keyframes=PLAN.stage("keyframes", "{unit}"),
    output:
        mark=PLAN.dropped("{unit}"),
    log:
        PATHS.log("drop", "{unit}"),
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("drop_source")
    resources:
        **NEEDS("drop_source", videos=lambda wildcards: PLAN.urls(wildcards.unit)),
    params:
        videos=lambda wildcards: [video for video, _ in PLAN.urls(wildcards.unit)],
    message:
        "Removing the downloads of {wildcards.unit}"
    script:
        "../scripts/drop_source.py"
