"""Files are whole or not there: under kills, full disks, and two writers."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triptych.core.files import (
    canonical_json,
    digest_bytes,
    digest_file,
    digest_json,
    read_json,
    replace_bytes,
    replace_json,
    sweep_temporary,
    temporary_name,
    writer_lock,
)


def python(code: str, *arguments: str) -> subprocess.Popen:
    """A process of its own, which prints a line when it has begun."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_replacing_makes_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a" / "b.bin"
    replace_bytes(path, b"one")
    replace_bytes(path, b"two")
    assert path.read_bytes() == b"two" and list(path.parent.iterdir()) == [path]


def test_json_is_the_same_bytes_for_the_same_value(tmp_path):
    replace_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    replace_json(tmp_path / "b.json", {"a": "ü", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": "ü", "b": 1}
    assert canonical_json({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'
    assert digest_json({"b": 1, "a": 2}) == digest_json({"a": 2, "b": 1}) != digest_json({"a": 2, "b": "1"})


def test_digests_are_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(tmp_path / "x") == digest_bytes(b"abc") == known


FULL = """
import resource, sys
from triptych.core.files import replace_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    replace_bytes(sys.argv[1], b"new" * 100_000)
except OSError as error:
    print("OSError", error.errno)
"""


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_a_full_disk_is_one_clean_error_and_what_was_there_stays(tmp_path, earlier):
    path = tmp_path / "x.bin"
    if earlier:
        path.write_bytes(earlier)
    process = python(FULL, str(path))
    out, error = process.communicate()
    assert process.returncode == 0 and out.startswith("OSError"), error
    assert [one.name for one in tmp_path.iterdir()] == (["x.bin"] if earlier else [])
    assert not earlier or path.read_bytes() == earlier


WRITER = """
import sys
from triptych.core.files import replace_bytes
print("begun", flush=True)
number = 0
while True:
    number += 1
    replace_bytes(sys.argv[1], bytes([number % 251]) * 300_000)
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "x.bin"
    for round_ in range(6):
        process = python(WRITER, str(path))
        process.stdout.readline()
        time.sleep(0.02 + 0.03 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 300_000 and len(set(content)) == 1
    left = [one for one in tmp_path.iterdir() if one != path]
    for one in left:
        os.utime(one, (0, 0))
    assert sweep_temporary(tmp_path) == len(left)
    assert [one for one in tmp_path.iterdir() if one != path] == []


def test_sweeping_leaves_what_is_young_and_what_is_no_leftover(tmp_path):
    (tmp_path / "x.tmp.1").write_text("mine")
    temporary_name(tmp_path / "y").write_text("young")
    assert sweep_temporary(tmp_path) == 0 and len(list(tmp_path.iterdir())) == 2


HOLDER = """
import sys, time
from triptych.core.files import writer_lock
with writer_lock(sys.argv[1]):
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_second_writer_is_told_who_holds_the_place(tmp_path):
    process = python(HOLDER, str(tmp_path / "x"), "60")
    process.stdout.readline()
    with pytest.raises(TimeoutError, match=f"pid {process.pid}, since"), writer_lock(tmp_path / "x", wait=0.2):
        pass
    with writer_lock(tmp_path / "y", wait=0.2):
        pass
    process.kill()
    process.wait()
    with writer_lock(tmp_path / "x", wait=0.2):
        pass  # the kernel has freed the place of the dead


def test_a_second_writer_waits(tmp_path):
    process = python(HOLDER, str(tmp_path / "x"), "0.5")
    process.stdout.readline()
    with writer_lock(tmp_path / "x", wait=60):
        process.wait()
        assert process.returncode == 0
    assert (Path(tmp_path) / ".locks" / "x.lock").exists()


def test_a_file_system_without_locks_holds_nobody_up(tmp_path, monkeypatch, caplog):
    def flock(handle, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with writer_lock(tmp_path / "a.h5"):
        (tmp_path / "a.h5").write_text("done")
    assert "no locks in" in caplog.text and (tmp_path / "a.h5").read_text() == "done"
