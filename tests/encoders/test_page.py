"""The page on encoders tells what the cards tell, and its example is an encoder."""

import re
from pathlib import Path

import numpy as np

from triptych.encoders import base

PAGE = (Path(__file__).parents[2] / "docs/encoders.md").read_text()


def test_arrays_and_parameters_are_those_of_the_cards():
    for name in base.REGISTRY:
        card = base.find(name).card
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        sizes = {array: str(size) if size else "by model" for array, size in card.arrays.items()}
        assert dict(re.findall(r"`(\w+)` \((\d+|by model)\)", row)) == sizes
        # A section may be of several encoders: its heading names them all.
        section = next(one for one in PAGE.split("\n## ") if name in re.split(r",\s*", one.splitlines()[0]))
        for parameter, param in card.parameters.items():
            told = re.search(rf"^\| `{parameter}` \| ([^|]+) \|", section, re.MULTILINE)
            assert told, f"{name}: {parameter}"
            default = default_of(name, told.group(1))
            numeric = isinstance(param.default, (int, float)) and not isinstance(param.default, bool)
            assert (float(default) if numeric else default) == (param.default if numeric else str(param.default))


def default_of(name, cell):
    """The default of an encoder in a cell such as ``1.0`` or `` `auto`; `mean` for videomae, xclip``."""
    value, *others = cell.split(";")
    for other in others:
        special, _, names = other.partition(" for ")
        if name in re.split(r",\s*", names.strip()):
            value = special
    return value.strip().strip('`"')


def test_the_example_is_an_encoder(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    (tmp_path / "example_encoder.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    encoder = {"use": "example_encoder:Loudness", "params": {"gain": 2}}
    assert base.validate("loud", encoder) == []
    made = base.create(encoder["use"], encoder["params"])
    made.load("cpu")
    found = made.encode([base.Sound("a", np.full(16_000, 0.25, np.float32))])[0]
    assert found.arrays["peak"].tolist() == [[0.5]] and found.times["peak"].tolist() == [[0.0, 1.0]]
