"""Every command of the README and of the docs runs, in the order in which a reader meets it, on the demo corpus.

A block marked `bash` is run; one marked `text` shows output, or commands for another machine (a cluster, the network).
"""

import re
from pathlib import Path

import pytest
from support import CHECKOUT, in_checkout

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
#: What sets up the environment runs once, in the fixture; the test suite itself is running already.
ELSEWHERE = {"make demo", "make test"}


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#") and line not in ELSEWHERE]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_runs(page, demo):
    for command in commands(page):
        ran = in_checkout(demo, command)
        assert ran.returncode == 0, f"{page.name}: {command}\n{ran.stdout[-2000:]}{ran.stderr[-3000:]}"


def test_readme_begins_with_the_two_commands():
    text = (CHECKOUT / "README.md").read_text()
    assert "make demo" in text and "make test" in text
    assert text.index("make demo") < text.index("make test")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
