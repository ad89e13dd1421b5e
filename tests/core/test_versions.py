"""Sources of stages and their versions agree with versions.lock."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from triptych.core import versions

CHECKOUT = Path(__file__).resolve().parents[2]


def test_lock_agrees_with_sources():
    assert versions.faults() == []


def test_a_changed_source_is_named_until_version_or_lock_follow(tmp_path):
    shutil.copytree(CHECKOUT / "triptych", tmp_path / "triptych", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "versions.lock", tmp_path)

    def run(*arguments):
        command = [sys.executable, "-m", "triptych.core.versions", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})

    assert run().returncode == 0
    source = tmp_path / "triptych/media/audio.py"
    source.write_text(source.read_text() + "\n# changed\n")
    changed = run()
    assert changed.returncode == 1 and "audio: its sources changed" in changed.stdout
    assert "keyframes:" not in changed.stdout
    source.write_text(source.read_text().replace('VERSION = "', 'VERSION = "9', 1))
    assert "run `make versions`" in run().stdout
    assert run("--fix").returncode == 0 and run().returncode == 0
    assert json.loads((tmp_path / "versions.lock").read_text())["audio"]["version"].startswith("9")
