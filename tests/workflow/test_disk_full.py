"""A full disk: one line that says so, no half file, and the run goes on when there is room."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import Workflow


class SmallDisk:
    """A file system in memory of a few MB; where none may be mounted (no root), a folder with a limit on files.

    Attributes:
        folder: where it is.
        real: whether it is a file system of its own.
    """

    def __init__(self, folder: Path, megabytes: int = 64) -> None:
        self.folder = folder
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
        self.real = os.geteuid() == 0 and subprocess.run(["mount", *options], capture_output=True).returncode == 0

    def fill(self, left: int) -> list[str]:
        """Leave room for so many bytes; the program to run under, where a limit stands in for the disk."""
        if not self.real:
            return ["bash", "-c", f'ulimit -f {max(1, left // 1024)}; exec "$@"', "limited"]
        free = shutil.disk_usage(self.folder).free
        with (self.folder / "filler").open("wb") as handle:
            handle.write(bytes(max(0, free - left)))
        return []

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        if self.real:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    one = SmallDisk(tmp_path / "disk")
    yield one
    one.remove()


@pytest.fixture
def full_study(disk, finished, tmp_path):
    """The study of `finished`, its results on the small disk (`finished` itself is not changed)."""
    workflow = Workflow(tmp_path / "run", [dict(row) for row in finished.rows])
    (workflow.folder / "results").symlink_to(disk.folder)
    return workflow


@pytest.mark.fault(4, 41)
def test_a_full_disk_is_told_in_a_line_and_the_run_resumes(full_study, finished, disk):
    expected = finished.finals()
    full_study.run("media")
    media = full_study.finals()
    # Some KB: a manifest or a lock has room, a picture of the report or a store of a shard has none.
    for room in (6_000, 60_000):
        under = disk.fill(room)
        ran = full_study.run(check=False, under=under)
        told = ran.stdout + ran.stderr
        assert ran.returncode == 1, told[-4000:]
        assert re.search(r"stopped: .*(No space left on device; the disk is full: free space there|ulimit)", told), told
        assert "Traceback" not in told and "Logging error" not in told and "core dumped" not in told, told[-6000:]
        found = full_study.finals()
        # What was there is there, and whatever has a final name is whole.
        assert media.items() <= found.items()
        assert [name for name in found if found[name] != expected.get(name)] == []
        assert not [path for path in full_study.path().rglob(".*.tmp.*") if path.is_file()]
        disk.free()
    full_study.run()
    assert full_study.finals() == expected


@pytest.mark.fault(4)
def test_media_that_find_no_room_are_not_failed_videos(full_study, finished, disk):
    under = disk.fill(12_000)
    ran = full_study.run("media", check=False, under=under)
    assert ran.returncode == 1
    assert "the disk is full" in ran.stdout + ran.stderr or "ulimit" in ran.stdout + ran.stderr
    expected, found = finished.finals(), full_study.finals()
    assert [name for name in found if found[name] != expected[name]] == []
    disk.free()
    full_study.run("media")
    made = full_study.finals()
    assert len(made) > 20 and made == {name: expected[name] for name in made}


@pytest.mark.fault(5)
def test_a_full_disk_of_snakemakes_records_loses_nothing(finished, disk, tmp_path):
    workflow = Workflow(tmp_path / "run", [dict(row) for row in finished.rows])
    (workflow.folder / ".snakemake").symlink_to(disk.folder)
    under = disk.fill(40_000)
    ran = workflow.run("media", check=False, under=under)
    expected = finished.finals()
    told = ran.stdout + ran.stderr
    assert ran.returncode == 1 and ("No space left" if disk.real else "File too large") in told, told[-4000:]
    found = workflow.finals()
    assert [name for name in found if found[name] != expected[name]] == []
    disk.free()
    workflow.run("media", "--rerun-incomplete")
    made = workflow.finals()
    assert len(made) > 20 and made == {name: expected[name] for name in made}
    assert [job for job in workflow.plan("media") if not job.startswith("media")] == []
