"""What a job's process saves by `triptych/core/lean.py`: CPU seconds and MB of imports, as usual and lean.

Each line is one set of imports that jobs have: the median of interleaved processes that end as usual, of those that
end at once, and of those that also do without pandas.

    python benchmarks/lean.py [ROUNDS]
"""

from __future__ import annotations

import importlib.util
import statistics
import sys

from plan import CHECKOUT, measured

#: What is imported -> the packages that it needs.
IMPORTS = {
    "import numpy": "numpy",
    "import pyarrow as pa, pyarrow.parquet; pa.array([0])": "pyarrow",
    "import pyarrow as pa, sklearn.linear_model; pa.array([0])": "sklearn",
    "import torch": "torch",
    "import torch; from transformers import AutoModel": "transformers",
    "import tensorflow": "tensorflow",
}
AT_ONCE = "from triptych.core import lean; lean.Ending().done = True\n"
WAYS = {"as usual": "", "at once": AT_ONCE, "and without pandas": AT_ONCE + "lean.without_unused()\n"}


def main() -> None:
    """Print a line for each set of imports that is installed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for program, needs in IMPORTS.items():
        if importlib.util.find_spec(needs) is None:
            print(f"{program}: {needs} is not installed")
            continue
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds + 1):
            for way, before in WAYS.items():
                _, cpu, _, peak = measured([sys.executable, "-c", before + program], cwd=CHECKOUT)
                found[way].append((cpu, peak))
        told = []
        for way, figures in found.items():
            cpu, peak = (statistics.median(column) for column in zip(*figures[1:], strict=True))  # the first warms up
            told.append(f"{way} {cpu:.2f} CPU s, {peak:.0f} MB")
        print(f"{program}: {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
