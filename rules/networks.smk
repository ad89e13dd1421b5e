"""Networks: models that PyTorch trains, on a graphics card where one is leased.

Inputs and outputs as of train_model; fine-tuned networks leave a checkpoint too, fitted on all labelled videos.
Steps: train_network, draw_network_curve, finetune_model (finished fits lie in {predictions}.parts/ until all are done).
"""

from triptych.learn.networks import checkpoint as checkpoints

#: Fine-tuned model -> what the checkpoint is that it begins with.
TUNED_WEIGHTS = {name: checkpoints.identity(EVERY[name]) for name in TUNED}


use rule train_model as train_network with:
    wildcard_constraints:
        model="|".join(NETWORKS) or "none",
    conda:
        "../envs/networks.yaml"
    threads: NEEDS.threads("train_network")
    resources:
        **NEEDS("train_network", videos=len(PLAN.rows)),
    message:
        "Training the network {wildcards.model} for {wildcards.task}"


use rule train_model as finetune_model with:
    output:
        predictions=PATHS.predictions("{task}", "{model}"),
        balance=PATHS.balance("{task}", "{model}"),
        checkpoint=directory(PATHS.checkpoint("{task}", "{model}")),
    wildcard_constraints:
        model="|".join(TUNED) or "none",
    conda:
        "../envs/networks.yaml"
    threads: NEEDS.threads("finetune_model")
    resources:
        **NEEDS(
            "finetune_model",
            videos=len(PLAN.rows),
            gpu=True,
        ),
    params:
        # Of weights their content counts, not where they lie.
        weights=lambda wildcards: TUNED_WEIGHTS[wildcards.model],
    message:
        "Fine-tuning {wildcards.model} for {wildcards.task}"


use rule draw_learning_curve as draw_network_curve with:
    wildcard_constraints:
        model="|".join(CURVED_NETWORKS) or "none",
    conda:
        "../envs/networks.yaml"
    threads: NEEDS.threads("draw_network_curve")
    resources:
        **NEEDS(
            "draw_network_curve",
            videos=len(PLAN.rows),
            gpu=lambda wildcards: wildcards.model in TUNED,
        ),
    params:
        weights=lambda wildcards: TUNED_WEIGHTS.get(wildcards.model),
    message:
        "Learning curve of the network {wildcards.model} for {wildcards.task}"
