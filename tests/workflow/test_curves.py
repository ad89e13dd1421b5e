"""Learning curves and hints through the real Snakefile: asked for, made, and made again only by what changes them."""

import csv
import json

from test_rerun import rules

ASKED = {"bootstrap": 100, "permutations": 100, "curves": ["sight", "words"], "curve_shares": [0.5, 1.0]}


def test_a_curve_that_is_asked_for_later_is_fitted_and_nothing_else_is(workflow):
    assert not workflow.path("curves").exists() and workflow.path("hints/topic.csv").is_file()
    assert all(workflow.path("reliability/topic", f"{name}.svg").is_file() for name in ("prior", "sight", "late"))
    workflow.study["evaluate"] = {**ASKED, "curve_draws": 1}
    workflow.write()
    jobs = workflow.plan()
    assert {job for job in jobs if job.startswith("draw_learning_curve")} == {
        "draw_learning_curve task=topic model=sight",
        "draw_learning_curve task=topic model=words",
    }
    assert rules(jobs) == {"all", "draw_learning_curve", "build_report"}
    workflow.run()
    told = json.loads(workflow.path("curves/topic/words.json").read_text())
    assert [one["share"] for one in told["points"]] == [0.5, 1.0] and told["n"] == len(workflow.rows)
    assert "<svg" in workflow.path("curves/topic/words.svg").read_text()
    page = workflow.path("report/index.html").read_text()
    assert "Learning curves" in page and '"curves":[{' in page
    assert workflow.plan() == [] and workflow.unasked() == set()
    # Other shares concern the curves alone, another number of resamples the metrics too.
    workflow.study["evaluate"] |= {"curve_shares": [0.4, 1.0]}
    workflow.write()
    assert rules(workflow.plan()) == {"all", "draw_learning_curve", "build_report"}


def test_hints_can_be_left_out(workflow):
    with workflow.path("hints/topic.csv").open(newline="") as handle:
        assert next(csv.reader(handle)) == ["video", "given", "suggested", "score", "agree", "models"]
    workflow.study["evaluate"] = {"bootstrap": 100, "permutations": 100, "label_hints": False}
    workflow.write()
    assert rules(workflow.plan()) == {"all", "build_report"}
