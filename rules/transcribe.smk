"""Transcripts: what is said, from each source in turn.

Inputs: captions of the table or of the platform.
Outputs: transcripts/{source}/{shard}.jsonl, and transcripts/text/{shard}.jsonl with the first text found.
Steps: transcribe_captions, resolve_transcripts.
"""

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
    conda:
        "../envs/speech.yaml"
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


rule resolve_transcripts:
    input:
        sources=lambda wildcards: PLAN.resolved(wildcards.shard),
    output:
        text=PATHS.transcripts("text", "{shard}"),
    log:
        PATHS.log("transcripts-text", "{shard}"),
    conda:
        "../envs/speech.yaml"
    resources:
        mem_mb=600,
        runtime=30,
    params:
        sources=list(STUDY.transcripts),
        version=versions.of("resolve"),
    message:
        "Text of shard {wildcards.shard}"
    script:
        "../scripts/resolve_transcripts.py"


rule transcripts:
    input:
        PLAN.transcripts("text"),
    message:
        "Transcripts are there"
