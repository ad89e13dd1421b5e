"""Networks: models that PyTorch trains, on a graphics card where one is leased.

Inputs and outputs as of train_model; fine-tuned networks leave a checkpoint too, fitted on all labelled videos.
Steps: train_network, finetune_model.
"""


use rule train_model as train_network with:
    wildcard_constraints:
        model="|".join(NETWORKS) or "none",
    threads: 2
    resources:
        mem_mb=6000,
        runtime=1440,
        gpu=0,
    message:
        "Training the network {wildcards.model} for {wildcards.task}"


use rule train_model as finetune_model with:
    wildcard_constraints:
        model="|".join(TUNED) or "none",
    threads: 2
    resources:
        mem_mb=8000,
        runtime=2880,
        gpu=min(1, GPUS),
    message:
        "Fine-tuning {wildcards.model} for {wildcards.task}"
