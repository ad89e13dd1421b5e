"""The lease of a graphics card: one job a card, freed with its holder."""

import subprocess
import sys
import threading

from triptych.core import device


def test_without_cards_a_job_is_on_the_cpu():
    with device.lease(0) as name:
        assert name == "cpu"


def test_a_scheduler_has_chosen_already(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with device.lease(4) as one, device.lease(4) as two:
        assert one == two == "cuda:0"


def test_two_cards_serve_two_jobs_and_the_third_waits_for_one_to_end(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "WAIT", 0.01)
    got = []

    def third():
        with device.lease(2) as name:
            got.append(name)

    with device.lease(2) as one:
        with device.lease(2) as two:
            assert {one, two} == {"cuda:0", "cuda:1"}
            waiting = threading.Thread(target=third)
            waiting.start()
            waiting.join(0.2)
            assert got == []
        waiting.join(10)
    assert got == [two]


def test_the_lease_of_a_killed_job_is_free(tmp_path):
    code = (
        "import os, signal, tempfile; from triptych.core import device; "
        f"tempfile.tempdir = {str(tmp_path)!r}; lease = device.lease(1); print(lease.__enter__(), flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert ran.stdout.strip() == "cuda:0" and ran.returncode == -9


def test_cards_that_may_be_used(monkeypatch):
    device.cards.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert device.cards() == 2 and device.wanted("auto") == 2 and device.wanted(1) == 1 and device.wanted(0) == 0
    device.cards.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device.cards() == 0
    device.cards.cache_clear()
