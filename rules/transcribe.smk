"""Transcripts: what is said, from each source in turn, and the text that is read from keyframes.

Inputs: captions of the table or of the platform; manifests of audio for recognisers of speech, of keyframes for OCR.
Outputs: transcripts/{source}/{shard}.jsonl, and transcripts/text/{shard}.jsonl with the first text that is said.
Steps: transcribe_captions, transcribe_shard, read_frames (unchanged videos are taken over), resolve_transcripts.
"""

from triptych.speech import base as speech_base
from triptych.speech import ocr

CAPTION_SOURCES = [name for name, source in STUDY.transcripts.items() if source.use == "captions"]
#: Recognisers of speech -> all of each that determines its text, its card, and the memory of its jobs.
RECOGNISERS = {
    name: source.model_dump() for name, source in STUDY.transcripts.items() if source.use in speech_base.RECOGNISERS
}
SPEECH_SIGNATURES = {name: speech_base.signature(source) for name, source in RECOGNISERS.items()}
SPEECH_CARDS = {name: speech_base.find(source["use"]).card for name, source in RECOGNISERS.items()}
SPEECH_MEMORY = {name: speech_base.memory_mb(source) for name, source in RECOGNISERS.items()}


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
    threads: NEEDS.threads("transcribe_captions")
    resources:
        **NEEDS("transcribe_captions", videos=lambda wildcards: PLAN.shards[wildcards.shard]),
    params:
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, ["captions"]),
        braced=lambda wildcards: PLAN.braced(PLAN.shards[wildcards.shard]),
        language=lambda wildcards: STUDY.transcripts[wildcards.source].language,
        version=versions.of("captions"),
    message:
        "Captions of shard {wildcards.shard}"
    script:
        "../scripts/transcribe_captions.py"


def earlier_sources(wildcards):
    """The sources that must have no text before this one is asked."""
    names = STUDY.spoken
    is_last_resort = STUDY.transcripts[wildcards.source].when == "no_text"
    return names[: names.index(wildcards.source)] if is_last_resort else []


def speech_threads(wildcards):
    """What the study file says of a source, or its recogniser's card."""
    return STUDY.transcripts[wildcards.source].threads or SPEECH_CARDS[wildcards.source].threads


rule transcribe_shard:
    input:
        sounds=lambda wildcards: PLAN.manifests("audio", PLAN.shards[wildcards.shard]),
        earlier=lambda wildcards: [PATHS.transcripts(name, wildcards.shard) for name in earlier_sources(wildcards)],
    output:
        transcripts=update(PATHS.transcripts("{source}", "{shard}")),
    log:
        PATHS.log("transcripts-{source}", "{shard}"),
    benchmark:
        PATHS.benchmark("transcripts-{source}", "{shard}")
    wildcard_constraints:
        source="|".join(RECOGNISERS) or "none",
    conda:
        "../envs/speech.yaml"
    threads: NEEDS.threads("transcribe_shard", speech_threads)
    resources:
        **NEEDS(
            "transcribe_shard",
            videos=lambda wildcards: PLAN.shards[wildcards.shard],
            mem_mb=lambda wildcards: SPEECH_MEMORY[wildcards.source],
            gpu=lambda wildcards: SPEECH_CARDS[wildcards.source].gpu,
        ),
    params:
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, []),
        # The batch size changes no text, so it is no reason to run again.
        signature=lambda wildcards: SPEECH_SIGNATURES[wildcards.source],
        earlier=earlier_sources,
        version=versions.of("transcribe"),
    message:
        "{wildcards.source} over shard {wildcards.shard}"
    script:
        "../scripts/transcribe_shard.py"


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
    conda:
        "../envs/speech.yaml"
    threads: NEEDS.threads("read_frames", lambda wildcards: STUDY.transcripts[wildcards.source].threads or ocr.THREADS)
    resources:
        **NEEDS(
            "read_frames",
            videos=lambda wildcards: PLAN.shards[wildcards.shard],
            mem_mb=ocr.MEMORY_MB,
        ),
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
    conda:
        "../envs/speech.yaml"
    threads: NEEDS.threads("resolve_transcripts")
    resources:
        **NEEDS("resolve_transcripts", videos=lambda wildcards: PLAN.shards[wildcards.shard]),
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
