"""Artefacts that C libraries parse, in child processes: HDF5 of the store, parquet, keyframes."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.damage import damaged, edited, values
from fuzz.target import ENDED, in_child, target, tried
from hypothesis import strategies as st
from media import clips

from triptych.core import seal
from triptych.core.files import DamagedFile
from triptych.core.hdf import DamagedStore, read_arrays, write_arrays
from triptych.core.store import Entry, read_column, read_index, read_store, write_store
from triptych.encoders.pooling import SequenceFeature, feature_size, read_feature, read_sequences
from triptych.encoders.shelf import Shelf
from triptych.evaluate.predictions import PredictionsError, groups_of
from triptych.evaluate.predictions import read as read_predictions
from triptych.learn.labels import read_labels
from triptych.learn.relabel_files import RelabelError
from triptych.learn.relabel_files import read as read_relabelled
from triptych.media.keyframes import read as read_keyframes
from triptych.media.keyframes import read_jpegs

VIDEOS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Bytes of small artefacts as the project writes them."""
    place = tmp_path_factory.mktemp("artefacts")
    generator = np.random.default_rng(0)
    spans = np.array([[0.0, 1.0], [1.0, 2.0]])
    entries = [
        Entry(
            video,
            f"key-{video}",
            arrays={"frame": generator.normal(size=(2, 8)).astype(np.float32)},
            times={"frame": spans},
        )
        for video in VIDEOS
    ]
    write_store(place / "shard.h5", entries, {"encoder": "x", "shards": 1, "card": "null"})
    index = np.frombuffer(json.dumps(VIDEOS).encode(), np.uint8)
    rows = generator.normal(size=(3, 4)).astype(np.float32)
    write_arrays(place / "feature.h5", {"values": rows, "mask": np.array([True, True, False]), "index": index}, {})
    starts = np.array([0, 2, 3, 3])
    told = {"pool": "sequence"}
    parts = {"values": rows, "mask": np.array([True, True, False]), "index": index, "starts": starts}
    write_arrays(place / "sequence.h5", parts, told)
    return {path.stem: path.read_bytes() for path in place.iterdir()}


def truth_of(files, folder):
    path = folder / "whole.h5"
    path.write_bytes(files["shard"])
    return read_store(path)[0]


def read_all(path, whole):
    """Every reader of the store on one file: what comes is right, or the file is refused by name."""
    for read in (read_index, read_arrays, lambda one: read_arrays(one, ["values", "mask", "index"])):
        tried(DamagedStore, (path,), read, path)
    for read in (read_feature, read_sequences, feature_size):
        tried((DamagedStore, SequenceFeature), (path,), read, path)
    found = tried(DamagedStore, (path,), read_store, path)
    if found and whole is not None:
        assert all(np.array_equal(one.arrays["frame"], whole[name].arrays["frame"]) for name, one in found[0].items())
    column = tried(DamagedStore, (path,), read_column, path, "frame")
    if column is not None and whole is not None:
        assert all(np.array_equal(rows, whole[name].arrays["frame"]) for name, rows in column)
    tried(DamagedStore, (path,), read_keyframes, path)
    tried(DamagedStore, (path,), read_jpegs, path)
    Shelf(path, 1).find({"a": "key-a"})


@target(share=0.6, data=st.data(), kind=st.sampled_from(["shard", "feature", "sequence"]))
def test_a_damaged_store_file_is_refused_before_hdf5_reads_it(files, folder, data, kind):
    whole = truth_of(files, folder)
    path = folder / "store" / "0.h5"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.draw(damaged(files[kind])))
    # In this process: not one byte of a changed file may reach HDF5 unverified.
    read_all(path, whole)


@target(share=0.3, data=st.data(), kind=st.sampled_from(["shard", "feature", "sequence"]))
def test_a_forged_store_file_ends_no_more_than_its_reader(files, folder, data, kind):
    """A stranger can seal what a disk cannot: HDF5 parses it, in a child here; how often that dies is counted."""
    path = folder / "forged" / "0.h5"
    path.parent.mkdir(exist_ok=True)
    content = files[kind][: files[kind].rindex(b'{"apart"')]
    image = data.draw(damaged(content, most=3))
    path.write_bytes(image + seal.of(image))
    ended = in_child(read_all, folder, path, None)
    ENDED[f"test_a_forged_store_file_ends_no_more_than_its_reader: {ended}"] += 1


@pytest.fixture(scope="module")
def keyframes(tmp_path_factory):
    """Bytes of a keyframes file."""
    from triptych.core.config import Keyframes, Limits
    from triptych.core.paths import Paths
    from triptych.media import unit

    place = tmp_path_factory.mktemp("keyframes")
    clips.write(place / "clip.mp4", clips.moving(12), fps=12)
    paths = Paths("s", str(place / "results"), str(place / "media"), str(place / "splits"))
    videos = [{"slug": "a", "source": str(place / "clip.mp4"), "url": False}]
    unit.run_stage("probe", videos, paths, {}, Limits().model_dump())
    unit.run_stage("keyframes", videos, paths, Keyframes(count=2).model_dump(), Limits().model_dump())
    return (place / "results/s/keyframes/a.h5").read_bytes()


@target(share=0.3, data=st.data())
def test_damaged_keyframes_are_refused(keyframes, folder, data):
    path = folder / "keyframes.h5"
    path.write_bytes(data.draw(damaged(keyframes, most=2)))
    tried(DamagedStore, (path,), read_keyframes, path)
    tried(DamagedStore, (path,), read_jpegs, path)


def parquet(rows, metadata=None):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(metadata), out)
    return out.getvalue()


PREDICTIONS = [
    {
        "video": video,
        "role": "test",
        "outer": 0,
        "repeat": 0,
        "seed": 0,
        "class": name,
        "probability": share,
        "decision": share > 0.5,
        "truth": name == "x",
        "covered": True,
    }
    for video in VIDEOS
    for name, share in (("x", 0.7), ("y", 0.3))
]
LABELS = [
    {"video": "a", "labels": "x", "group": "f", "fold": 0, "reason": None, "line": 2},
    {"video": "b", "labels": None, "group": None, "fold": None, "reason": "no_label", "line": 3},
]
ZERO = [
    {
        "video": "a",
        "labels": "x",
        "score": 0.9,
        "label_source": "t",
        "status": "ok",
        "reason": None,
        "message": None,
        "key": "k",
        "score:x": 0.9,
        "score:y": 0.1,
    }
]
FACTS = {b"triptych": json.dumps({"labels": ["x", "y"], "multi_label": False, "counts": {}}).encode()}
MADE = {"predictions": parquet(PREDICTIONS), "labels": parquet(LABELS), "relabelled": parquet(ZERO, FACTS)}


def read_tables(path):
    for multi in (None, False):
        tried((PredictionsError, DamagedFile), (path,), read_predictions, path, multi)
    tried((PredictionsError, DamagedFile), (path,), groups_of, path, ["a"])
    labels = tried(DamagedFile, (path,), read_labels, path)
    if labels is not None:
        assert labels.targets.shape == (len(labels.videos), len(labels.classes))
    tried(RelabelError, (path,), read_relabelled, path)


@target(share=0.3, data=st.data(), kind=st.sampled_from(sorted(MADE)))
def test_a_damaged_parquet_file_is_named(folder, data, kind):
    path = folder / "damaged.parquet"
    path.write_bytes(data.draw(damaged(MADE[kind], most=3)))
    ended = in_child(read_tables, folder, path)
    ENDED[f"test_a_damaged_parquet_file_is_named: {ended}"] += 1


@target(share=1.5, rows=st.one_of(*(edited(rows, most=4) for rows in (PREDICTIONS, LABELS, ZERO))), facts=values)
def test_tables_of_other_columns_and_values_are_named(folder, rows, facts):
    path = folder / "other.parquet"
    try:
        content = parquet(rows, {b"triptych": json.dumps(facts).encode()})
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError, KeyError):
        return  # no table
    path.write_bytes(content)
    read_tables(path)
