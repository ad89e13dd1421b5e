"""Decoders that crash or hang: signals to the real child that decodes, as the kernel or a driver would send them."""

import faulthandler
import os
import signal
import sys
import threading
import time

import psutil
import pytest
from media import clips
from media.conftest import Bench

from triptych.core.status import Manifest
from triptych.media import unit

WALL = 2.0


class Assassin(threading.Thread):
    """Sends each decoding child of this process the next signal as soon as it is there; 0 leaves it alone."""

    def __init__(self, *signals: int) -> None:
        super().__init__(daemon=True)
        self.signals, self.known = list(signals), {child.pid for child in psutil.Process().children()}

    def run(self) -> None:
        while self.signals:
            for child in psutil.Process().children():
                if child.pid not in self.known and self.signals:
                    self.known.add(child.pid)
                    if number := self.signals.pop(0):
                        os.kill(child.pid, number)
            time.sleep(0.001)


@pytest.fixture
def quiet():
    """Nobody prints the stack of a child that ends as it should here."""
    faulthandler.disable()
    yield
    faulthandler.enable(sys.__stderr__)


@pytest.mark.fault(17)
@pytest.mark.parametrize("stage", ["probe", "keyframes"])
def test_crashed_and_hung_decoders_end_their_video_alone(tmp_path, quiet, stage):
    bench = Bench(tmp_path)
    bench.limits["wall_seconds"] = WALL
    films = {name: clips.write(tmp_path / f"{name}.mp4", clips.moving(200)) for name in ("crash", "hang", "good")}
    videos = [{"slug": name, "source": str(path), "url": False} for name, path in films.items()]

    def run(one):
        unit.run_stage(one, videos, bench.paths, bench.params[one], bench.limits, shard="0")
        return {name: Manifest.read(bench.paths.manifest(one, name)).outcome for name in films}

    if stage != "probe":
        run("probe")
    assassin = Assassin(signal.SIGSEGV, signal.SIGSTOP, 0)
    assassin.start()
    ended = run(stage)
    assassin.join(10)
    assert not assassin.signals
    assert {name: (one.status, one.reason) for name, one in ended.items()} == {
        "crash": ("failed", "crashed"),
        "hang": ("failed", "timeout"),
        "good": ("ok", None),
    }
    assert "SIGSEGV" in ended["crash"].message and "limits.wall_seconds" in ended["hang"].message
    # Nobody is left, and the next job over them (it is asked for by hand) tries both again.
    assert not [child for child in psutil.Process().children() if child.pid in assassin.known]
    assert all(one.ok for one in run(stage).values())
