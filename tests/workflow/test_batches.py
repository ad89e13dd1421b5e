"""`--batch media=I/N`: the batches together are the jobs and the results of a run without them."""

import pytest
from harness import Workflow, demo_rows

KEPT = tuple(f"{stage}/{names}" for stage in ("probe", "audio", "keyframes") for names in ("*.*", "shards/*.json"))
#: Each job of the media stages leaves one.
JOBS = ("benchmarks/*/*.tsv",)


@pytest.mark.parametrize("unit", ["video", "shard"])
def test_batches_together_are_the_whole(tmp_path, unit):
    whole, parts = (Workflow(tmp_path / name, demo_rows(films=1), unit=unit) for name in ("whole", "parts"))
    whole.run("--", "media")
    for batch in (1, 2):
        parts.run("--batch", f"media={batch}/2", "--", "media")
        done = set(parts.snapshot(*JOBS))
        assert (done < set(whole.snapshot(*JOBS))) == (batch == 1)
    assert done == set(whole.snapshot(*JOBS))
    results = parts.snapshot(*KEPT)
    assert results == whole.snapshot(*KEPT) and results
    assert parts.plan("media") == []
