"""One feature from another: mappings of all ordered pairs of features, held against nulls.

Inputs: features/{feature}.h5, labels and splits of a task.
Outputs: crossmodal/mapping/{mapping}.csv, .json and .svg.
"""


rule map_features:
    input:
        labels=lambda wildcards: PATHS.labels(STUDY.mapping[wildcards.mapping].task),
        splits=lambda wildcards: PATHS.splits(STUDY.mapping[wildcards.mapping].task),
        refused=lambda wildcards: PATHS.refused(STUDY.mapping[wildcards.mapping].task),
        features=lambda wildcards: [PATHS.feature(name) for name in STUDY.mapping[wildcards.mapping].features],
    output:
        csv=PATHS.mapping("{mapping}", "csv"),
        json=PATHS.mapping("{mapping}", "json"),
        svg=PATHS.mapping("{mapping}", "svg"),
    log:
        PATHS.log("mapping", "{mapping}"),
    benchmark:
        PATHS.benchmark("mapping", "{mapping}")
    conda:
        "../envs/crossmodal.yaml"
    threads: NEEDS.threads("map_features")
    resources:
        **NEEDS("map_features", videos=len(PLAN.rows)),
    params:
        section=lambda wildcards: STUDY.mapping[wildcards.mapping].model_dump(),
        task=lambda wildcards: STUDY.tasks[STUDY.mapping[wildcards.mapping].task].model_dump(),
        evaluate={name: config["evaluate"][name] for name in ("bootstrap", "seed")},
        version=versions.of("mapping"),
    message:
        "Mapping the features of {wildcards.mapping} to one another"
    script:
        "../scripts/map_features.py"


rule mappings:
    input:
        PLAN.crossmodal_mapping(),
    message:
        "Mappings are there"
