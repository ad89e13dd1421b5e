"""Features mapped to one another, and search by words, through the real Snakefile."""

import csv
import json
import os
import subprocess
import sys

import pytest
from harness import Workflow, demo_rows
from support import CHECKOUT

FAST = {"epochs": 3}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Eight clips of two classes, of which nothing is decoded: what is said against titles."""
    rows = demo_rows(films=4)
    workflow = Workflow(
        tmp_path_factory.mktemp("mapping") / "run",
        [*rows, {**rows[0], "id": "silent", "captions": "", "topic": rows[0]["topic"]}],
        encoders={"mini": {"use": "minilm", "text": ["title", "transcript"], "params": {"fields": "separate"}}},
        features={"named": {"from": "mini.title"}, "said": {"from": "mini.transcript"}},
        models={"words": {"inputs": ["said"], "head": "logistic"}},
        mapping={
            "panels": {
                "features": ["said", "named"],
                "task": "topic",
                "permutations": 20,
                "seeds": 2,
                "params": {"mlp": FAST, "infonce": FAST},
            }
        },
        min_ok_fraction=0.0,
        shards=1,
    )
    workflow.run("mappings")
    return workflow


def test_every_pair_and_method_has_a_row(done):
    assert done.unasked() == set()
    rows = list(csv.DictReader(done.path("crossmodal", "mapping", "panels.csv").open()))
    assert len(rows) == 10 and {row["method"] for row in rows} == {"ridge", "pls", "cca", "mlp", "infonce"}
    assert all(row["n"] == "8" and row["p_r1"] and row["cosine"] for row in rows)
    assert {row["runs"] for row in rows if row["method"] == "infonce"} == {"2"}
    told = json.loads(done.path("crossmodal", "mapping", "panels.json").read_text())
    assert told["features"]["said"]["videos"] == 8 and told["features"]["named"]["videos"] == 9
    assert told["pairs"][0]["left_out"] == {"no_source": 1, "no_target": 0}
    assert done.path("crossmodal", "mapping", "panels.svg").read_text().startswith("<?xml")


def test_only_what_its_results_depend_on_is_a_reason_to_run_again(done):
    before = json.loads(json.dumps(done.study))
    done.study["evaluate"] = {**before["evaluate"], "permutations": 101}
    done.write()
    assert done.plan("mappings") == []
    done.study["mapping"]["panels"]["permutations"] = 21
    done.write()
    assert done.plan("mappings") == ["map_features mapping=panels", "mappings"]
    done.study = before
    done.write()


def test_a_fault_of_the_section_stops_before_any_job(done):
    before = json.loads(json.dumps(done.study))
    done.study["mapping"]["panels"]["params"]["cca"] = {"componets": 2}
    done.write()
    ran = done.run("-n", check=False)
    done.study = before
    done.write()
    assert ran.returncode != 0 and "did you mean 'components'" in ran.stderr and "Traceback" not in ran.stderr


def test_clips_are_found_by_words(done):
    command = [sys.executable, "-m", "triptych.cli", "search", "boats on the sea", "-c", "study.yaml", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run(command, cwd=done.folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    topics = {row["id"]: row["topic"] for row in done.rows}
    assert topics[told["results"][0]["video"]] == "harbour" and told["encoders"] == ["mini"]
    spoken = [clip for one in told["results"] for clip in one["clips"] if clip["array"] == "transcript"]
    assert spoken and all(0 <= clip["start"] < clip["end"] < 10 for clip in spoken)
