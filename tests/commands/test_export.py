"""Exports hold what was computed, in three formats; csv holds no formulas."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triptych.commands.export import ExportError, export, guarded
from triptych.core.config import Study
from triptych.core.paths import Paths
from triptych.core.store import Entry, write_store
from triptych.encoders.pooling import pool_feature, read_feature

COLUMNS = {
    "video": ["a", "a", "b", "b"],
    "role": ["test", "test", "new", "new"],
    "outer": [0, 0, -1, -1],
    "class": ["=1+1", "cat", "=1+1", "cat"],
    "probability": [0.25, 0.75, 0.5, 0.5],
    "truth": [True, False, None, None],
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Study.model_validate(
        {
            "study": "s",
            "corpus": "videos.csv",
            "encoders": {"picture": {"use": "classic-image"}},
            "features": {"seen": {"from": "picture.frame"}},
            "tasks": {"topic": {"label": "topic", "group": "none"}},
            "models": {"sight": {"inputs": ["seen"]}},
        }
    )
    paths = Paths.of(made)
    entries = [
        Entry(name, "k", arrays={"frame": np.full((2, 3), number, np.float32)}, times={"frame": np.zeros((2, 2))})
        for number, name in enumerate(["a", "b", "c"])
    ]
    write_store("0.h5", entries)
    pool_feature("seen", "picture.frame", "mean", ["0.h5"], paths.feature("seen"))
    Path(paths.predictions("topic", "sight")).parent.mkdir(parents=True)
    pq.write_table(pa.table(COLUMNS), paths.predictions("topic", "sight"))
    return made


def test_features(study):
    ids, values, mask = read_feature(Paths.of(study).feature("seen"))
    assert export(study, "features", "seen", "seen.npz") == "3 rows of features seen in seen.npz"
    with np.load("seen.npz", allow_pickle=False) as found:
        assert found["video"].tolist() == ids and np.array_equal(found["values"], values)
        assert np.array_equal(found["present"], mask)
    export(study, "features", "seen", "seen.parquet")
    table = pq.read_table("seen.parquet").to_pydict()
    assert table["video"] == ids and table["values_2"] == values[:, 2].tolist()
    export(study, "features", "seen", "seen.txt", "csv")
    rows = list(csv.DictReader(io.StringIO(Path("seen.txt").read_text())))
    assert [row["video"] for row in rows] == ids and float(rows[1]["values_0"]) == 1.0 and rows[0]["present"] == "true"


def test_predictions(study):
    export(study, "predictions", "topic/sight", "p.parquet")
    assert pq.read_table("p.parquet").to_pydict() == COLUMNS
    export(study, "predictions", "topic/sight", "p.npz")
    with np.load("p.npz", allow_pickle=False) as found:
        assert found["truth"].tolist() == [1, 0, -1, -1] and found["class"].tolist() == COLUMNS["class"]
        assert found["probability"].tolist() == COLUMNS["probability"]
    export(study, "predictions", "topic/sight", "p.csv")
    rows = list(csv.DictReader(io.StringIO(Path("p.csv").read_text())))
    assert [row["class"] for row in rows] == ["'=1+1", "cat", "'=1+1", "cat"]
    assert [row["truth"] for row in rows] == ["true", "false", "", ""] and rows[2]["outer"] == "-1"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", '=cmd|" /C calc"!A0'])
def test_formulas_are_guarded(cell):
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["a=1", "1", "", 1, -1, 0.5])
def test_other_cells_stay(cell):
    assert guarded(cell) == cell


@pytest.mark.parametrize(
    ("what", "name", "out", "told"),
    [
        ("features", "sene", "x.npz", "there is no feature 'sene'; did you mean 'seen'"),
        ("features", "seen", "x.xlsx", "unknown format 'xlsx'"),
        ("features", "seen", "x", "unknown format ''"),
        ("predictions", "sight", "x.csv", "task/model"),
        ("predictions", "topic/sigth", "x.csv", "there is no model 'sigth'; did you mean 'sight'"),
        ("predictions", "topic/prior", "x.csv", "make it with: snakemake results/s/predictions/topic/prior.parquet"),
    ],
)
def test_what_cannot_be_exported(study, what, name, out, told):
    with pytest.raises(ExportError) as caught:
        export(study, what, name, out)
    assert told in str(caught.value) and not Path(out).exists()


def test_a_damaged_feature_is_named(study):
    path = Path(Paths.of(study).feature("seen"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ExportError, match=r"seen\.h5 is .*: snakemake --forcerun .*seen\.h5$"):
        export(study, "features", "seen", "x.npz")


def test_embeddings(study):
    Path("results/s/embeddings/picture").mkdir(parents=True)
    entries = [
        Entry(name, "k", arrays={"frame": np.full((2, 3), number, np.float32)}, times={"frame": np.ones((2, 2))})
        for number, name in enumerate(["b", "a"])
    ]
    write_store(Paths.of(study).embeddings("picture", "0"), entries[:1], {"shards": study.shards})
    write_store(Paths.of(study).embeddings("picture", "1"), entries[1:], {"shards": study.shards})
    write_store(Paths.of(study).embeddings("picture", "77"), entries, {"shards": study.shards + 1})
    assert export(study, "embeddings", "picture.frame", "f.npz") == "4 rows of embeddings picture.frame in f.npz"
    with np.load("f.npz", allow_pickle=False) as found:
        assert (
            found["video"].tolist() == ["a", "a", "b", "b"]
            and found["values"].tolist() == [[1] * 3] * 2 + [[0] * 3] * 2
        )
        assert found["start"].tolist() == [1] * 4
    with pytest.raises(ExportError, match="no array 'boxes'"):
        export(study, "embeddings", "picture.boxes", "f.csv")
    with pytest.raises(ExportError, match=r"no encoder 'pictur'; did you mean 'picture'"):
        export(study, "embeddings", "pictur.frame", "f.csv")


def test_boxes_have_columns_and_names(study):
    rows = np.array([[0.5, 3, 0.75, 0, 0, 0.5, 1], [1, 1, 0.5, 0, 0, 1, 1]], np.float32)
    noted = {"notes": {"class numbers": [["=cmd", 3]]}}
    entry = Entry("a", "k", arrays={"boxes": rows}, times={"boxes": np.zeros((2, 2))}, provenance=noted)
    write_store(Paths.of(study).embeddings("picture", "0"), [entry])
    export(study, "embeddings", "picture.boxes", "boxes.csv")
    lines = Path("boxes.csv").read_text().splitlines()
    assert lines == [
        "video,label,time,class,confidence,x1,y1,x2,y2",
        "a,'=cmd,0.5,3.0,0.75,0.0,0.0,0.5,1.0",
        "a,1,1.0,1.0,0.5,0.0,0.0,1.0,1.0",
    ]


def test_embeddings_that_are_not_there(study):
    with pytest.raises(ExportError, match="there are no embeddings of picture"):
        export(study, "embeddings", "picture.frame", "f.csv")
