"""A grid and a choice among its models through the real Snakefile: chosen before scored, by what the labels say."""

import json

from triptych.core.study import load_study


def test_a_choice_among_a_grid_is_written_before_its_models_are_scored(workflow):
    workflow.study["models"] = {
        **workflow.study["models"],
        "grid": {"inputs": [["seen"], ["heard"]], "head": ["knn"], "params": {"neighbors": 1}, "inner": 2, "seeds": 2},
        "best": {"select": ["grid"], "inner": 2},
    }
    workflow.write()
    names, planned = ["grid-seen", "grid-heard"], workflow.plan("comparisons")
    assert {job for job in planned if "model=" in job} == {
        *(f"{rule} task=topic model={name}" for rule in ("train_model", "evaluate_model") for name in names),
        *(f"{rule} task=topic model=best" for rule in ("select_model", "fuse_models", "evaluate_model")),
    }
    selection = workflow.path("selection", "topic", "best.json")
    metrics = [workflow.path("metrics", "topic", f"{name}.json") for name in [*names, "best"]]
    workflow.run(*(str(path.relative_to(workflow.folder)) for path in metrics))
    told = json.loads(selection.read_text())
    assert told["candidates"] == names and len(told["folds"]) == 4
    assert all(path.stat().st_mtime_ns > selection.stat().st_mtime_ns for path in metrics)
    found = [json.loads(path.read_text()) for path in metrics]
    assert [one.get("selection", {}).get("digest") for one in found] == [None, None, told["digest"]]
    assert [one["seeds_n"] for one in found] == [2, 2, 2]
    assert (
        found[2]["all"]["accuracy"]["value"] in {one["all"]["accuracy"]["value"] for one in found[:2]}
        or len({fold["chosen"] for fold in told["folds"]}) == 2
    )
    # A label of one video changes: another selection, made of other inner rows.
    workflow.rows[-1]["topic"] = workflow.rows[2]["topic"]
    workflow.write()
    assert "select_model task=topic model=best" in workflow.plan("comparisons")
    workflow.run(str(selection.relative_to(workflow.folder)))
    assert json.loads(selection.read_text())["digest"] != told["digest"]
    study = load_study(workflow.folder / "study.yaml")
    assert list(study.models)[-3:] == [*names, "best"] and workflow.unasked() == set()
