"""A real SLURM of this machine's own: Debian's packages, several nodes and pretended cards, on the loopback alone.

As a program, for trials by hand (nothing of /etc, systemd or cgroups is used; all lies in one folder):

    python tests/slurm/cluster.py install           the packages (as root)
    python tests/slurm/cluster.py start FOLDER      the daemons
    eval "$(python tests/slurm/cluster.py env FOLDER)"
    python tests/slurm/cluster.py stop FOLDER       cancels what runs, ends the daemons by their numbers
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
#: Character devices that stand for cards: SLURM numbers them and sets CUDA_VISIBLE_DEVICES; nobody opens them.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
#: Debian keeps daemons out of a user's PATH.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing() -> list[str]:
    """Programs of SLURM that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


def install() -> str | None:
    """Install the packages, none of whose services is started; what went wrong, or None."""
    if not missing():
        return None
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return "SLURM is installed with apt-get, as root"
    hook = Path("/usr/sbin/policy-rc.d")
    held = not hook.exists()
    if held:
        hook.write_text("#!/bin/sh\nexit 101\n")
        hook.chmod(0o755)
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    words = ["-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    try:
        for command in (["apt-get", "update", "-qq"], ["apt-get", *words]):
            ran = subprocess.run(command, env=settings, capture_output=True, text=True)
            if ran.returncode != 0:
                return (ran.stderr.strip().splitlines() or ["apt-get failed"])[-1]
    finally:
        if held:
            hook.unlink(missing_ok=True)
    return f"still missing: {', '.join(missing())}" if missing() else None


def wait_until(true: Callable[[], object], seconds: float, what: str, pause: float = 0.1):
    """The first true answer, asked for again and again.

    Raises:
        TimeoutError: `what` did not come about in `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
    return answer


class Cluster:
    """A controller and some nodes in `folder`, which belongs to it alone and goes with it.

    Args:
        folder: for settings, logs and numbers of processes; not below a folder that others may write to.
        nodes: nodes `n1`, `n2`, ..., each a daemon of its own.
        cpus: processors that a node claims to have.
        memory: MB that a node claims to have.
        cards: cards that a node claims to have.
    """

    def __init__(self, folder: Path, *, nodes: int = 2, cpus: int = 2, memory: int = 8000, cards: int = 2) -> None:
        self.folder = folder.resolve()
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.cpus, self.memory, self.cards = cpus, memory, cards
        self.environment: Mapping[str, str] = {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder}/bin{os.pathsep}{PATH}",
        }

    # Life.

    def start(self) -> None:
        """Start the daemons, and wait for idle nodes."""
        for name in ("log", "pid", "state", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._write()
        socket_ = self.folder / "munge.socket"
        munged = ["munged", "--foreground", "--force", "--num-threads=2", f"--key-file={self.folder}/munge.key"]
        munged += [f"--socket={socket_}", f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/seed"]
        self._spawn("munged", *munged, f"--log-file={self.folder}/log/munged.log")
        wait_until(socket_.exists, 15, "munge")
        self._spawn("slurmctld", "slurmctld", "-D")
        wait_until(lambda: self.run("scontrol", "ping", check=False).returncode == 0, 30, "slurmctld")
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.states().count("idle") == len(self.nodes), 60, f"idle nodes ({self.folder}/log)")

    def stop(self) -> None:
        """Cancel all jobs, then end the daemons by their numbers, and remove the folder."""
        if not (self.folder / "pid").is_dir():
            return
        if self._process("slurmctld") is not None:
            with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                self.run("scancel", "--user", getpass.getuser(), check=False)
                wait_until(lambda: not self.jobs(), 20, "the end of the jobs")
        left = [step for node in self.nodes for step in self.steps(node)]
        for name in [*(f"slurmd.{node}" for node in self.nodes), "slurmctld", "munged"]:
            process = self._process(name)
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._spawn(f"slurmd.{node}", "slurmd", "-D", "-N", node)

    def kill_daemon(self, node: str) -> None:
        """A node that is cut off: its daemon is gone, what it runs lives on."""
        process = self._process(f"slurmd.{node}")
        if process is not None:
            process.kill()

    def lose_node(self, node: str) -> None:
        """A node without power: its daemon and all that it runs are gone at once."""
        doomed = [self._process(f"slurmd.{node}")]
        for step in self.steps(node):
            doomed += [*step.children(recursive=True), step]
        for process in filter(None, doomed):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    def hurry(self) -> None:
        """Let jobs start that SLURM put in line again: it would have them wait for two minutes."""
        for job in self.jobs("PD"):
            self.run("scontrol", "update", f"JobId={job['id']}", "StartTime=now", check=False)

    def steps(self, node: str) -> list[psutil.Process]:
        """The processes of SLURM that watch over the jobs of a node: those whose children's variables name it."""
        ours = {("SLURM_CONF", self.environment["SLURM_CONF"]), ("SLURMD_NODENAME", node)}
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if not " ".join(process.info["cmdline"] or []).startswith("slurmstepd:"):
                continue
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if any(ours <= set(child.environ().items()) for child in process.children()):
                    found.append(process)
        return found

    # What it says.

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A client program of SLURM."""
        settings = {**os.environ, **self.environment}
        return subprocess.run(command, env=settings, capture_output=True, text=True, check=check, timeout=60)

    def states(self) -> list[str]:
        """The state of each node."""
        told = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%t", check=False)
        return told.stdout.split()

    def jobs(self, states: str = "PD,R,CG,S") -> list[dict[str, str]]:
        """Jobs that wait or run: number, state, node, cards, rule and wildcards (`what`), reason."""
        columns = "JobID:|,State:|,NodeList:|,tres-per-job:|,Comment:|,Reason:"
        told = self.run("squeue", "-h", "-t", states, "-O", columns)
        keys = ("id", "state", "node", "cards", "what", "reason")
        return [
            dict(zip(keys, (part.strip() for part in line.split("|")), strict=True))
            for line in told.stdout.splitlines()
            if line.strip()
        ]

    def job(self, number: str) -> dict[str, str]:
        """All that SLURM keeps of a job."""
        told = self.run("scontrol", "-o", "show", "job", number).stdout
        return dict(word.split("=", 1) for word in told.split() if "=" in word)

    # Inside.

    def _spawn(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as out:
            settings = {**os.environ, **self.environment}
            daemon = subprocess.Popen(
                command, env=settings, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        (self.folder / "pid" / name).write_text(f"{daemon.pid} {psutil.Process(daemon.pid).create_time()}")

    def _process(self, name: str) -> psutil.Process | None:
        """A daemon that runs: the process with its number that was started when it was."""
        try:
            number, since = (self.folder / "pid" / name).read_text().split()
            process = psutil.Process(int(number))
            same = abs(process.create_time() - float(since)) < 1 and process.status() != psutil.STATUS_ZOMBIE
            return process if same else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None

    def _write(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        first, user, host = free_ports(1 + len(self.nodes)), getpass.getuser(), socket.gethostname().split(".")[0]
        here = self.folder
        lines = [
            f"ClusterName=here\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={first}",
            f"SlurmUser={user}\nSlurmdUser={user}",
            f"AuthType=auth/munge\nAuthInfo=socket={here}/munge.socket",
            f"StateSaveLocation={here}/state\nSlurmdSpoolDir={here}/spool.%n",
            f"SlurmctldPidFile={here}/slurmctld.pid\nSlurmdPidFile={here}/slurmd.%n.pid",
            f"SlurmctldLogFile={here}/log/slurmctld.log\nSlurmdLogFile={here}/log/slurmd.%n.log",
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            "MpiDefault=none\nSwitchType=switch/none",
            # No cgroups: processes are followed by their parents, memory is looked at once a second.
            "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nPropagateResourceLimits=NONE",
            "JobAcctGatherType=jobacct_gather/linux\nJobAcctGatherFrequency=task=1",
            "JobAcctGatherParams=OverMemoryKill\nAccountingStorageType=accounting_storage/none",
            "SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nGresTypes=gpu",
            # Processors and memory are those written here, whatever the machine has.
            "SlurmdParameters=config_overrides\nEnforcePartLimits=ALL\nReturnToService=2",
            "SlurmdTimeout=10\nSlurmctldTimeout=30\nKillWait=2\nMinJobAge=600\nJobRequeue=1",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2",
            # Jobs of `urgent` take the place of those of `spare`, which wait again.
            "PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE",
        ]
        port = first
        for node in self.nodes:
            port += 1
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} Boards=1 "
                f"SocketsPerBoard=1 CoresPerSocket={self.cpus} ThreadsPerCore=1 RealMemory={self.memory} "
                f"Gres=gpu:{self.cards} State=UNKNOWN"
            )
        every = "Nodes=ALL DefaultTime=10 MaxTime=2880 State=UP"
        lines += [
            f"PartitionName=main Default=YES {every} PriorityTier=5 PreemptMode=OFF",
            f"PartitionName=cards {every} PriorityTier=5 PreemptMode=OFF",
            f"PartitionName=spare {every} PriorityTier=1 PreemptMode=REQUEUE",
            f"PartitionName=urgent {every} PriorityTier=9 PreemptMode=OFF",
        ]
        (here / "slurm.conf").write_text("\n".join(lines) + "\n")
        cards = ",".join(DEVICES[: self.cards])
        (here / "gres.conf").write_text(f"NodeName=n[1-{len(self.nodes)}] Name=gpu File={cards}\n" if cards else "")
        (here / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        # The executor takes all SLURM_ variables from the environment of a job's inner srun, SLURM_CONF too.
        shim = here / "bin" / "srun"
        srun = shutil.which("srun", path=f"/usr/bin{os.pathsep}{PATH}")
        shim.write_text(f'#!/bin/sh\nSLURM_CONF={shlex.quote(self.environment["SLURM_CONF"])} exec {srun} "$@"\n')
        shim.chmod(0o755)


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that nobody listens on."""
    for first in range(17000, 60000, 16):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                one = held.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("127.0.0.1", port))
            return first
    raise OSError("no free ports")


def main(words: list[str]) -> int:
    """The commands of the page's head."""
    if words == ["install"]:
        fault = install()
        if fault:
            print(f"SLURM cannot be installed here: {fault}", file=sys.stderr)
        return 1 if fault else 0
    if len(words) != 2 or words[0] not in ("start", "stop", "env", "status"):
        print(__doc__)
        return 2
    cluster = Cluster(Path(words[1]))
    if words[0] == "env":
        for name, value in cluster.environment.items():
            print(f"export {name}={shlex.quote(value)}")
    elif words[0] == "status":
        print(cluster.run("sinfo", "-N", "-l").stdout + cluster.run("squeue", "-l").stdout)
    else:
        getattr(cluster, words[0])()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
