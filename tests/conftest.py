"""Shared by all tests: fixtures, and which extra tests run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import CHECKOUT, ENVIRONMENT, SHARED, in_checkout

#: The fault matrix: its marker, and the page of a run.
pytest_plugins = ["faults.reliability"]


def pytest_collection_modifyitems(config, items):
    """Extra tests are part of the run only where their data are: they are left out, not skipped."""
    if SHARED:
        return
    extra = [item for item in items if item.get_closest_marker("shared")]
    if extra:
        config.hook.pytest_deselected(items=extra)
        items[:] = [item for item in items if item not in set(extra)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of tests that run side by side, those of one file stay together, and all files that share the demo run."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            text = (CHECKOUT / path).read_text(encoding="utf-8")
            return "demo" if re.search(r"def test_\w+\([^)]*\bdemo\b", text) else path

    return ByFile(config, log)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder with the Snakefile."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and weights."""
    return Path(SHARED)


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """A copy of the checkout in which `make demo` has run, as a newcomer would have it."""
    copy = tmp_path_factory.mktemp("newcomer") / "triptych"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=CHECKOUT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, copy / name)
    # The environment of the tests serves the copy as it is: nothing is newer than its stamps, so nothing is installed.
    (copy / ".venv").symlink_to(ENVIRONMENT)
    for name in ("pyproject.toml", "constraints.txt", "install.sh"):
        os.utime(copy / name, (0, 0))
    ran = in_checkout(copy, "make demo")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (copy / "make-demo.log").write_text(ran.stdout + ran.stderr)
    return copy
