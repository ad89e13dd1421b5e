"""One cluster for all tests of this folder, and studies of an encoder that does as it is told."""

from __future__ import annotations

import signal

import pytest
from cluster import Cluster, missing
from harness import Workflow, demo_rows

#: Jobs of the trial encoder alone, small enough for several on a node.
SMALL = {"threads": 1, "mem_mb": 700, "mem_mb_video": 0, "runtime": 10, "runtime_video": 0}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    if missing():
        pytest.fail(f"SLURM is not installed ({', '.join(missing())}); python tests/slurm/cluster.py install")
    # Whoever ends the tests ends the daemons with them.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by a signal"))
    one = Cluster(tmp_path_factory.mktemp("slurm"), nodes=2, cpus=2, memory=8000, cards=1)
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture
def trials(tmp_path):
    """A study of one encoder over titles: `trials("wait a", "fail b")` gives each title a shard of its own."""

    def make(*titles: str, **changes) -> Workflow:
        from triptych.core.units import shard_of

        rows = demo_rows(classes=1, films=1)[:1]
        shards, taken, found = 4 * len(titles), set(), []
        for title in titles:
            # Ids are tried until each has a shard to itself.
            name = next(one for n in range(500) if shard_of(one := f"{title.split()[0]}{n}", shards) not in taken)
            taken.add(shard_of(name, shards))
            found.append(rows[0] | {"id": name, "title": title, "source": "", "captions": ""})
        settings = {
            "shards": shards,
            "gpus": 0,
            "encoders": {"words": {"use": "trial:Trial", "text": ["title"]}},
            "features": {"said": {"from": "words.length"}},
            "resources": {"embed_shard": SMALL},
            **{name: {} for name in ("tasks", "models", "transcripts")},
        }
        return Workflow(tmp_path / "run", found, **settings | changes)

    return make
