"""What a job of an encoder declares to need, and what happens when memory runs out all the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
from encoders.test_engine import embed, entries
from support import CHECKOUT
from tiny import image

from triptych.encoders import base, registry


def test_larger_weights_declare_more(tmp_path):
    assert registry.memory_mb({"use": "classic-image"}) == registry.find("classic-image").card.memory_mb
    for name, megabytes in (("small", 1), ("large", 900)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        with (folder / "model.bin").open("wb") as handle:  # a hole in the file: nothing is written
            handle.truncate(megabytes << 20)
    small, large = (registry.memory_mb({"use": "clip", "model": str(tmp_path / name)}) for name in ("small", "large"))
    assert small == registry.find("clip").card.memory_mb and large == 2000 + 3 * 900


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    pytest.importorskip("transformers")
    return image.build_clip(tmp_path_factory.mktemp("clip") / "clip")


@pytest.mark.fault(18)
def test_a_network_that_runs_out_of_memory_ends_with_the_same_numbers(studio, network, monkeypatch):
    """What torch raises when a card is full, out of the forward pass of a real network."""
    import torch

    section = {"use": "clip", "model": str(network), "batch": 5}
    expected = {}
    assert embed(studio, section)["ok"] == 5
    for video, one in entries(studio).items():
        expected[video] = {name: values.copy() for name, values in one.arrays.items()}
    frames = max(len(next(iter(arrays.values()))) for arrays in expected.values() if arrays)
    called = []
    forward = torch.nn.Conv2d.forward

    def full(layer, pixels):
        called.append(len(pixels))
        if len(pixels) > frames:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity")
        return forward(layer, pixels)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", full)
    counts = embed(studio, section, name="tight")
    assert counts["ok"] == 5 and counts["computed"] == 5
    assert max(called) > frames >= called[-1]
    for video, one in entries(studio, name="tight").items():
        assert one.arrays.keys() == expected[video].keys()
        for name, values in one.arrays.items():
            np.testing.assert_allclose(values, expected[video][name], atol=1e-5)


@pytest.mark.fault(18)
def test_a_network_that_never_fits_ends_the_job_with_what_to_do(studio, network, monkeypatch):
    import torch

    def full(layer, pixels):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(torch.nn.Conv2d, "forward", full)
    with pytest.raises(base.EncoderError, match="none of 5 videos fits into the memory of cpu"):
        embed(studio, {"use": "clip", "model": str(network)}, name="full")


LIMITED = """
import resource, sys
import numpy as np
from triptych.encoders.base import Encoded, ModelCard

class Greedy:
    card = ModelCard(name="greedy", modality="audio", arrays={"a": 1}, revision="none", licence="MIT", source="here")
    def __init__(self, params): pass
    def load(self, device):
        import av  # libraries need address space of their own
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (150 << 20),) * 2)
    def encode(self, batch):
        held = np.ones((len(batch), 60 << 20), np.uint8)
        return [Encoded({"a": row[:1, None].astype(np.float32)}, {"a": np.zeros((1, 2))}) for row in held]
"""


@pytest.mark.fault(18)
def test_the_machines_own_memory_runs_out(studio, tmp_path):
    """A limit of the address space in a process of its own: numpy's MemoryError is met as a card's is."""
    (tmp_path / "greedy.py").write_text(LIMITED)
    program = (
        "import sys\nfrom triptych.core.paths import Paths\nfrom triptych.encoders import engine\n"
        "paths = Paths(*sys.argv[1:5])\n"
        "videos = [{'slug': slug, 'fields': {}} for slug in sys.argv[5:]]\n"
        "print(engine.embed_shard({'use': 'greedy:Greedy', 'batch': 5}, videos, paths, '0', name='greedy'))\n"
    )
    paths = studio.paths
    roots = [paths.study, paths.results, paths.media_dir, paths.splits_dir]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(tmp_path)])}
    command = [sys.executable, "-c", program, *roots, *studio.slugs]
    ran = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert ran.returncode == 0 and "'ok': 5" in ran.stdout, ran.stdout + ran.stderr
    assert "batches of 5 do not fit into the memory of cpu" in ran.stderr
