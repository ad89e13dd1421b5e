"""The page on encoders tells what the cards tell, and its example is an encoder."""

import re
from pathlib import Path

import numpy as np
import pytest
from harness import Workflow, demo_rows

from triptych.core.store import read_store
from triptych.encoders import base, registry
from triptych.encoders.faults import validate

PAGE = (Path(__file__).parents[2] / "docs/encoders.md").read_text()


def test_arrays_and_parameters_are_those_of_the_cards():
    for name in registry.REGISTRY:
        card = registry.find(name).card
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
        # Weights of rows are told once, for all encoders of text.
        told = {array: size for array, size in card.arrays.items() if not array.endswith(base.WEIGHTS)}
        sizes = {array: str(size) if size else "by model" for array, size in told.items()}
        assert dict(re.findall(r"`(\w+)` \((\d+|by model)\)", row)) == sizes
        # A section may be of several encoders: its heading names them all.
        section = next(one for one in re.split(r"\n##+ ", PAGE) if name in re.split(r"[,:]\s*", one.split("\n")[0]))
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


@pytest.fixture
def module(tmp_path):
    """A folder that holds the page's own example as a module."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    assert len(code.splitlines()) < 30
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "example_encoder.py").write_text(code)
    return tmp_path / "code"


def test_the_example_is_an_encoder(module, monkeypatch):
    monkeypatch.syspath_prepend(module)
    encoder = {"use": "example_encoder:Loudness", "params": {"gain": 2}}
    assert validate("loud", encoder) == []
    made = registry.create(encoder["use"], encoder["params"])
    made.load("cpu")
    found = made.encode([base.Sound("a", np.full(16_000, 0.25, np.float32))])[0]
    assert found.arrays["peak"].tolist() == [[0.5]] and found.times["peak"].tolist() == [[0.0, 1.0]]


def test_the_example_runs_in_the_workflow(module, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(module))
    workflow = Workflow(
        tmp_path / "run",
        demo_rows(),
        gpus=0,
        encoders={"loud": {"use": "example_encoder:Loudness", "store": "float16"}, "mini": {"use": "minilm"}},
        features={"volume": {"from": "loud.peak", "pool": "max"}},
        models={"volume": {"inputs": ["volume"], "head": "logistic"}},
    )
    ran = workflow.run("features", "embeddings")
    assert ran.stderr.count("No graphics card is used (gpus: 0): mini on the CPU") == 1
    for shard in workflow.path("embeddings", "loud").glob("*.h5"):
        entries, damaged = read_store(shard)
        assert entries and not damaged
        for entry in entries.values():
            assert (
                entry.outcome.ok and entry.arrays["peak"].shape == (1, 1) and entry.arrays["peak"].dtype == np.float16
            )
    assert workflow.path("features", "volume.h5").is_file()
    assert workflow.plan("features", "embeddings") == []
    # The class is part of the key: changed, its videos are computed again, and nobody else's.
    code = (module / "example_encoder.py").read_text()
    (module / "example_encoder.py").write_text(code.replace("np.abs(sound.samples).max()", "0.5"))
    planned = workflow.plan("features", "embeddings")
    assert [job for job in planned if job.startswith("embed_shard")]
    assert not [job for job in planned if "encoder=mini" in job]
