"""Damage to every kind of file that results are kept in: seen before it is used, told, and made again."""

import hashlib

import numpy as np
import pytest
from harness import Workflow

#: What a run leaves but for seconds, logs and the report, which shows seconds.
PATTERNS = (
    *("probe/*.json", "audio/*.*", "keyframes/*.*", "transcripts/*/*.jsonl", "embeddings/*/*.h5", "features/*.h5"),
    *("tasks/*/*.*", "predictions/*/*.parquet", "metrics/*/*.json"),
)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def emptied(content: bytes) -> bytes:
    return b""


def zeroed(content: bytes) -> bytes:
    """Half of it as a disk leaves it that lost its last writes: the length is right."""
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


def flipped(content: bytes) -> bytes:
    """One bit of each of eight bytes, at places that differ from file to file."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()[:4], "big"))
    changed = bytearray(content)
    for place in generator.integers(len(content) // 4, len(content), 8):
        changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def damage(workflow: Workflow, wanted: dict[str, list]) -> list[str]:
    """Damage files of the results, pattern -> how each of the first ones; their names."""
    names = []
    for pattern, ways in wanted.items():
        paths = sorted(workflow.path().glob(pattern))
        assert len(paths) >= len(ways), (pattern, paths)
        for path, way in zip(paths, ways, strict=False):
            content = path.read_bytes()
            path.write_bytes(way(content))
            assert path.read_bytes() != content
            names.append(str(path.relative_to(workflow.path())))
    return names


def healed(workflow: Workflow, most: int = 8) -> str:
    """Run until all is done; what was told."""
    told = ""
    for _ in range(most):
        ran = workflow.run(check=False)
        told += ran.stdout + ran.stderr
        assert "Traceback" not in told, told[-6000:]
        if ran.returncode == 0:
            return told
        assert "run snakemake again" in told, told[-6000:]
    raise AssertionError(told[-8000:])


def same(before: dict[str, bytes], workflow: Workflow) -> None:
    """All is as it was, and nothing is left to do."""
    after = workflow.snapshot(*PATTERNS)
    assert sorted(after) == sorted(before)
    assert [name for name in after if after[name] != before[name]] == []
    assert workflow.plan() == []


@pytest.mark.long
@pytest.mark.fault(3)
def test_media_and_stores_are_made_again(workflow):
    before = workflow.snapshot(*PATTERNS)
    shards = damage(workflow, {"embeddings/picture/*.h5": [cut, emptied], "embeddings/sound/*.h5": [zeroed, cut]})
    media = damage(workflow, {"audio/*.flac": [flipped, zeroed], "keyframes/*.h5": [flipped, cut, emptied]})
    told = healed(workflow)
    assert all(name in told for name in shards), told[-6000:]
    logs = "".join(path.read_text() for path in workflow.path("logs").rglob("embed-*/*.log"))
    assert all(f"{name} is missing or damaged and is made again" in logs for name in media), logs
    same(before, workflow)
    # Flipped bits leave most of a store as it was: what is whole in it is taken over.
    named = damage(workflow, {"embeddings/picture/*.h5": [flipped, flipped], "features/heard.h5": [flipped]})
    told = healed(workflow)
    assert all(name in told for name in named), told[-6000:]
    same(before, workflow)


@pytest.mark.long
@pytest.mark.fault(3)
def test_manifests_tables_and_scores_are_made_again(workflow):
    before = workflow.snapshot(*PATTERNS)
    named = damage(
        workflow,
        {
            "probe/*.json": [flipped, emptied],
            "audio/*.json": [cut, flipped],
            "keyframes/*.json": [zeroed],
            "transcripts/captions/*.jsonl": [flipped, cut],
            "transcripts/text/*.jsonl": [zeroed, emptied],
            "tasks/topic/labels.parquet": [flipped],
            "predictions/topic/s*.parquet": [zeroed, flipped],
            "metrics/topic/s*.json": [flipped, cut],
        },
    )
    told = healed(workflow)
    seen = [name for name in named if name in told]
    # What lies behind other damage is made anew before anybody reads it.
    assert {name.split("/")[0] for name in seen} >= {"probe", "transcripts", "tasks"}, told[-6000:]
    same(before, workflow)
