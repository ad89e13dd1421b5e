"""Embeddings: every encoder over every shard, the model loaded once for the shard; then pooled features.

Inputs: manifests of audio and keyframes, resolved transcripts, text columns of the table.
Outputs: embeddings/{encoder}/{shard}.h5, features/{feature}.h5.
Steps: embed_shard (unchanged videos are taken over from any shard file), pool_feature.
"""

from triptych.encoders import registry as encoder_registry

#: Encoder -> all of it that determines results (name, revision, version, parameters), and its modality.
SIGNATURES = {name: encoder_registry.signature(encoder.model_dump()) for name, encoder in STUDY.encoders.items()}
MEMORY = {name: encoder_registry.memory_mb(encoder.model_dump()) for name, encoder in STUDY.encoders.items()}
CARDS = {name: encoder_registry.find(encoder.use).card for name, encoder in STUDY.encoders.items()}
#: Threads of a job on a card: they decode and prepare, so that the card does not wait.
FEEDERS = 4


def encoder_inputs(wildcards):
    """What an encoder reads, by its modality."""
    modality = CARDS[wildcards.encoder].modality
    if modality == "text":
        return sum(PLAN.texts(STUDY.encoders[wildcards.encoder].text, wildcards.shard).values(), [])
    stage = {"audio": "audio", "image": "keyframes", "video": "probe"}[modality]
    return PLAN.manifests(stage, PLAN.shards[wildcards.shard])


def encoder_threads(wildcards):
    """What the study file says, or the card, or what keeps a graphics card busy."""
    card = CARDS[wildcards.encoder]
    feeders = FEEDERS if GPUS and card.gpu else 1
    return STUDY.encoders[wildcards.encoder].threads or max(card.threads, feeders)


def encoder_columns(wildcards):
    """The columns of the table that an encoder reads."""
    if CARDS[wildcards.encoder].modality != "text":
        return []
    encoder = STUDY.encoders[wildcards.encoder]
    masked = encoder_registry.masked_columns(encoder.model_dump())
    return list(dict.fromkeys([*PLAN.text_columns(encoder.text), *masked]))


rule embed_shard:
    input:
        what=encoder_inputs,
    output:
        embeddings=update(PATHS.embeddings("{encoder}", "{shard}")),
    log:
        PATHS.log("embed-{encoder}", "{shard}"),
    benchmark:
        PATHS.benchmark("embed-{encoder}", "{shard}")
    conda:
        "../envs/encoders.yaml"
    threads: NEEDS.threads("embed_shard", encoder_threads)
    resources:
        **NEEDS(
            "embed_shard",
            videos=lambda wildcards: PLAN.shards[wildcards.shard],
            mem_mb=lambda wildcards: MEMORY[wildcards.encoder],
            gpu=lambda wildcards: CARDS[wildcards.encoder].gpu,
        ),
    params:
        columns=encoder_columns,
        rows=lambda wildcards: PLAN.table_digest(wildcards.shard, encoder_columns(wildcards)),
        # The batch size changes no result, so it is no reason to run again.
        signature=lambda wildcards: SIGNATURES[wildcards.encoder],
        version=versions.of("embed"),
    message:
        "{wildcards.encoder} over shard {wildcards.shard}"
    script:
        "../scripts/embed_shard.py"


rule embeddings:
    input:
        [PLAN.embeddings(encoder) for encoder in STUDY.encoders],
    message:
        "Embeddings are there"


rule pool_feature:
    input:
        shards=lambda wildcards: PLAN.embeddings(STUDY.features[wildcards.feature].from_.split(".")[0]),
    output:
        feature=PATHS.feature("{feature}"),
    log:
        PATHS.log("features", "{feature}"),
    benchmark:
        PATHS.benchmark("features", "{feature}")
    conda:
        "../envs/encoders.yaml"
    threads: NEEDS.threads("pool_feature")
    resources:
        **NEEDS("pool_feature", videos=len(PLAN.rows)),
    params:
        feature=lambda wildcards: STUDY.features[wildcards.feature].model_dump(),
        min_ok_fraction=STUDY.min_ok_fraction,
        version=versions.of("pool"),
    message:
        "Feature {wildcards.feature}"
    script:
        "../scripts/pool_feature.py"


rule features:
    input:
        [PATHS.feature(feature) for feature in STUDY.features],
    message:
        "Features are there"
