"""`triptych doctor --slurm`: what a site's SLURM answers, tried with a job; `doctor_site` tells the lines that follow.

A status command that does not work makes Snakemake wait for ever without a message, so it is tried here, not guessed.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from triptych.commands.doctor import Finding, standing, version_of
from triptych.commands.doctor_node import HOSTS
from triptych.commands.doctor_site import REMEMBERED, SINFO, Partition, Site, partitions

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
#: Less free scratch on a node than this is told (GB).
LEAST_SCRATCH = 2.0
SECONDS = 60
#: A limit of fewer minutes is told: jobs of the media stages and of models ask for an hour and more.
SHORT = 120
#: Name of the trial jobs.
NAME = "triptych-doctor"
#: How a card is asked for, by the name that the site's lines have for it; some sites know the second alone.
CARD_OPTIONS = {"gpu": "--gpus=1", "gres": "--gres=gpu:1"}
#: Advice where SLURM takes no job.
NAMED, ASK = "--partition, --account or --qos", "ask the site where you may submit jobs"


def examine(site: Site, folder: Path | str = ".", wait: float = 120.0) -> Iterator[Finding]:
    """Every check in turn; what is found goes to `site`.

    Args:
        site: filled in; what it names of a partition, an account and a quality of service is used for the trial.
        folder: of the results, which nodes must see.
        wait: seconds in which a trial job must run.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    yield from _executor()
    if missing:
        yield Finding("missing", "slurm", f"no {', '.join(missing)} on PATH", "run this where jobs are submitted")
        return
    asked = _ask("sinfo", "-h", "-o", SINFO)
    if asked.returncode != 0:
        yield Finding("missing", "slurm", _last(asked.stderr), "is SLURM_CONF right, is the controller up?")
        return
    yield Finding("ok", "slurm", _ask("sinfo", "--version").stdout.strip())
    site.partitions = partitions(asked.stdout)
    for one in site.partitions:
        yield Finding("ok", f"partition {one.name}", _described(one))
    if site.common is None:
        names = ", ".join(one.name for one in site.partitions) or "none"
        told = f"{site.partition or 'none'} is not among those that take jobs ({names})"
        yield Finding("missing", "partition", told, "name another with --partition" if site.partitions else ASK)
        return
    yield from _accounts(site)
    yield from _locks(Path(folder))
    yield from _trial(site, Path(folder), wait)


def _executor() -> Iterator[Finding]:
    version = version_of("snakemake-executor-plugin-slurm")
    advice = "" if version else 'pip install "triptych[slurm]", in the environment that the nodes use too'
    yield Finding("ok" if version else "missing", "executor slurm", version or "not installed", advice)


def _described(one: Partition) -> str:
    limit = "no time limit" if one.minutes is None else f"at most {one.minutes:g} minutes"
    told = f"{one.nodes} nodes with {one.cpus} processors and {one.memory_mb} MB or more, {limit}"
    if one.cards:
        kinds = [kind for kind in one.cards if kind]
        told += f", cards{': ' + ', '.join(kinds) if kinds else ''}"
    return told + (" (the site's default)" if one.default else "")


def _accounts(site: Site) -> Iterator[Finding]:
    """Accounts that may be charged: one that was named first, then the user's default."""
    found: list[str] = list(site.accounts)
    user = getpass.getuser()
    for command in (
        ["sacctmgr", "-n", "-P", "show", "user", user, "format=defaultaccount"],
        ["sacctmgr", "-n", "-P", "show", "assoc", f"user={user}", "format=account"],
        ["sshare", "-U", "-h", "-P", "-o", "account"],
    ):
        asked = _ask(*command)
        if asked.returncode == 0:
            found += [word.strip() for word in asked.stdout.splitlines() if word.strip()]
    site.accounts = list(dict.fromkeys(found))
    if site.accounts:
        yield Finding("ok", "accounts", ", ".join(site.accounts))
    else:
        told = "SLURM names none; where jobs are refused without one, set slurm_account in the profile"
        yield Finding("optional", "accounts", "none found", told)


def _locks(folder: Path) -> Iterator[Finding]:
    """Whether the file system of the results has locks: each artefact's writer holds one."""
    folder = standing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".triptych-lock.") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        yield Finding(
            "optional",
            "locks",
            f"{folder}: {error.strerror}",
            "two runs at once are not held apart there; end one before the other is started",
        )
    else:
        yield Finding("ok", "locks", f"flock works in {folder}")


def _trial(site: Site, folder: Path, wait: float) -> Iterator[Finding]:
    """A job on a node, one on a card, and who tells how they stand."""
    with tempfile.TemporaryDirectory(dir=standing(folder), prefix=".triptych-doctor.") as shared:
        job, told = _job(site, Path(shared), wait)
        if job is None:
            site.tried = False
            yield Finding("missing", "trial job", told, f"name what suits with {NAMED}; or {ASK}")
            yield from _status(site, None)
            return
        seen = _seen(told)
        if seen is None:
            yield Finding("optional", "trial job", told or f"no node took it in {wait:g} s", "try again, or --wait 600")
        else:
            yield from _node(seen)
        yield from _status(site, job if seen else None)
        yield from _cards(site, Path(shared), wait if seen else 0.0)
    yield from _limit(site)
    yield from _preemption(site)


def _limit(site: Site) -> Iterator[Finding]:
    """A warning where jobs have less time than most of them ask for, as in partitions for debugging."""
    limit = site.most_minutes()
    if limit is not None and limit < SHORT:
        names = ", ".join(one.name for one in site.used() if one.minutes == limit)
        advice = "name a partition with a longer limit, or take many small shards"
        yield Finding("optional", "time of jobs", f"at most {limit:g} minutes in {names}", advice)


def _preemption(site: Site) -> Iterator[Finding]:
    """A note where jobs that make room for others are cancelled: the executor waits for SLURM to begin them again."""
    config = _ask("scontrol", "show", "config").stdout
    general = re.search(r"^PreemptMode\s*=\s*(\S+)", config, re.MULTILINE)
    cancelled = []
    for one in site.used():
        own = re.search(r"\bPreemptMode=(\S+)", _ask("scontrol", "-o", "show", "partition", one.name).stdout)
        mode = own or general
        cancelled += [one.name] if mode and "CANCEL" in mode[1] else []
    if cancelled:
        told = (
            f"PreemptMode=CANCEL: in {', '.join(cancelled)} a job that makes room for another is not put in line again"
        )
        advice = (
            "Snakemake waits for such a job for ever: take what is not preempted, or end the run with Ctrl-C and go on"
        )
        yield Finding("optional", "preemption", told, advice)


def _options(site: Site, place: Partition | None, card: list[str]) -> list[str]:
    told = ["--time=5", "--mem=600", "--ntasks=1", *card]
    told += [f"--partition={place.name}"] if place else []
    told += [f"--qos={site.qos}"] if site.qos else []
    return told + ([f"--account={site.accounts[0]}"] if site.accounts else [])


def _job(site: Site, shared: Path, wait: float, card: list[str] | None = None) -> tuple[str | None, str]:
    """Number and output of a trial job; None and the message when it was refused. It is cancelled after `wait`."""
    out = shared / f"node{len(list(shared.iterdir()))}.txt"
    command = shlex.join([sys.executable, "-m", "triptych.commands.doctor_node"])
    asked = _ask(
        *("sbatch", "--parsable", f"--job-name={NAME}", f"--output={out}", "--export=ALL"),
        *(*_options(site, site.with_cards if card else site.common, card or []), f"--wrap={command}"),
    )
    if asked.returncode != 0:
        return None, _last(asked.stderr)
    job = asked.stdout.strip().split(";")[0]
    deadline = time.monotonic() + wait
    try:
        # What the job printed is looked for, not its state: whether that can be asked is tried later.
        while time.monotonic() < deadline and _seen(_text(out)) is None:
            time.sleep(0.5)
    finally:
        if _seen(_text(out)) is None:
            _ask("scancel", job)
    return job, _text(out)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _seen(told: str) -> dict[str, Any] | None:
    """What a node said: the last line that is JSON."""
    for line in reversed(told.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return None


def _node(seen: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("ok", "trial job", f"ran on {seen['node']}, which sees the folder of the results")
    for package, version in seen["packages"].items():
        advice = "" if version else "nodes must use the environment that Snakemake runs in, on a shared file system"
        yield Finding("ok" if version else "missing", f"{package} on the node", version or "not there", advice)
    advice = ""
    if seen["step"]:
        advice = "jobs of Snakemake start one each: is the configuration in its usual place, not named by SLURM_CONF?"
    yield Finding("missing" if seen["step"] else "ok", "step inside a job", seen["step"] or "runs", advice)
    reached = [host for host in HOSTS if seen["network"].get(host)]
    if len(reached) == len(HOSTS):
        yield Finding("ok", "network of nodes", f"{', '.join(reached)} can be reached")
    else:
        advice = (
            "bring weights before (`triptych models --fetch`), and download from here: `resources: {fetch_video: "
            "{local: true}}` in the study"
        )
        lacking = ", ".join(host for host in HOSTS if host not in reached)
        yield Finding("optional", "network of nodes", f"{lacking} cannot be reached", advice)
    place, free = seen["scratch"]
    enough = free / 1e9 >= LEAST_SCRATCH
    advice = "" if enough else "set TMPDIR to the node's own scratch: see docs/cluster.md"
    yield Finding("ok" if enough else "optional", "scratch of the node", f"{free / 1e9:.1f} GB in {place}", advice)


def _status(site: Site, job: str | None) -> Iterator[Finding]:
    """Whether sacct, or squeue, tells how an ended job stands: the profile names one that does."""
    reason = "not on PATH"
    if shutil.which("sacct"):
        deadline = time.monotonic() + (15 if job else 0)
        while True:
            asked = _ask(*sacct(NAME))
            listed = job is None or any(line.split("|")[0] == job for line in asked.stdout.splitlines())
            # Accounting learns of a job some seconds late.
            if asked.returncode != 0 or listed or time.monotonic() > deadline:
                break
            time.sleep(1)
        if asked.returncode == 0 and listed:
            site.status = "sacct"
            yield Finding("ok", "status of jobs", "sacct answers")
            return
        reason = "does not list the trial job" if asked.returncode == 0 else _last(asked.stderr)
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", _ask("scontrol", "show", "config").stdout, re.MULTILINE)
    remembered = int(age[1]) if age else 0
    site.status = "squeue"
    told = f"squeue, which remembers ended jobs for {remembered} s (sacct: {reason})"
    if remembered >= REMEMBERED:
        yield Finding("ok", "status of jobs", told)
        return
    site.unsafe = f"ended jobs are forgotten after {remembered} s"
    advice = (
        "jobs are forgotten before they are asked for; Snakemake would wait for ever: use sacct, or ask the site for "
        "MinJobAge 300"
    )
    yield Finding("missing", "status of jobs", told, advice)


def sacct(name: str) -> list[str]:
    """How the executor asks accounting for the jobs of a name; a site may answer to less, and not to this."""
    since = f"{datetime.now() - timedelta(days=2):%Y-%m-%dT%H:00}"
    return [
        *("sacct", "-X", "--parsable2", "--clusters", "all", "--noheader", "--format=JobIdRaw,State"),
        *("--starttime", since, "--endtime", "now", "--name", name),
    ]


def _cards(site: Site, shared: Path, wait: float) -> Iterator[Finding]:
    """How cards are asked for: `--gpus`, or at some sites `--gres` alone; and what a job on a card sees."""
    if site.with_cards is None:
        yield Finding("optional", "graphics cards", "no partition has any", "everything runs on the CPU")
        return
    refused = _find_cards(site)
    if site.card_syntax is None:
        yield Finding("optional", "graphics cards", refused, f"name what suits with {NAMED}; or {ASK}")
        return
    seen, option = None, CARD_OPTIONS[site.card_syntax]
    if wait:
        _, told = _job(site, shared, wait, [option])
        seen = _seen(told)
    if seen is None:
        told = f"{option} is accepted in {site.with_cards.name}; no card was free to try it"
        yield Finding("ok", "graphics cards", told)
        return
    cards, visible = seen["cards"]["listed"], seen["cards"]["visible"]
    told = f"{option} in {site.with_cards.name} gives {', '.join(cards) or 'what nvidia-smi does not list'}"
    advice = "" if cards else f"on {seen['node']} the driver or nvidia-smi is missing (CUDA_VISIBLE_DEVICES: {visible})"
    yield Finding("ok" if cards else "optional", "graphics cards", told, advice)


def _find_cards(site: Site) -> str:
    """Try the partitions with cards in turn, and each way to ask for a card; why none takes a job, or nothing."""
    refused = []
    for place in site.have_cards():
        for syntax, option in CARD_OPTIONS.items():
            asked = _ask("sbatch", "--test-only", *_options(site, place, [option]), "--wrap=true")
            if asked.returncode == 0:
                site.card_partition, site.card_syntax = place.name, syntax
                return ""
        refused.append(f"{place.name}: {_last(asked.stderr)}")
    return "; ".join(refused)


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    """A client program's answer; one that is missing or hangs answers with an error."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _last(told: str) -> str:
    return (told.strip().splitlines() or ["no answer"])[-1]
