"""What docs/troubleshooting.md quotes of SLURM's own programs is what they say."""

import os
import subprocess
from pathlib import Path

import pytest
from test_troubleshooting import OF_SLURM

pytestmark = pytest.mark.slurm
FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/lib/x86_64-linux-gnu/slurm-wlm", "/usr/lib/aarch64-linux-gnu/slurm-wlm")


@pytest.mark.parametrize("word", sorted(OF_SLURM))
def test_slurm_says_so(word, cluster):
    if word.startswith("sacct:"):
        environment = {**os.environ, **cluster.environment}
        ran = subprocess.run(["sacct", "-1"], env=environment, capture_output=True, text=True)
        assert word in ran.stderr
        return
    files = [path for folder in FOLDERS if Path(folder).is_dir() for path in Path(folder).iterdir()]
    files = [path for path in files if path.is_file() and ("slurm" in str(path) or path.name == "srun")]
    assert any(word.encode() in path.read_bytes() for path in files)
