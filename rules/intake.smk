"""Intake: downloads, and what each source is.

Inputs: the table of videos, local files or URLs.
Outputs: fetch/{video}.json (URL rows), probe/{video}.json or probe/shards/{shard}.json; downloads and links in data/media.
Steps: fetch_video (yt-dlp), probe_media (streams, limits and content digest from the header), drop_source.
"""

import time

from triptych.core import retry
from triptych.media import fetch

RETRY_SINCE = retry.requested_at(PATHS)
# All downloads of one run stop together after a bot check or repeated answers 429.
os.environ.setdefault("TRIPTYCH_RUN", f"{int(time.time())}-{os.getpid()}")


def fetch_token(wildcards):
    """Counts recorded failures: it changes when a failed download is due again, and so makes its job run."""
    return fetch.token(PATHS, wildcards.video, config["fetch"], retry.due(PATHS, wildcards.video, RETRY_SINCE))


rule fetch_video:
    output:
        manifest=update(PATHS.manifest("fetch", "{video}")),
    log:
        PATHS.log("fetch", "{video}"),
    benchmark:
        PATHS.benchmark("fetch", "{video}")
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("fetch_video")
    resources:
        **NEEDS("fetch_video", videos=1, downloads=1),
    params:
        source=lambda wildcards: PLAN.rows[wildcards.video].source,
        token=fetch_token,
        format=STUDY.fetch.format,
        captions=STUDY.fetch.captions,
        max_bytes=STUDY.fetch.max_bytes,
        max_seconds=STUDY.fetch.max_seconds,
        version=versions.of("fetch"),
    message:
        "Fetching {wildcards.video}"
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
        audio=lambda wildcards: PLAN.manifests("audio", [wildcards.video]),
        keyframes=lambda wildcards: PLAN.manifests("keyframes", [wildcards.video]),
    output:
        mark=f"{PATHS.root}/fetch/dropped/{{video}}.json",
    log:
        PATHS.log("drop", "{video}"),
    conda:
        "../envs/media.yaml"
    threads: NEEDS.threads("drop_source")
    resources:
        **NEEDS("drop_source", videos=1),
    message:
        "Removing the download of {wildcards.video}"
    script:
        "../scripts/drop_source.py"
