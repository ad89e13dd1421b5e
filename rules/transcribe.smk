"""Transcripts: what is said, from each source in turn, and the text that is read from keyframes.

Inputs: captions of the table or of the platform; manifests of keyframes.
Outputs: transcripts/{source}/{shard}.jsonl, and transcripts/text/{shard}.jsonl with the first text found.
Steps: transcribe_captions, read_frames, resolve_transcripts.
"""

from triptych.speech import ocr

CAPTION_SOURCES = [name for name, source in STUDY.transcripts.items() if source.use == "captions"]


rule transcribe_captions:
    input:
        captions=lambda wildcards: PLAN.caption_inputs(wildcards.shard),
    output:
        transcripts=PATHS.transcripts("{source}", "{shard}"),
    log:
        PATHS.log("transcripts-{source}", "{shard}"),
    benchmark:
        PATHS.benchmark("transcripts-{source}", "{shard}")
    wildcard_constraints:
        source="|".join(CAPTION_SOURCES) or "none",
    resources:
        mem_mb=600,
        runtime=60,
    params:
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, ["captions"]),
        braced=lambda wildcards: PLAN.braced(PLAN.shards[wildcards.shard]),
        language=lambda wildcards: STUDY.transcripts[wildcards.source].language,
        version=versions.of("captions"),
    message:
        "Captions of shard {wildcards.shard}"
    script:
        "../scripts/transcribe_captions.py"


rule read_frames:
    input:
        keyframes=lambda wildcards: PLAN.manifests("keyframes", PLAN.shards[wildcards.shard]),
    output:
        transcripts=update(PATHS.transcripts("{source}", "{shard}")),
    log:
        PATHS.log("transcripts-{source}", "{shard}"),
    benchmark:
        PATHS.benchmark("transcripts-{source}", "{shard}")
    wildcard_constraints:
        source="|".join(STUDY.shown) or "none",
    threads: lambda wildcards: STUDY.transcripts[wildcards.source].threads or ocr.THREADS
    resources:
        mem_mb=ocr.MEMORY_MB,
        runtime=600,
    params:
        videos=lambda wildcards: PLAN.shards[wildcards.shard],
        signature=lambda wildcards: ocr.signature(STUDY.transcripts[wildcards.source].params),
        version=versions.of("ocr"),
    message:
        "Text in the frames of shard {wildcards.shard}"
    script:
        "../scripts/read_frames.py"


rule resolve_transcripts:
    input:
        sources=lambda wildcards: PLAN.resolved(wildcards.shard),
    output:
        text=PATHS.transcripts("text", "{shard}"),
    log:
        PATHS.log("transcripts-text", "{shard}"),
    resources:
        mem_mb=600,
        runtime=30,
    params:
        sources=STUDY.spoken,
        videos=lambda wildcards: PLAN.shards[wildcards.shard],
        version=versions.of("resolve"),
    message:
        "Text of shard {wildcards.shard}"
    script:
        "../scripts/resolve_transcripts.py"


rule transcripts:
    input:
        PLAN.transcripts("text"),
        [PLAN.transcripts(source) for source in STUDY.shown],
    message:
        "Transcripts are there"
