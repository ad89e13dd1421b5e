"""docs/security.md: each line names the tests that hold it, and they are there."""

import ast
import re

import pytest
from support import CHECKOUT

PAGE = CHECKOUT / "docs" / "security.md"
NAMED = re.compile(r"tests/[\w/]+\.py::test_\w+")
LINES = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and NAMED.search(line)
]


def names_in(path):
    """Names of the tests of a file."""
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_a_threat_is_held_by_tests_that_are_there(line):
    threat, done, tests = line
    assert threat and done
    named = tests.split()
    assert named and all(NAMED.fullmatch(one) for one in named)
    for one in named:
        path, _, name = one.partition("::")
        assert name in names_in(path), f"{one} is not there"


def test_every_test_of_this_folder_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    own = [
        f"{path.relative_to(CHECKOUT)}::{name}"
        for path in sorted((CHECKOUT / "tests" / "security").glob("test_*.py"))
        for name in names_in(path.relative_to(CHECKOUT))
        if name.startswith("test_") and path.name != "test_threats.py"
    ]
    supporting = {"test_every_row_is_accounted_for_at_every_stage", "test_what_a_manifest_tells_is_json_of_this_video"}
    supporting |= {"test_within_is_kept"}
    assert not [one for one in own if one not in text and one.partition("::")[2] not in supporting]
