"""Triptych: from a table of videos to a fused, reported result.

Table of contents: the study is read and checked, then each file of rules holds one stage, in run order.
"""

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# Jobs in environments of their own import the package from this checkout too.
CHECKOUT = str(Path(workflow.basedir).resolve())
sys.path.insert(0, CHECKOUT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [CHECKOUT, os.environ.get("PYTHONPATH")]))

# A study file is complete: config.yaml would be merged under it, so it is read only when no other is given.
if not workflow.config_settings.configfiles:

    configfile: f"{CHECKOUT}/config.yaml"


from triptych.commands import begin
from triptych.commands.check import load_or_exit
from triptych.core import device, live, resources, unfinished, unsaid, versions, waking
from triptych.core.lasting import lasting
from triptych.core.paths import Paths
from triptych.core.plan import Plan

# Jobs that parse this file again (on a cluster) read a study that was checked when the run began.
STUDY, CORPUS = load_or_exit(
    config,
    workflow.configfiles,
    quick=not workflow.is_main_process,
    # With `--software-deployment-method conda` jobs have packages of their own (envs/).
    installed=not workflow.deployment_settings.deployment_method,
)
# Every default stands in one place: scripts read the complete study, not what the file happened to name.
config.clear()
config.update(STUDY.model_dump(by_alias=True, mode="json"))
workflow.register_resource("downloads", STUDY.fetch.concurrent)
PATHS = Paths.of(STUDY)
# One run a study: a second one stops here, before Snakemake's own checks, whose advice would mislead.
if workflow.is_main_process:
    begin.begin_or_exit(PATHS, workflow.config_settings.configfiles or ())
else:
    live.hand_on_restart()
PLAN = Plan(STUDY, CORPUS)
#: For wildcards of rules that this study needs not: no name begins with a hyphen, but any word may be one.
NOTHING = "-"
CLUSTER = resources.on_cluster(workflow)
#: Graphics cards that jobs of this run share.
GPUS = device.wanted(STUDY.gpus, CLUSTER)
workflow.register_resource("gpu", GPUS)
workflow.register_resource("cards", GPUS)
SITE = resources.site_or_exit(workflow.resource_settings.default_resources)
#: What each rule's jobs ask for: `resources: **NEEDS("rule", ...)`.
NEEDS = resources.Needs(
    STUDY.resources,
    GPUS,
    SITE,
    rows=len(PLAN.rows),
    tell=begin.told if workflow.is_main_process and CLUSTER else None,
)


wildcard_constraints:
    video=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    unit=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    shard=r"\d+",
    source=r"[A-Za-z0-9_-]+",
    encoder=r"[A-Za-z0-9_-]+",
    feature=r"[A-Za-z0-9_-]+",
    relabel=r"[A-Za-z0-9_-]+",
    summary=r"[A-Za-z0-9_-]+",
    match=r"[A-Za-z0-9_-]+",
    imagine=r"[A-Za-z0-9_-]+",
    task=r"[A-Za-z0-9_-]+",
    model=r"[A-Za-z0-9_-]+",
    mapping=r"[A-Za-z0-9_-]+",


localrules:
    all,
    media,
    transcripts,
    summaries,
    embeddings,
    features,
    relabels,
    predictions,
    matches,
    comparisons,
    mappings,
    report,


rule all:
    default_target: True
    input:
        # A function, since the list grows with the table and jobs of a cluster need it not.
        lambda wildcards: lasting(PLAN),
        lambda wildcards: PLAN.dropped_sources(),


include: "rules/intake.smk"
include: "rules/media.smk"
include: "rules/transcribe.smk"
include: "rules/summarise.smk"
include: "rules/embed.smk"
include: "rules/relabel.smk"
include: "rules/duplicates.smk"
include: "rules/task.smk"
include: "rules/classify.smk"
include: "rules/curves.smk"
include: "rules/networks.smk"
include: "rules/fuse.smk"
include: "rules/mapping.smk"
include: "rules/match.smk"
include: "rules/imagine.smk"
include: "rules/report.smk"


# What is done in a second or two is no job of a cluster.
workflow.localrules(*NEEDS.local())


if workflow.is_main_process:
    networks = [name for name, card in {**SPEECH_CARDS, **CARDS}.items() if card.gpu]
    networks += [name for name, section in STUDY.relabel.items() if section.use == "nli"]
    networks += [*TUNED, *WRITTEN, *STUDY.imagine]
    if told := device.notice(STUDY.gpus, networks, CLUSTER):
        print(told, file=sys.stderr)
    urls = {video for video, row in PLAN.rows.items() if row.is_url} if CLUSTER else set()
    if CLUSTER and (told := resources.notice(STUDY.unit, PLAN.shards, urls)):
        print(told, file=sys.stderr)


onstart:
    # When Snakemake was called by another program its options were not to be seen before.
    begin.started(PATHS)
    waking.when_jobs_end(workflow)


onerror:
    unfinished.mark(workflow)
    unsaid.tell(workflow, PATHS.live, log)
