"""What each job asks its scheduler for: the table of defaults, the study's changes to it, shard sizes and attempts."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from triptych.core.config.resources import EVERY, LEAST_MB, TABLE, Resources
from triptych.core.invocation import command_line

#: Each attempt asks for this many times what the one before asked for.
GROWTH = 2
#: Memory that Snakemake itself takes around a job on a node, beside what an encoder or a model is known to need (MB).
AROUND_MB = 400
#: The same for each row of the table: both Snakemakes around a job read it (100,000 rows: 90 MB each, measured).
ROW_MB = 0.002
#: Names in the profile's `default-resources` -> the resource that jobs on a card get from it.
ON_CARDS = {"gpu_partition": "slurm_partition", "gpu_type": "gpu_model", "gpu_gres": "gres"}
#: What the executor takes as `gpu_model`: a kind with a hyphen ends each job when it is submitted.
KIND = re.compile(r"[A-Za-z0-9_.]+")

Value = Callable[..., Any] | float | None


class Needs:
    """The resources of every rule, for `resources: **NEEDS("rule", ...)` and `threads: NEEDS.threads("rule")`.

    Args:
        given: the study's section `resources`.
        gpus: graphics cards that jobs of this run share; with none, no job asks for one.
        site: the profile's `default-resources` as text: `gpu_partition`, `gpu_type` and `gpu_gres` are for jobs on
            cards alone, the others stay what jobs without a card have.
        rows: of the table.
        tell: told once of each rule whose jobs get less memory than they are known to need.
    """

    def __init__(
        self,
        given: Mapping[str, Resources],
        gpus: int,
        site: Mapping[str, str] | None = None,
        rows: int = 0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.given, self.gpus, self.site, self.rows, self.tell = given, gpus, dict(site or {}), rows, tell
        self._cut: set[str] = set()

    def row(self, rule: str) -> Resources:
        """What jobs of a rule ask for, complete: the rule's own entry, then `every`, then the table."""
        told = TABLE[rule].model_dump()
        for name in (EVERY, rule):
            if name in self.given:
                told |= self.given[name].model_dump(exclude_none=True)
        return Resources(**told)

    def named(self, rule: str, key: str) -> bool:
        """Whether the study itself names this value of a rule."""
        return any(getattr(self.given[name], key) is not None for name in (EVERY, rule) if name in self.given)

    def local(self) -> list[str]:
        """Rules whose jobs run where Snakemake runs."""
        return [rule for rule in TABLE if self.row(rule).local]

    def threads(self, rule: str, otherwise: Value = None) -> Value:
        """Threads of a rule's jobs: what the study names for the rule, or `otherwise`, or the table's."""
        return otherwise if otherwise is not None and not self.named(rule, "threads") else self.row(rule).threads

    def __call__(
        self, rule: str, *, videos: Value = None, mem_mb: Value = None, gpu: Value = None, **more: Value
    ) -> dict[str, Any]:
        """The resources of a rule's jobs.

        Args:
            rule: its name, a row of the table.
            videos: videos of a job: their number or a list of them, or a function of the wildcards that gives either.
            mem_mb: what a job is known to need beside Snakemake itself: its model and its batches.
            gpu: whether a job wants a card; it gets one where there are any.
            **more: further resources, as they are.
        """
        row = self.row(rule)
        known = not self.named(rule, "mem_mb")

        def memory(wildcards, attempt):
            least = row.mem_mb + row.mem_mb_video * _count(videos, wildcards)
            if known and mem_mb is not None:
                least = max(least, _value(mem_mb, wildcards) + AROUND_MB)
            needed = max(least, LEAST_MB) + int(ROW_MB * self.rows)
            if not row.local:
                self._tell_cut(rule, needed, row.max_mem_mb)
            return _grown(needed, attempt, row.max_mem_mb)

        def minutes(wildcards, attempt):
            return _grown(row.runtime + row.runtime_video * _count(videos, wildcards), attempt, row.max_runtime)

        asked = {"mem_mb": memory, "runtime": minutes, **more}
        return asked | (self._cards(gpu) if gpu is not None else {})

    def _tell_cut(self, rule: str, needed: float, most: int | None) -> None:
        if self.tell and most is not None and needed > most and rule not in self._cut:
            self._cut.add(rule)
            self.tell(
                f"note: jobs of {rule} need {math.ceil(needed)} MB, and max_mem_mb in the study gives them {most}"
            )

    def _cards(self, gpu: Value) -> dict[str, Any]:
        """The card of a job, and what a site wants of jobs on cards alone."""
        gres = self.site.get("gpu_gres")

        def on_card(wildcards):
            return bool(self.gpus and _value(gpu, wildcards))

        # A site that takes cards as `--gres` alone gets no `--gpus` beside it; `cards` counts them either way.
        asked: dict[str, Any] = {
            "gpu": lambda wildcards: int(on_card(wildcards) and not gres),
            "cards": lambda wildcards: int(on_card(wildcards)),
        }
        for name, resource in ON_CARDS.items():
            if name in self.site:
                asked[resource] = _either(on_card, self.site[name], self.site.get(resource, ""))
        return asked


def _either(true: Callable[[Any], bool], one: str, other: str) -> Callable[[Any], str]:
    return lambda wildcards: one if true(wildcards) else other


def _value(value: Value, wildcards: Any) -> Any:
    return value(wildcards) if callable(value) else value


def _count(videos: Value, wildcards: Any) -> float:
    found = _value(videos, wildcards)
    return 0 if found is None else found if isinstance(found, (int, float)) else len(found)


def _grown(value: float, attempt: int, most: float | None) -> int:
    """What an attempt asks for, as a whole number: never more than allowed."""
    grown = value * GROWTH ** (attempt - 1)
    return max(1, math.ceil(grown if most is None else min(grown, most)))


def on_cluster(workflow: Any) -> bool:
    """Whether jobs of a Snakemake workflow run on other machines, told while its Snakefile is read.

    Snakemake sets the executor only afterwards, and `--jobs` says nothing: `snakemake -j 4` is a local run too. So the
    command line's own answer is looked up among the callers; a job on a node is known by how it was started.
    """
    if workflow.remote_exec:
        return True
    if (options := command_line()) is not None:
        return options.executor not in (None, "local", "dryrun", "touch")
    # Another program calls Snakemake: executors that hand jobs on are given a number of jobs and no cores.
    return workflow.resource_settings.nodes is not None and workflow.resource_settings.cores is None


def notice(unit: str, shards: Mapping[str, Collection[str]], urls: Collection[str] = ()) -> str | None:
    """What a user should know before a run on a cluster: that media stages by shard are far fewer jobs.

    Args:
        unit: of the study.
        shards: the videos of each.
        urls: the videos that are downloaded, which is a job more.
    """
    videos = sum(map(len, shards.values()))
    if unit == "shard" or videos <= len(shards):
        return None
    by_video = 3 * videos + len(urls)
    by_shard = 3 * len(shards) + sum(any(video in urls for video in members) for members in shards.values())
    return f"unit: video makes {by_video} jobs of the media stages; `unit: shard` in the study makes {by_shard}"


def site(default_resources: Any) -> dict[str, str]:
    """The text of a profile's `default-resources`, by name, as Snakemake keeps them."""
    if default_resources is None:
        return {}
    names = {*ON_CARDS, *ON_CARDS.values()} & set(default_resources)
    return {name: _unquoted(str(default_resources[name].raw)) for name in names}


def _unquoted(text: str) -> str:
    """What Snakemake makes of a quoted text: quotes keep it from evaluating names such as `all`."""
    return text[1:-1] if re.fullmatch(r"'[^'\\]*'|\"[^\"\\]*\"", text) else text


def site_or_exit(default_resources: Any) -> dict[str, str]:
    """`site`, for the Snakefile: what no job could be submitted with goes to the terminal, and Snakemake stops."""
    found = site(default_resources)
    told = ""
    if "gpu_type" in found and "gpu_gres" in found:
        # The executor would ask for both, and for no card of the kind: `--gres=gpu:1 --gpus=a100:0`.
        told = f"gpu_type and gpu_gres are both set; write gpu_gres: gpu:{found['gpu_type']}:1 alone, or gpu_type alone"
    elif (kind := found.get("gpu_type")) and not KIND.fullmatch(kind):
        told = f"gpu_type: {kind}: the executor takes letters, digits, _ and . alone; take `constraint`"
    if told:
        print(f"Nothing was run: default-resources of the profile: {told}", file=sys.stderr)
        sys.exit(1)
    return found
