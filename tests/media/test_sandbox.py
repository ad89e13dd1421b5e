"""The limited child: answers, refusals, and every way in which it can die."""

import errno
import faulthandler
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from triptych.core.status import Refused, stop
from triptych.media import sandbox
from triptych.media.sandbox import Answer


def run(function, *arguments, memory_mb=300, wall_seconds=20):
    return sandbox.run(function, *arguments, memory_mb=memory_mb, wall_seconds=wall_seconds)


def outcome(function, *arguments, **limits):
    with pytest.raises(Refused) as caught:
        run(function, *arguments, **limits)
    return caught.value.outcome


def descriptors():
    """Numbers of what this process has open."""
    return [int(one.name) for one in Path("/proc/self/fd").iterdir()]


def link_of(number):
    """What a descriptor of this process is."""
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink())
    except FileNotFoundError:
        return ""


def state_of(process):
    """Letter of a process's state; Z (ended) when there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_answer_comes_back_whole():
    arrays = {"a": np.arange(300_000, dtype=np.int64).reshape(3, -1), "none": np.zeros((0, 4), np.float32)}
    got = run(lambda number: Answer({"number": number, "text": "ä"}, {"w": "x"}, arrays), 3)
    assert got.data == {"number": 3, "text": "ä"} and got.warnings == {"w": "x"}
    assert {name: (value.dtype, value.shape) for name, value in got.arrays.items()} == {
        "a": (np.int64, (3, 100_000)),
        "none": (np.float32, (0, 4)),
    }
    assert (got.arrays["a"] == arrays["a"]).all()


def test_child_is_another_process():
    assert run(lambda: Answer({"pid": os.getpid()})).data["pid"] != os.getpid()


def test_refusal_is_handed_on():
    def refuse():
        raise stop("refused", "too_long", "because")

    assert outcome(refuse).as_dict() == stop("refused", "too_long", "because").outcome.as_dict()


@pytest.mark.fault(17)
def test_hung_child_is_ended():
    assert outcome(time.sleep, 60, wall_seconds=0.3).reason == "timeout"


@pytest.mark.fault(17)
def test_child_that_ignores_sigterm_and_hangs_is_ended():
    def stubborn():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass

    assert outcome(stubborn, wall_seconds=0.3).reason == "timeout"


@pytest.mark.fault(17)
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL])
def test_crash_names_the_signal(number):

    def crash():
        faulthandler.disable()
        os.kill(os.getpid(), number)

    ended = outcome(crash)
    assert (ended.status, ended.reason) == ("failed", "crashed") and number.name in ended.message


@pytest.mark.fault(18)
def test_too_much_memory():
    def greedy():
        return Answer({"sum": float(np.ones(60_000_000).sum())})

    ended = outcome(greedy, memory_mb=300)
    assert ended.reason == "out_of_memory" and "limits.memory_mb" in ended.message
    assert run(greedy, memory_mb=2000).data["sum"] == 6e7


@pytest.mark.fault(18)
def test_killed_by_the_system_counts_as_memory():
    assert outcome(lambda: os.kill(os.getpid(), signal.SIGKILL)).reason == "out_of_memory"


def test_too_large_an_answer_is_ended():
    assert outcome(lambda: Answer(arrays={"a": np.zeros(40_000_000)}), memory_mb=256).reason == "out_of_memory"


@pytest.mark.fault(4)
def test_full_disk_is_no_property_of_the_video():
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as caught:
        run(full)
    assert caught.value.errno == errno.ENOSPC and not isinstance(caught.value, Refused)


def test_bug_carries_its_traceback():
    def buggy():
        return {}["missing"]

    with pytest.raises(sandbox.ChildBug, match=r"buggy[\s\S]*KeyError"):
        run(buggy)


def test_silent_end_is_a_bug():
    with pytest.raises(sandbox.ChildBug, match="exit status 3"):
        run(os._exit, 3)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"junk",
        b"trip" + (5).to_bytes(8, "little") + b"{}",
        b"trip" + (61).to_bytes(8, "little") + b'{"kind": "ok", "data": {}, "arrays": [["a", "object", [1]]]}',
        b"trip" + (1 << 60).to_bytes(8, "little"),
    ],
)
def test_forged_answers_are_not_believed(reply):
    """A decoder that was taken over may send anything: it is parsed as lengths, JSON and numbers only."""

    def forge():
        pipes = [number for number in descriptors() if "pipe:" in link_of(number)]
        # Other tests may have left pipes with higher numbers: the youngest one, by its inode, is the answer's.
        os.write(max(pipes, key=lambda number: int(link_of(number)[6:-1])), reply)
        os._exit(0)

    with pytest.raises(sandbox.ChildBug, match="cannot be read"):
        run(forge)


def test_no_descriptor_and_no_child_is_left():
    before = descriptors()
    for _ in range(5):
        run(Answer)
        outcome(time.sleep, 60, wall_seconds=0.05)
    assert len(descriptors()) == len(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_child_ends_with_its_parent(tmp_path):
    """The decoder does not live on when the job is killed."""
    note = tmp_path / "pid"

    def linger():
        note.write_text(str(os.getpid()))
        time.sleep(60)

    job = os.fork()
    if job == 0:
        run(linger, wall_seconds=60)
        os._exit(0)
    while not (note.exists() and note.read_text()):
        time.sleep(0.01)
    os.kill(job, signal.SIGKILL)
    os.waitpid(job, 0)
    decoder = int(note.read_text())
    while state_of(decoder) != "Z":
        time.sleep(0.02)
