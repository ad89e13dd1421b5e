"""Studies of which little can be used: nothing at all, then the videos of one class alone."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from harness import Workflow, demo_rows

from triptych.report import status_table as status


class Ran:
    """The study whose files are all text, then with good clips for one of its two classes."""

    def __init__(self, folder: Path) -> None:
        rows = demo_rows()
        self.good = {row["id"]: Path(row["source"]) for row in rows[:2]}
        assert len({row["topic"] for row in rows}) == 2 and len({row["topic"] for row in rows[:2]}) == 1
        for row in rows:
            row |= {"source": f"{row['id']}.mp4", "captions": ""}
        self.workflow = Workflow(
            folder,
            rows,
            unit="shard",
            shards=1,
            transcripts={},
            encoders={"picture": {"use": "classic-image"}},
            features={"seen": {"from": "picture.frame"}},
            models={"sight": {"inputs": ["seen"], "head": "logistic"}},
        )
        for row in rows:
            (folder / row["source"]).write_text("No video at all.\n")
        self.none = self.workflow.run(check=False)
        self.left = sorted(self.workflow.path().rglob("*.parquet")), self.workflow.path("report").exists()
        self.table = status.read(self.workflow.path("status.tsv"))
        for name, film in self.good.items():
            shutil.copy(film, folder / f"{name}.mp4")
        self.half = self.workflow.run("--", "results/small/metrics/topic/sight.json")


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    return Ran(tmp_path_factory.mktemp("usable") / "run")


@pytest.mark.fault(7)
def test_without_a_usable_video_nothing_is_learned_from_them(ran):
    assert ran.none.returncode == 1
    assert "feature seen (picture.frame): 0 of 4 videos are usable, fewer than min_ok_fraction = 0.5" in ran.none.stderr
    assert "4 unreadable" in ran.none.stderr and "see status.tsv" in ran.none.stderr
    # The table that the message names is there.
    told = {line["video"]: line for line in ran.table if line["stage"] == "probe"}
    assert len(told) == 4 and {line["reason"] for line in told.values()} == {"unreadable"}
    models, report = ran.left
    assert "sight.parquet" not in {path.name for path in models} and not report


@pytest.mark.fault(7, 25)
def test_where_one_class_alone_is_usable_the_model_says_that_it_learned_nothing(ran):
    assert "a training fold has nothing to learn from: its test videos get the training prior" in ran.half.stderr
    found = pd.read_parquet(ran.workflow.path("predictions", "topic", "sight.parquet"))
    assert not found["covered"].any() and found["probability"].eq(0.5).all()
    metrics = json.loads(ran.workflow.path("metrics", "topic", "sight.json").read_text())
    assert metrics["n"] == 4 and metrics["covered"]["n"] == 0
