"""Collects which tests of the fault matrix ran and how they ended, and writes `docs/reliability.md` from it.

Tests name their rows: `@pytest.mark.fault(NUMBER, ...)` on the function. `--reliability FILE` writes the page of
this run; it works beside pytest-xdist, since the rows travel with the reports.
"""

from __future__ import annotations

import ast
import platform
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import CHECKOUT

from faults.matrix import MATRIX, Row

PAGE = CHECKOUT / "docs" / "reliability.md"
COMMAND = "make reliability"
#: Tests that other commands run, by their marker.
COMMANDS = {"slurm": "make test-slurm", "browser": "make test-browser"}
HEAD = """\
# What happens when things go wrong

Each row is a fault that is put into the real code – the workflow with Snakemake, the command line, downloads from
a server on this machine – and what then happens. The page is written by `{command}` from a run of these tests; a
test fails when its rows or tests are not those of `tests/faults/matrix.py`.

**{passed} of {rows} rows passed** ({tests} tests, {cases} cases) in the run that wrote this page, {machine}.
{missing}
{nearest}

| # | fault | what happens | how it is put in | tests | ended |
|---|---|---|---|---|---|
"""


def pytest_addoption(parser) -> None:
    """The option; `tests/conftest.py` names this module as a plugin."""
    parser.addoption("--reliability", metavar="FILE", help="write the fault matrix as this run shows it to FILE")


def pytest_configure(config) -> None:
    """The marker, and what collects."""
    config.addinivalue_line(
        "markers", "fault(number, ...): shows these rows of tests/faults/matrix.py (make reliability)"
    )
    page = config.getoption("--reliability")
    config.pluginmanager.register(Outcomes(Path(page).absolute() if page else None), "reliability")


@dataclass(frozen=True)
class Case:
    """A test function that shows a row."""

    path: str
    name: str
    #: The command that runs it, where `make test` does not.
    command: str = ""

    @property
    def link(self) -> str:
        """The test as a link from `docs/`."""
        return f"[{self.name}](../{self.path})"


def marked() -> dict[int, list[Case]]:
    """Row -> the test functions that name it, read from the sources without importing them."""
    found = defaultdict(list)
    for path in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = _commands(
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "pytestmark" for name in node.targets)
        )
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                command = whole or _commands(node.decorator_list)
                for number in _rows(node):
                    found[number].append(Case(str(path.relative_to(CHECKOUT)), node.name, command))
    return dict(found)


def _rows(function: ast.FunctionDef) -> Iterator[int]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
            yield from (ast.literal_eval(argument) for argument in mark.args)


def _commands(marks) -> str:
    words = " ".join(ast.unparse(mark) for mark in marks)
    return next((command for mark, command in COMMANDS.items() if f"pytest.mark.{mark}" in words), "")


class Outcomes:
    """How the cases of each marked test ended in this run."""

    def __init__(self, page: Path | None) -> None:
        self.page = page
        #: (row, path, name) -> the outcomes of its cases: passed, failed, skipped.
        self.ended: dict[tuple[int, str, str], dict[str, str]] = defaultdict(dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items) -> None:
        """Let the rows travel with the reports, from xdist's workers too."""
        for item in items:
            for mark in item.iter_markers("fault"):
                item.user_properties += [("fault", number) for number in mark.args]

    def pytest_runtest_logreport(self, report) -> None:
        """Note the worst of set-up, test and clean-up."""
        rows = [value for name, value in report.user_properties if name == "fault"]
        path, _, test = report.nodeid.partition("::")
        for row in rows:
            cases = self.ended[row, path, test.split("[")[0]]
            if report.outcome != "passed" or report.when == "call":
                worst = cases.get(report.nodeid) == "failed"
                cases[report.nodeid] = "failed" if worst else report.outcome

    def pytest_sessionfinish(self, session) -> None:
        """Write the page, where the whole run is known."""
        if self.page and not hasattr(session.config, "workerinput"):
            self.page.write_text(page(self.ended), encoding="utf-8")


def line(row: Row, cases: list[Case]) -> str:
    """A row of the page up to how it ended: what matrix and markers alone determine."""
    how = row.how + (f"; not shown: {row.not_shown}" if row.not_shown else "")
    cells = (row.fault, row.expected, how, ", ".join(case.link for case in cases))
    return f"| {row.number} | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(ended: Mapping[tuple[int, str, str], Mapping[str, str]]) -> str:
    """The page of a run."""
    tests = marked()
    lines, passed, missing = [], 0, defaultdict(list)
    for row in MATRIX:
        cases = tests.get(row.number, [])
        told = _told(row, cases, ended)
        passed += told.startswith("passed")
        if not told.startswith("passed"):
            missing[told].append(str(row.number))
        lines.append(f"{line(row, cases)} {told} |")
    others = "; ".join(f"{', '.join(numbers)} ({told})" for told, numbers in missing.items())
    nearest = [row for row in MATRIX if row.not_shown]
    head = HEAD.format(
        command=COMMAND,
        passed=passed,
        rows=len(MATRIX),
        tests=len({key[1:] for key in ended}),
        cases=len({case for cases in ended.values() for case in cases}),
        machine=f"Python {platform.python_version()} on {platform.system()}",
        missing=f"\nThe others: {others}.\n" if missing else "",
        nearest="Not shown by any of them, since one machine cannot: "
        + "; ".join(f"{row.not_shown} (row {row.number} has what comes nearest)" for row in nearest)
        + ".",
    )
    return head + "\n".join(lines) + "\n"


def _told(row: Row, cases: list[Case], ended: Mapping[tuple[int, str, str], Mapping[str, str]]) -> str:
    """How a row ended: passed when every test of it did that this command runs, and one at least."""
    outcomes, left = [], set()
    for case in cases:
        of_case = ended.get((row.number, case.path, case.name), {}).values()
        outcomes += of_case
        if not of_case:
            left.add(case.command or COMMAND)
    failed = sum(outcome == "failed" for outcome in outcomes)
    if failed:
        return f"**FAILED** ({failed} of {len(outcomes)})"
    good = sum(outcome == "passed" for outcome in outcomes)
    rest = ", ".join(f"`{command}`" for command in sorted(left))
    if not good or COMMAND in left or good < len(outcomes):
        return f"not run; run {rest or f'`{COMMAND}`'}" if cases else "no test"
    return f"passed ({good})" + (f"; more by {rest}" if rest else "")


def faults() -> list[str]:
    """Where the page does not name the rows and tests that there are."""
    tests = marked()
    wanted = {line(row, tests.get(row.number, [])): row.number for row in MATRIX}
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    # The last cell is how it ended, which no test may expect.
    there = {row[: row.rstrip(" |").rfind(" | ") + 2] for row in text.splitlines() if re.match(r"\| \d", row)}
    return [
        *(
            f"row {number}: not as in {PAGE.name}; run `{COMMAND}`"
            for text, number in wanted.items()
            if text not in there
        ),
        *(f"{PAGE.name} has a row that the matrix has not: {text[:60]}" for text in sorted(there - set(wanted))),
    ]
