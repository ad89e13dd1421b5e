"""Features: pooled rows with a mask, and a stop that counts when too few videos are usable."""

import numpy as np
import pytest

from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, Entry, write_arrays, write_store
from triptych.encoders import pooling

VALUES = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]], np.float32)


def entry(video, values=VALUES):
    times = np.stack([np.arange(len(values)), np.arange(len(values)) + 1], 1)
    return Entry(video, "k", arrays={"a": values}, times={"a": times})


@pytest.fixture
def shards(tmp_path):
    write_store(tmp_path / "0.h5", [entry("b"), Entry("a", "k", Outcome("absent", "no_audio", "none"))])
    other = Entry("d", "k", arrays={"other": VALUES}, times={"other": np.zeros((3, 2))})
    write_store(tmp_path / "1.h5", [entry("c", VALUES * 2), other])
    return [tmp_path / "0.h5", tmp_path / "1.h5"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [3, 30]),
        ("std", [np.std([1, 2, 6]), np.std([10, 20, 60])]),
        ("max", [6, 60]),
        ("min", [1, 10]),
        ("p50", [2, 20]),
        ("p25", [1.5, 15]),
        ("p0+p100", [1, 10, 6, 60]),
        ("mean+std+p25", [3, 30, np.std([1, 2, 6]), np.std([10, 20, 60]), 1.5, 15]),
    ],
)
def test_poolings(how, expected):
    found = pooling.pool(VALUES, how)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_are_weighted_by_the_array_beside_them(tmp_path):
    weights = np.array([[1.0], [1.0], [2.0]], np.float32)
    times = np.zeros((3, 2))
    one = Entry("a", "k", arrays={"a": VALUES, "a_weights": weights}, times={"a": times, "a_weights": times})
    write_store(tmp_path / "0.h5", [one, Entry("b", "k", Outcome("absent", "no_text", "none"))])
    counts = pooling.pool_feature("said", "words.a", "wmean+max", [tmp_path / "0.h5"], tmp_path / "f.h5")
    _, values, mask = pooling.read_feature(tmp_path / "f.h5")
    assert counts == {"ok": 1, "no_text": 1} and mask.tolist() == [True, False]
    np.testing.assert_allclose(values[0], [15 / 4, 150 / 4, 6, 60], rtol=1e-6)
    assert (pooling.pool(VALUES, "wmean", np.ones(3)) == pooling.pool(VALUES, "mean")).all()


def test_weights_must_be_there(shards, tmp_path):
    with pytest.raises(ValueError, match="wmean needs a weight for each row"):
        pooling.pool_feature("heard", "sound.a", "wmean", shards, tmp_path / "f.h5")
    with pytest.raises(ValueError, match="wmean needs a weight for each row"):
        pooling.pool(VALUES, "wmean", np.ones(2))


def test_unknown_poolings_and_no_rows():
    with pytest.raises(ValueError, match="unknown pooling 'median'"):
        pooling.pool(VALUES, "mean+median")
    with pytest.raises(ValueError, match="no rows"):
        pooling.pool(VALUES[:0], "mean")


def test_a_feature_masks_what_is_not_there(shards, tmp_path):
    counts = pooling.pool_feature("heard", "sound.a", "mean+max", shards, tmp_path / "f.h5")
    assert counts == {"ok": 2, "no_audio": 1, "no_a": 1}
    ids, values, mask = pooling.read_feature(tmp_path / "f.h5")
    assert ids == ["a", "b", "c", "d"] and mask.tolist() == [False, True, True, False]
    np.testing.assert_allclose(values, [[0] * 4, [3, 30, 6, 60], [6, 60, 12, 120], [0] * 4])
    before = (tmp_path / "f.h5").read_bytes()
    pooling.pool_feature("heard", "sound.a", "mean+max", shards[::-1], tmp_path / "f.h5")
    assert (tmp_path / "f.h5").read_bytes() == before


def test_too_few_stops_with_counts(shards, tmp_path):
    pooling.pool_feature("heard", "sound.a", "mean", shards, tmp_path / "f.h5", 0.5)
    with pytest.raises(pooling.TooFew, match=r"heard \(sound.a\): 2 of 4 videos .* 0.6 .*1 no_a, 1 no_audio, 2 ok"):
        pooling.pool_feature("heard", "sound.a", "mean", shards, tmp_path / "f.h5", 0.6)


def test_presence_is_a_feature_of_every_video(shards, tmp_path):
    pooling.pool_feature("has", "sound.a", "present", shards, tmp_path / "f.h5", 1.0)
    ids, values, mask = pooling.read_feature(tmp_path / "f.h5")
    assert ids == ["a", "b", "c", "d"] and mask.all() and values.tolist() == [[0], [1], [1], [0]]


def test_nothing_usable(shards, tmp_path):
    pooling.pool_feature("x", "sound.nothing", "mean", shards, tmp_path / "f.h5", 0.0)
    ids, values, mask = pooling.read_feature(tmp_path / "f.h5")
    assert len(ids) == 4 and values.shape == (4, 0) and not mask.any()


def test_damage_is_never_pooled(shards, tmp_path):
    content = bytearray(shards[0].read_bytes())
    content[content.index(VALUES.tobytes())] ^= 1
    shards[0].write_bytes(content)
    shards[1].write_bytes(shards[1].read_bytes()[:-50])
    with pytest.raises(DamagedStore, match=r"(?s)run snakemake again.*0\.h5: damaged entries of b\n.*1\.h5"):
        pooling.pool_feature("heard", "sound.a", "mean", shards, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists() and not any(path.exists() for path in shards)
    assert all((path.with_suffix(".parts") / "set-aside.h5").exists() for path in shards)


def test_whole_shards_stay_where_they_are(shards, tmp_path):
    shards[1].write_bytes(shards[1].read_bytes()[:-50])
    with pytest.raises(DamagedStore, match=r"run snakemake again.*\n  .*1\.h5 is [^\n]*$"):
        pooling.pool_feature("heard", "sound.a", "mean", shards, tmp_path / "f.h5")
    assert shards[0].exists() and not shards[0].with_suffix(".parts").exists() and not shards[1].exists()


def test_a_sequence_keeps_all_rows_in_order(shards, tmp_path):
    counts = pooling.pool_feature("heard", "sound.a", "sequence", shards, tmp_path / "f.h5")
    assert counts == {"ok": 2, "no_audio": 1, "no_a": 1}
    ids, values, starts, mask = pooling.read_sequences(tmp_path / "f.h5")
    assert ids == ["a", "b", "c", "d"] and mask.tolist() == [False, True, True, False]
    assert starts.tolist() == [0, 0, 3, 6, 6] and values.dtype == np.float32
    assert np.array_equal(values[0:3], VALUES) and np.array_equal(values[3:6], VALUES * 2)
    assert pooling.feature_size(tmp_path / "f.h5") == (4, 2, 2)
    before = (tmp_path / "f.h5").read_bytes()
    pooling.pool_feature("heard", "sound.a", "sequence", shards[::-1], tmp_path / "f.h5")
    assert (tmp_path / "f.h5").read_bytes() == before


def test_a_sequence_of_grids_is_flat_and_one_of_nothing_is_empty(tmp_path):
    grid = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_store(tmp_path / "0.h5", [entry("a", grid), Entry("b", "k", Outcome("absent", "no_audio", "none"))])
    pooling.pool_feature("f", "e.a", "sequence", [tmp_path / "0.h5"], tmp_path / "f.h5")
    assert pooling.read_sequences(tmp_path / "f.h5")[1].tolist() == grid.reshape(2, 12).tolist()
    write_store(tmp_path / "1.h5", [Entry("b", "k", Outcome("absent", "no_audio", "none"))])
    pooling.pool_feature("f", "e.a", "sequence", [tmp_path / "1.h5"], tmp_path / "f.h5")
    ids, values, starts, mask = pooling.read_sequences(tmp_path / "f.h5")
    assert (ids, values.shape, starts.tolist(), mask.tolist()) == (["b"], (0, 0), [0, 0], [False])


def test_sequences_and_pooled_features_are_not_taken_for_each_other(shards, tmp_path):
    pooling.pool_feature("heard", "sound.a", "sequence", shards, tmp_path / "s.h5")
    pooling.pool_feature("heard", "sound.a", "mean", shards, tmp_path / "f.h5")
    with pytest.raises(ValueError, match=r"s.h5 holds sequences .* one row a video is wanted"):
        pooling.read_feature(tmp_path / "s.h5")
    with pytest.raises(ValueError, match=r"f.h5 holds one row a video; sequences are wanted"):
        pooling.read_sequences(tmp_path / "f.h5")


def test_a_sequence_file_whose_parts_do_not_fit_is_damaged(tmp_path):
    index = np.frombuffer(b'["a", "b"]', dtype=np.uint8)
    for starts, mask in (([0, 2, 4], [1, 1]), ([0, 3, 3], [1, 1]), ([0, 3], [1]), ([0, 4, 3], [1, 1])):
        arrays = {"values": VALUES, "starts": np.array(starts), "mask": np.array(mask, dtype=bool), "index": index}
        write_arrays(tmp_path / "f.h5", arrays, {"pool": "sequence"})
        with pytest.raises(DamagedStore, match="do not fit together"):
            pooling.read_sequences(tmp_path / "f.h5")
