"""Random kills of node daemons on a real SLURM: no half file, and the same bytes in the end (of `make test-kill`)."""

import os
import random
import time
from collections import Counter

import pytest
from cluster import wait_until
from harness import Workflow, demo_rows
from runs import Run

pytestmark = pytest.mark.slurm

KILLS = int(os.environ.get("TRIPTYCH_NODE_KILLS", "2"))


@pytest.mark.fault(1, 39)
def test_kills_of_node_daemons_lose_nothing(cluster, tmp_path, capsys):
    changes = {
        "unit": "shard",
        "gpus": 0,
        "encoders": {"picture": {"use": "classic-image"}},
        "features": {"seen": {"from": "picture.frame", "pool": "mean+std"}},
        "models": {"sight": {"inputs": ["seen"], "head": "logistic"}},
    }
    here = Workflow(tmp_path / "here", demo_rows(films=3), **changes)
    here.run()
    expected = here.finals()
    chance = random.Random(f"nodes {KILLS}")
    killed: Counter[str] = Counter()
    studies = 0
    while killed.total() < KILLS:
        studies += 1
        there = Workflow(tmp_path / f"there{studies}", demo_rows(films=3), **changes)
        run = Run(cluster, there)
        while run.process.poll() is None:
            time.sleep(chance.uniform(3.0, 10.0))
            busy = [job for job in cluster.jobs("R") if job["node"]]
            if busy and killed.total() < KILLS:
                node = chance.choice(busy)["node"]
                # Either the daemon alone, and its job lives on cut off; or power, and all is gone at once.
                way = chance.choice(("daemon", "power"))
                {"daemon": cluster.kill_daemon, "power": cluster.lose_node}[way](node)
                killed[way] += 1
                cluster.start_node(node)
            cluster.hurry()
            found = there.finals()
            assert [name for name in found if found[name] != expected.get(name)] == []
        told = run.end(code=None)
        if run.process.returncode != 0:
            assert "Traceback" not in told, told[-6000:]
            Run(cluster, there).end()
        assert there.finals() == expected
        wait_until(lambda: cluster.states().count("idle") == len(cluster.nodes), 120, "the nodes' return")
    with capsys.disabled():
        each = ", ".join(f"{count} {name}" for name, count in sorted(killed.items()))
        print(f"\n{killed.total()} kills of node daemons ({each}) in {studies} studies:", end=" ")
        print(f"{len(expected)} result files, 0 half ones, all equal to those of a local run")
