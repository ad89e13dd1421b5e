"""Shared by all tests: fixtures, which extra tests run, and the count of the fuzzing's examples."""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from support import CHECKOUT, ENVIRONMENT, SHARED, in_checkout

#: The fault matrix: its marker, and the page of a run.
pytest_plugins = ["faults.reliability"]


#: Folders of tests that run whole workflows, for minutes; the others end within seconds each.
LONG = ("workflow", "faults", "security", "slurm")


def pytest_collection_modifyitems(config, items):
    """Long tests come first, so that side by side none is left alone at the end.

    Extra tests are part of the run only where their data are: they are left out, not skipped.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONG)
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

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter):
    """The fuzzing's examples by target, from all processes that ran them."""
    told = {"examples": Counter(), "ended": Counter()}
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        for kind, one in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "teardown" else ():
            if kind in told:
                told[kind][one[0]] += one[1]
    if told["examples"]:
        terminalreporter.section(f"fuzzing: {told['examples'].total():,} examples of {len(told['examples'])} targets")
        for name, number in sorted((told["examples"] | told["ended"]).items()):
            terminalreporter.write_line(f"{number:>9,}  {name}")


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
