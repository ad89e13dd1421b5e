"""The lease of a graphics card: one job a card, freed with its holder."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from triptych.core import device


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No cards, no scheduler, and locks of this test's own."""
    device.cards.cache_clear()
    for name in (device.VISIBLE, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "WAIT", 0.01)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    yield
    device.cards.cache_clear()


HOLD = """
import os, sys, tempfile
from triptych.core import device
tempfile.tempdir = sys.argv[1]
with device.lease(int(sys.argv[2])) as name:
    print(name, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.readline()
"""


def hold(folder, gpus, **variables):
    """A job that holds a card until it is told to end; what it was given."""
    job = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(gpus)],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return job


def test_without_cards_a_job_is_on_the_cpu():
    with device.lease(0) as name:
        assert name == "cpu" and device.VISIBLE not in os.environ


def test_a_scheduler_has_chosen_already(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(device.VISIBLE, "1")
    with device.lease(4) as one, device.lease(4) as two:
        assert one == two == "cuda:0" and os.environ[device.VISIBLE] == "1"


def test_jobs_inside_an_allocation_of_several_cards_share_them(tmp_path):
    inside = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}
    jobs = [hold(tmp_path, 2, **inside) for _ in range(2)]
    given = {job.stdout.readline().split()[1] for job in jobs}
    # Another allocation on this node numbers its own cards anew.
    other = hold(tmp_path, 1, **inside | {"SLURM_JOB_ID": "8"})
    assert given == {"0", "1"} and other.stdout.readline().split()[1] == "0"
    for job in [*jobs, other]:
        job.communicate("\n")


def test_two_cards_serve_two_jobs_and_the_third_waits_for_one_to_end(tmp_path, caplog):
    jobs = [hold(tmp_path, 2), hold(tmp_path, 2)]
    given = [job.stdout.readline().split() for job in jobs]
    assert {name for name, _ in given} == {"cuda:0"} and {card for _, card in given} == {"0", "1"}
    got = []

    def third():
        with device.lease(2) as name:
            got.append((name, os.environ[device.VISIBLE]))

    with caplog.at_level(logging.INFO, logger="triptych.device"):
        waiting = threading.Thread(target=third)
        waiting.start()
        waiting.join(0.3)
        assert got == []
        jobs[1].communicate("\n")
        waiting.join(20)
    assert got == [("cuda:0", given[1][1])] and device.VISIBLE not in os.environ
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and told[0] == "waiting for a card: 0, 1 are held by other jobs"
    jobs[0].communicate("\n")


def test_the_lease_of_a_killed_job_is_free(tmp_path):
    code = (
        "import os, signal, tempfile; from triptych.core import device; "
        f"tempfile.tempdir = {str(tmp_path)!r}; lease = device.lease(1); print(lease.__enter__(), flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert ran.stdout.strip() == "cuda:0" and ran.returncode == -9


def test_a_folder_of_someone_else_is_not_trusted(tmp_path):
    (tmp_path / f"triptych-cards.{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="set TMPDIR"), device.lease(1):
        pass


def test_cards_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert device.cards() == 2 and device.wanted("auto") == 2 and device.wanted(1) == 1 and device.wanted(0) == 0
    device.cards.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.cards() == 0


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0,-1,1", ["0"]),
        ("-1", []),
        ("NoDevFiles", []),
        ("GPU-8932f937, MIG-GPU-1/2/3", ["GPU-8932f937", "MIG-GPU-1/2/3"]),
        ("1,1", ["1"]),
    ],
)
def test_names_as_cuda_reads_them(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device.names() == expected


def smi(folder, *lines):
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\ncat <<'EOF'\n" + "\n".join(lines) + "\nEOF\n")
    tool.chmod(0o755)


def test_what_nvidia_smi_lists(tmp_path):
    assert device.names() == []
    smi(tmp_path, "GPU 0: NVIDIA A100 (UUID: GPU-aa)", "GPU 1: NVIDIA A100 (UUID: GPU-bb)")
    assert device.names() == ["0", "1"]
    smi(
        tmp_path,
        "GPU 0: NVIDIA A100 (UUID: GPU-aa)",
        "  MIG 3g.20gb     Device  0: (UUID: MIG-c1)",
        "  MIG 3g.20gb     Device  1: (UUID: MIG-c2)",
        "GPU 1: NVIDIA A100 (UUID: GPU-bb)",
    )
    assert device.names() == ["MIG-c1", "MIG-c2", "GPU-bb"]
    with device.lease(2):
        assert os.environ[device.VISIBLE] == "MIG-c1"


@pytest.mark.fault(32)
def test_the_notice_before_a_run(monkeypatch):
    assert device.notice("auto", []) is None
    assert device.notice(0, ["words", "seen"]) == "No graphics card is used (gpus: 0): words, seen on the CPU"
    assert device.notice("auto", ["words"]) == "No graphics card is there: words on the CPU"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    device.cards.cache_clear()
    assert device.notice("auto", ["words"]) is None and device.notice(1, ["words"]) is None
    assert device.notice(4, ["words"]) == "gpus: 4, but there is only 1"


def test_on_a_cluster_the_cards_are_the_nodes():
    assert device.cards() == 0
    assert device.wanted(8, cluster=True) == 8 and device.wanted("auto", cluster=True) == 0
    told = device.notice("auto", ["words", "seen"], cluster=True)
    assert told.startswith("gpus: auto counts no cards of a cluster: words, seen on the CPU")
    assert device.notice(8, ["words"], cluster=True) is None
    assert device.notice(0, ["words"], cluster=True) == "No graphics card is used (gpus: 0): words on the CPU"
    assert device.notice("auto", [], cluster=True) is None


@pytest.mark.fault(32)
def test_a_job_that_was_given_a_card_and_sees_none_says_so(monkeypatch):
    assert device.granted("auto", {"gpu": 0}) == 0 and device.granted(2, {"gpu": 1}) == 0
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert device.granted(2, {"gpu": 0}) == 0
    for asked in ({"gpu": 1}, {"gpu": 0, "gres": "gpu:a100:1"}):
        with pytest.raises(device.NoCard, match=r"cannot see on .*CUDA_VISIBLE_DEVICES is not set"):
            device.granted(2, asked)
    monkeypatch.setenv(device.VISIBLE, "1")
    device.cards.cache_clear()
    assert device.granted(8, {"gpu": 1}) == device.granted("auto", {"gpu": 0, "gres": "gpu:1"}) == 1
