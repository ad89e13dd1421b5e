"""`--batch media=I/N`: the batches together are the jobs and the results of a run without them."""

from harness import Workflow, demo_rows

KEPT = tuple(f"{stage}/{names}" for stage in ("probe", "audio", "keyframes") for names in ("*.*", "shards/*.json"))
#: Each job of the media stages leaves one.
JOBS = "benchmarks/*/*.tsv"


def test_batches_together_are_the_whole(tmp_path):
    whole, parts = (Workflow(tmp_path / name, demo_rows(), unit="shard") for name in ("whole", "parts"))
    whole.run("--", "media")
    jobs, results = set(whole.snapshot(JOBS)), whole.snapshot(*KEPT)
    done: set[str] = set()
    for batch in (1, 2):
        parts.run("--batch", f"media={batch}/2", "--", "media")
        before, done = done, set(parts.snapshot(JOBS))
        assert before < done <= jobs
    assert done == jobs and parts.snapshot(*KEPT) == results and results
    assert parts.plan("media") == []
