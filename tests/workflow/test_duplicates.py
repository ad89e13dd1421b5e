"""Near-duplicates through the real Snakefile: a copy shares its original's fold, or is left out and told of."""

import csv
import json


def test_copies_share_a_fold_or_are_left_out_and_nothing_moves(workflow):
    before = (workflow.folder / "data/splits/small/topic.csv").read_text().splitlines()
    folds = {row["video"]: row["fold"] for row in csv.DictReader(before)}
    first = workflow.rows[0]
    apart = next(row for row in workflow.rows if folds[row["id"]] != folds[first["id"]])
    other = next(row["topic"] for row in workflow.rows if row["topic"] != first["topic"])
    # One copy comes with a film of its own, the other one claims a film that lies in another fold.
    workflow.rows += [
        {**first, "id": "copy", "film": "copied"},
        {**first, "id": "claim", "film": apart["film"], "topic": other},
    ]
    workflow.write()
    jobs = workflow.plan()
    assert {job for job in jobs if job.startswith("probe")} == {"probe_media unit=copy", "probe_media unit=claim"}
    ran = workflow.run()
    assert "claim is left out" in ran.stderr + ran.stdout
    assert "prints: 4 computed, 10 taken over" in workflow.path("logs/duplicates/all.log").read_text()
    with workflow.path("duplicates/pairs.csv").open(newline="") as handle:
        pairs = {(row["video"], row["other"]) for row in csv.DictReader(handle) if row["by"] == "content"}
    assert pairs == {("claim", "copy"), *(tuple(sorted((first["id"], one))) for one in ("copy", "claim"))}

    after = (workflow.folder / "data/splits/small/topic.csv").read_text().splitlines()
    assert set(before) < set(after) and len(after) == len(before) + 1
    assert f"copy,copied,0,{folds[first['id']]}" in after
    refused = json.loads(workflow.path("tasks/topic/refused.json").read_text())["refused"]
    assert set(refused) == {"claim"} and refused["claim"]["duplicate_of"] in {"copy", first["id"]}
    with workflow.path("tasks/topic/duplicates.csv").open(newline="") as handle:
        told = {(row["video"], row["other"]): row for row in csv.DictReader(handle)}
    assert told["claim", "copy"]["contradiction"] == "yes"

    with workflow.path("status.tsv").open(newline="", encoding="utf-8") as handle:
        status = {row["video"]: row for row in csv.DictReader(handle, delimiter="\t") if row["stage"] == "task:topic"}
    assert status["claim"]["status"] == "refused" and status["copy"]["status"] == "ok"
    with workflow.path("comparison/topic.csv").open(newline="") as handle:
        assert {row["n"] for row in csv.DictReader(handle)} == {str(len(workflow.rows) - 1)}
    assert workflow.plan() == []


def test_near_duplicates_can_be_left_alone(workflow):
    workflow.study = {**workflow.study, "duplicates": {"use": []}}
    workflow.write()
    jobs = {job.split()[0] for job in workflow.plan()}
    assert "find_duplicates" not in jobs and not jobs & {"probe_media", "embed_shard", "pool_feature"}
