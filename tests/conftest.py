"""Shared by all tests: fixtures, and which extra tests run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import CHECKOUT, ENVIRONMENT, SHARED, in_checkout


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config, items):
    """Extra tests are part of the run only where their data are: they are left out, not skipped.

    Tests of one file stay together when several run at a time, and so do all that share the demo run.
    """
    for item in items:
        name = "demo" if "demo" in item.fixturenames else item.path.name
        item.add_marker(pytest.mark.xdist_group(name))
    if SHARED:
        return
    extra = [item for item in items if item.get_closest_marker("shared")]
    if extra:
        config.hook.pytest_deselected(items=extra)
        items[:] = [item for item in items if item not in set(extra)]


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
