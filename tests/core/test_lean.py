"""Jobs do without pandas, as do the libraries that ask for it, and end at once when their work is done."""

import ast
import subprocess
import sys

import pytest
from support import CHECKOUT

PROGRAM = """
import sys
from triptych.core import lean
lean.without_unused()
lean.without_unused()
import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression
table = pa.table({"words": ["a", None], "numbers": np.array([1.5, 2.5]), "objects": np.array(["x", "y"], dtype=object)})
assert table.to_pydict() == {"words": ["a", None], "numbers": [1.5, 2.5], "objects": ["x", "y"]}
LogisticRegression().fit([[0.0], [1.0]], [0, 1])
assert "pandas" not in sys.modules
try:
    import pandas
except ModuleNotFoundError as error:
    print(error)
"""


def test_libraries_go_on_without_pandas():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.stdout == "jobs do without pandas (triptych/core/lean.py)\n", ran.stderr


ENDS = """
import atexit, sys
from types import SimpleNamespace
from triptych.core.job import job
class Told:
    def __del__(self):
        print("taken apart")
told = Told()
told.itself = told
config = {"study": "s", **dict.fromkeys(("results", "media_dir", "splits_dir"), sys.argv[1])}
snakemake = SimpleNamespace(threads=1, rule="one", wildcards={}, log=[], config=config, input=[], output=[])
with job(snakemake if SCRIPT else SimpleNamespace(**vars(snakemake))):
    atexit.register(print, "libraries end first")
    print("kept", end="")
AFTER
"""


@pytest.mark.parametrize(
    ("script", "after", "code", "printed"),
    [
        (True, "", 0, "keptlibraries end first\n"),
        (False, "", 0, "keptlibraries end first\ntaken apart\n"),
        (True, "1 / 0", 1, "keptlibraries end first\ntaken apart\n"),
    ],
)
def test_a_script_whose_work_is_done_ends_at_once_and_nothing_else_does(tmp_path, script, after, code, printed):
    program = ENDS.replace("SCRIPT", str(script)).replace("AFTER", after)
    command = [sys.executable, "-c", program, str(tmp_path)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (code, printed), ran.stderr


@pytest.mark.parametrize("script", sorted((CHECKOUT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_a_script_does_nothing_after_its_job(script):
    assert isinstance(ast.parse(script.read_text(encoding="utf-8")).body[-1], ast.With)
