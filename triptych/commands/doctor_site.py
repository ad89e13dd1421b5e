"""What was found of a SLURM site, and the lines of the profile and of the study that follow from it."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass, field

from triptych.core.config.resources import LEAST_MB
from triptych.core.resources import KIND

#: Seconds for which SLURM must remember ended jobs (MinJobAge) where `squeue` is asked. The executor waits ten seconds
#: longer after each round in which nothing ends, up to 180 whatever it begins with, and waits without end for a job
#: that was forgotten in between; the rest is for the question itself.
REMEMBERED = 240
#: Names that Snakemake sets for values of `default-resources`, beside Python's and its own functions.
EVALUATED = ("wildcards", "input", "attempt", "threads", "system_tmpdir", "shutil", "async_run")
#: Words that YAML takes for something else than text.
YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
#: What `sinfo` is asked: name, whether it takes jobs, limit, number of nodes, processors, MB, cards.
SINFO = "%P|%a|%l|%D|%c|%m|%G"


@dataclass(frozen=True)
class Partition:
    """A partition: limit in minutes (None: none), and of its nodes number, least processors and MB, kinds of cards."""

    name: str
    default: bool
    minutes: float | None
    nodes: int
    cpus: int
    memory_mb: int
    cards: tuple[str, ...]


@dataclass
class Site:
    """What was found of a site; `lines` are the profile's that follow from it.

    `partition` and `qos` are what the user named for the trial, if anything; a named account is the first of all.
    """

    partitions: list[Partition] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    status: str = "squeue"
    #: What is wrong with the status command, where no better one was found.
    unsafe: str = ""
    #: `gpu`, `gres`, or None where no job gets a card.
    card_syntax: str | None = None
    #: The partition that took a job on a card; the first that has any where none was asked.
    card_partition: str = ""
    partition: str = ""
    qos: str = ""
    #: Whether SLURM took the trial job.
    tried: bool = True

    @property
    def common(self) -> Partition | None:
        """The partition of jobs without a card: the one that was named, the site's default, or the first."""
        named = [one for one in self.partitions if one.name == self.partition]
        if self.partition:
            return (named or [None])[0]
        listed = [one for one in self.partitions if one.default] or [one for one in self.partitions if not one.cards]
        return (listed or self.partitions or [None])[0]

    def have_cards(self) -> list[Partition]:
        """Partitions that have cards, in the order in which jobs on cards try them.

        One that was named comes first, the site's default last: most sites keep cards in a partition of their own.
        """
        listed = [one for one in self.partitions if one.cards]
        return sorted(listed, key=lambda one: (one.name != self.partition, one is self.common))

    @property
    def with_cards(self) -> Partition | None:
        """The partition of jobs on cards."""
        listed = self.have_cards()
        return next((one for one in listed if one.name == self.card_partition), listed[0] if listed else None)

    def lines(self) -> list[str]:
        """Lines of profiles/slurm/config.yaml."""
        told = [f"slurm-status-command: {self.status}" + (f"    # not safe: {self.unsafe}" if self.unsafe else "")]
        told += ["default-resources:", "  runtime: 30", "  mem_mb: 1000"]
        mark = "" if self.tried else "    # not tried"
        if self.common:
            told.append(f"  slurm_partition: {quoted(self.common.name)}{mark}")
        if self.accounts:
            told.append(f"  slurm_account: {quoted(self.accounts[0])}{mark}")
        if self.qos:
            told.append(f"  qos: {quoted(self.qos)}{mark}")
        if self.with_cards and self.card_syntax:
            told.append(f"  gpu_partition: {quoted(self.with_cards.name)}")
            every = [kind for kind in self.with_cards.cards if kind]
            kinds = [kind for kind in every if KIND.fullmatch(kind)]
            other = [kind for kind in every if kind not in kinds]
            if self.card_syntax == "gres":
                told.append(f"  gpu_gres: {':'.join(['gpu', *kinds[:1], '1'])}")
            elif len(kinds) > 1:
                told.append(f"  gpu_type: {quoted(kinds[0])}    # or {', '.join(kinds[1:])}")
            elif len(every) > 1 and kinds:
                told.append(f"  gpu_type: {quoted(kinds[0])}")
            if other:
                told.append(f"  # {', '.join(other)}: the executor takes no such name of a kind; where it matters,")
                told.append("  # choose nodes by `constraint` in set-resources, or a partition that has one kind")
        return told

    def used(self) -> list[Partition]:
        """The partitions that jobs go to."""
        both = (self.common, self.with_cards if self.card_syntax else None)
        return list({one.name: one for one in both if one}.values())

    def most_minutes(self) -> float | None:
        """The shortest limit of the partitions that jobs go to; a rule may have jobs in each."""
        return min((one.minutes for one in self.used() if one.minutes), default=None)

    def study_lines(self) -> list[str]:
        """Lines of a study file: the most that any node and partition gives, so that retries do not ask for more."""
        # Where a site has not configured memory, SLURM tells 1 MB a node and limits nothing.
        memory = min((one.memory_mb for one in self.used() if one.memory_mb >= LEAST_MB), default=None)
        minutes = self.most_minutes()
        most = [f"max_mem_mb: {memory}"] if memory else []
        most += [f"max_runtime: {minutes:.10g}"] if minutes else []
        return ["resources:", f"  every: {{{', '.join(most)}}}"] if most else []


def quoted(name: str) -> str:
    """A name as a value of `default-resources`: Snakemake evaluates those, so that `all` would be Python's function.

    What no program can take for something else stays as it is, for those who read it.
    """
    from snakemake import ioutils

    known: dict[str, object] = dict.fromkeys(EVALUATED) | vars(builtins)
    ioutils.register_in_globals(known)
    words = re.split(r"[-.]", name)
    plain = re.fullmatch(r"[A-Za-z][\w.-]*", name) and not [word for word in words if word in known]
    return name if plain and name.lower() not in YAML_WORDS else f"\"'{name}'\""


def partitions(told: str) -> list[Partition]:
    """What `sinfo -o SINFO` tells, a line for each partition and kind of node, of the partitions that take jobs.

    Lines of another form are passed by: some sites print a greeting.
    """
    found: dict[str, Partition] = {}
    for line in map(str.strip, told.splitlines()):
        words = line.split("|")
        if len(words) != len(SINFO.split("|")) or not words[3].isdecimal() or words[1] != "up":
            continue
        name, _, limit, nodes, cpus, memory, gres = words
        cards = kinds_of_cards(gres)
        one = Partition(
            name.rstrip("*"), name.endswith("*"), minutes(limit), int(nodes), _number(cpus), _number(memory), cards
        )
        before = found.get(one.name)
        if before:
            kinds = tuple(dict.fromkeys([*before.cards, *one.cards]))
            least = (min(before.cpus, one.cpus), min(before.memory_mb, one.memory_mb))
            one = Partition(one.name, one.default, one.minutes, before.nodes + one.nodes, *least, kinds)
        found[one.name] = one
    return list(found.values())


def kinds_of_cards(gres: str) -> tuple[str, ...]:
    """The kinds of `gpu:a100:4(S:0-1),gpu:2080ti:1,tmpfs:1`; a card without a kind is an empty word."""
    words = [one.strip().split(":") for one in re.sub(r"\([^)]*\)", "", gres).split(",")]
    cards = [word for word in words if word[0] == "gpu" and word[-1] != "0"]
    return tuple(word[1] if len(word) > 1 and not (len(word) == 2 and word[1].isdigit()) else "" for word in cards)


def minutes(limit: str) -> float | None:
    """Minutes of SLURM's `days-hours:minutes:seconds`, or None for `infinite`."""
    if not re.fullmatch(r"[\d:-]+", limit):
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    # `5` is minutes, `5:30` minutes and seconds; after days the hours come first.
    hours, mins, seconds = ([*parts, 0, 0] if days else [*[0] * (3 - len(parts)), *parts])[:3]
    if not days and len(parts) == 1:
        mins, seconds = parts[0], 0
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def _number(told: str) -> int:
    return int(re.match(r"\d*", told)[0] or 0)
