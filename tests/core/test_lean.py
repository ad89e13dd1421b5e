"""Jobs do without pandas, and the libraries that ask for it do without it too."""

import subprocess
import sys

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
