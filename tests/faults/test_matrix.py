"""Every row of the fault matrix has a test, and the page names them all."""

import pytest

from faults import reliability
from faults.matrix import MATRIX

MARKED = reliability.marked()

pytest_plugins = ["pytester"]


def test_rows_are_numbered_without_a_gap():
    assert [row.number for row in MATRIX] == list(range(1, 42))
    for row in MATRIX:
        assert (row.shown == "elsewhere") == bool(row.command)
        assert (row.shown == "nearest") == bool(row.not_shown)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: str(row.number))
def test_every_row_has_a_test(row):
    cases = MARKED.get(row.number, [])
    assert cases, f"no test has @pytest.mark.fault({row.number}): {row.fault}"
    if row.shown == "elsewhere":
        assert {case.command for case in cases} == {row.command}
    else:
        assert any(not case.command for case in cases), f"row {row.number} is shown by other commands alone"


def test_no_test_names_a_row_that_is_not_there():
    assert set(MARKED) <= {row.number for row in MATRIX}


def test_the_page_names_the_rows_and_tests_that_there_are():
    assert reliability.faults() == []


TRIAL = """
import pytest

@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("n", range(3))
def test_a(n):
    assert n != bad

@pytest.fixture
def broken():
    yield
    assert not bad

@pytest.mark.fault(3)
def test_b(broken): ...

@pytest.mark.slurm
@pytest.mark.fault(4)
def test_c(): ...

@pytest.mark.fault(5)
def test_d(): ...

@pytest.mark.fault(5)
@pytest.mark.slurm
def test_e(): ...
"""


@pytest.mark.parametrize(("way", "bad"), [((), 1), (("-n", "2"), None)], ids=["failing", "side_by_side"])
def test_the_page_tells_how_tests_ended(pytester, monkeypatch, way, bad):
    """A run in a process of its own, with the plugin that this run has."""
    pytester.makepyfile(**{"tests/test_trial": TRIAL.replace("bad", repr(bad))})
    pytester.makepyfile(
        conftest=f"""
        import sys
        sys.path.insert(0, {str(reliability.CHECKOUT / "tests")!r})
        import pathlib, support
        support.CHECKOUT = pathlib.Path({str(pytester.path)!r})
        pytest_plugins = ["faults.reliability"]

        def pytest_configure(config):
            config.addinivalue_line("markers", "slurm: elsewhere")
        """
    )
    pytester.runpytest_subprocess(*way, "-q", "-m", "not slurm", "--reliability", "page.md", "-p", "no:cacheprovider")
    text = (pytester.path / "page.md").read_text()
    ends = {row.split(" | ")[0][2:]: row.rsplit(" | ", 1)[1][:-2] for row in text.splitlines() if row.startswith("| ")}
    if bad is None:
        assert "**4 of 41 rows passed** (3 tests, 5 cases)" in text
        assert (ends["1"], ends["3"], ends["5"]) == (
            "passed (3)",
            "passed (1)",
            "passed (1); more by `make test-slurm`",
        )
    else:
        assert "**1 of 41 rows passed**" in text
        assert (ends["1"], ends["2"], ends["3"]) == (
            "**FAILED** (1 of 3)",
            "**FAILED** (1 of 3)",
            "**FAILED** (1 of 1)",
        )
    assert ends["4"] == "not run; run `make test-slurm`" and ends["6"] == "no test"
    assert "[test_a](../tests/test_trial.py)" in text
