"""Which device a job computes on: a card leased on workstations, the scheduler's choice on clusters, or the CPU."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

#: Seconds from one look for a free card to the next.
WAIT = 0.5
VISIBLE = "CUDA_VISIBLE_DEVICES"

_log = logging.getLogger("triptych.device")


@cache
def cards() -> int:
    """Number of graphics cards that this process may use, without importing torch."""
    return len(names())


def names() -> list[str]:
    """The cards as CUDA names them: numbers, or UUIDs (`GPU-...`, and `MIG-...` for parts of a card).

    What `CUDA_VISIBLE_DEVICES` lists counts, up to the first entry that names none, as CUDA reads it. Without it the
    cards that nvidia-smi lists; where one is divided (MIG), all by UUID, since CUDA finds only one part by itself.
    """
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return _listed()
    found: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", entry) or entry in found:
            break
        found.append(entry)
    return found


def _listed() -> list[str]:
    """What nvidia-smi lists: `GPU 0: name (UUID: GPU-...)`, each followed by its parts `MIG ... (UUID: MIG-...)`."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    try:
        ran = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if ran.returncode != 0:
        return []
    whole: list[tuple[str, list[str]]] = []
    for line in ran.stdout.splitlines():
        uuid = re.search(r"\(UUID: ((?:GPU|MIG)-[\w/-]+)\)", line)
        if line.startswith("GPU "):
            whole.append((uuid.group(1) if uuid else "", []))
        elif uuid and whole and line.strip().startswith("MIG "):
            whole[-1][1].append(uuid.group(1))
    if any(parts for _, parts in whole):
        return [name for uuid, parts in whole for name in parts or [uuid]]
    return [str(number) for number in range(len(whole))]


class NoCard(RuntimeError):
    """A scheduler gave a job a card that the job cannot see."""


def wanted(gpus: str | int, cluster: bool = False) -> int:
    """Cards that a study's jobs share.

    Here all that are there for `auto`, at most what is there otherwise. On a cluster the cards are the nodes', which
    this machine cannot count: N means N, and `auto` none.
    """
    if cluster:
        return 0 if gpus == "auto" else int(gpus)
    return cards() if gpus == "auto" else min(int(gpus), cards())


def granted(gpus: str | int, resources: Any) -> int:
    """Cards of this machine that a job may share: 0 for a job that asked for none.

    Args:
        gpus: of the study file.
        resources: of the job, as Snakemake gives them: `gpu`, or `gres` at sites that take cards by it.

    Raises:
        NoCard: a scheduler gave a card and none is seen; computing for days on the CPU of its node would be no help.
    """
    asked = resources.get("gpu", 0) or "gpu" in str(resources.get("gres", ""))
    if not asked:
        return 0
    found = wanted(gpus)
    if found < 1 and os.environ.get("SLURM_JOB_ID"):
        raise NoCard(
            f"SLURM gave this job a card that it cannot see on {socket.gethostname()} ({VISIBLE} is "
            f"{os.environ.get(VISIBLE, 'not set')}): `nvidia-smi -L` on that node tells why; "
            "`slurm-exclude-failed-nodes` in the profile leaves it out"
        )
    return found


def notice(gpus: str | int, networks: Iterable[str], cluster: bool = False) -> str | None:
    """What a user should know before a run: that networks run on the CPU, or on fewer cards than asked for.

    Args:
        gpus: of the study file.
        networks: names of what would run on a card.
        cluster: whether jobs run on the nodes of a cluster.
    """
    listed = ", ".join(networks)
    if not listed:
        return None
    if cluster:
        if gpus == "auto":
            return f"gpus: auto counts no cards of a cluster: {listed} on the CPU; with `gpus: N` N jobs have one each"
        return f"No graphics card is used (gpus: 0): {listed} on the CPU" if int(gpus) < 1 else None
    if gpus != "auto" and int(gpus) < 1:
        return f"No graphics card is used (gpus: {gpus}): {listed} on the CPU"
    if cards() == 0:
        return f"No graphics card is there: {listed} on the CPU"
    if gpus != "auto" and int(gpus) > cards():
        return f"gpus: {gpus}, but there {'is' if cards() == 1 else 'are'} only {cards()}"
    return None


@contextlib.contextmanager
def lease(gpus: int) -> Iterator[str]:
    """The device of a job: `cpu`, or `cuda:0`, the only card it sees until it ends (the kernel frees it at its death).

    On a workstation it is a card that no other job of this user holds; under a scheduler one of those that the
    scheduler gave. Take the lease before anything imports a library that looks for cards: `CUDA_VISIBLE_DEVICES`
    names the leased card alone, so that libraries which take all cards, like tensorflow, leave the others.

    Cards are told apart by their names: name them the same way in all runs (numbers, or UUIDs).

    Args:
        gpus: cards of this machine that jobs may share; 0 for the CPU.

    Raises:
        OSError: the folder of the locks belongs to someone else.
    """
    if gpus < 1:
        yield "cpu"
        return
    before = os.environ.get(VISIBLE)
    visible = names() or [str(number) for number in range(gpus)]
    if os.environ.get("SLURM_JOB_ID") and len(visible) == 1:
        yield "cuda:0"
        return
    with _locked(_lock_folder(), visible[:gpus]) as name:
        os.environ[VISIBLE] = name
        try:
            yield "cuda:0"
        finally:
            if before is None:
                os.environ.pop(VISIBLE, None)
            else:
                os.environ[VISIBLE] = before


def _lock_folder() -> Path:
    """Where locks lie: of this user, and of this job under a scheduler, whose cards may be numbered anew in each."""
    job = os.environ.get("SLURM_JOB_ID")
    name = f"triptych-cards.{os.getuid()}" + (f".{re.sub(r'[^0-9]', '', job)}" if job else "")
    folder = Path(tempfile.gettempdir()) / name
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of yours, so cards cannot be leased; remove it or set TMPDIR")
    return folder


@contextlib.contextmanager
def _locked(folder: Path, visible: list[str]) -> Iterator[str]:
    """The first card whose lock is free, waited for; held to the end of the block."""
    started = time.monotonic()
    waited = False
    while True:
        for name in visible:
            handle = (folder / f"{name.replace('/', '_')}.lock").open("a+")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                continue
            except BaseException:
                handle.close()
                raise
            if waited:
                _log.info("card %s is free after %.0f s", name, time.monotonic() - started)
            with handle:
                yield name
            return
        if not waited:
            _log.info("waiting for a card: %s %s held by other jobs", ", ".join(visible), _are(visible))
            waited = True
        time.sleep(WAIT)


def _are(listed: list[str]) -> str:
    return "is" if len(listed) == 1 else "are"
