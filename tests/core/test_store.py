"""The store: what is read back is what was written, or it is named as damaged; never a wrong entry."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from triptych.core import seal
from triptych.core.hdf import FORMAT
from triptych.core.status import Outcome
from triptych.core.store import (
    DamagedStore,
    Entry,
    read_arrays,
    read_column,
    read_index,
    read_store,
    write_arrays,
    write_store,
)

VIDEOS = [f"v{number:02d}" for number in range(30)]


def entry(video: str, rows: int = 6) -> Entry:
    generator = np.random.default_rng(sum(map(ord, video)))
    spans = np.stack([np.arange(rows), np.arange(1, rows + 1)], axis=1).astype(float)
    arrays = {"frame": generator.normal(size=(rows, 16)).astype(np.float32), "clip": generator.normal(size=(1, 5))}
    return Entry(
        video, f"key-{video}", arrays=arrays, times={"frame": spans, "clip": spans[:1]}, provenance={"encoder": "x"}
    )


def same(one: Entry, other: Entry) -> bool:
    return (
        (one.video, one.key, one.outcome, one.provenance) == (other.video, other.key, other.outcome, other.provenance)
        and set(one.arrays) == set(other.arrays)
        and all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
        and all(one.arrays[name].dtype == other.arrays[name].dtype for name in one.arrays)
        and all(np.array_equal(one.times[name], other.times[name]) for name in one.arrays)
    )


@pytest.fixture
def entries() -> dict[str, Entry]:
    made = {video: entry(video, rows=1 + number % 9) for number, video in enumerate(VIDEOS)}
    made["v03"] = Entry("v03", "k", Outcome("absent", "no_audio", "There is no sound."))
    made["v04"] = Entry("v04", "k", Outcome("failed", "unreadable", "ü\u2028x"))
    return made


@pytest.fixture
def shard(tmp_path, entries):
    path = tmp_path / "0.h5"
    write_store(path, reversed(entries.values()), {"encoder": "x"})
    return path


def test_round_trip(shard, entries):
    found, damaged = read_store(shard)
    assert damaged == {} and set(found) == set(entries)
    assert all(same(found[video], entries[video]) for video in entries)
    assert [line["video"] for line in read_index(shard)] == sorted(entries)


@pytest.mark.parametrize("wanted", [["v00"], ["v07", "none"], VIDEOS[:20], []])
def test_some_videos_and_some_arrays(shard, entries, wanted):
    found, damaged = read_store(shard, wanted, ["clip"])
    assert damaged == {} and set(found) == set(wanted) & set(entries)
    for video, one in found.items():
        assert set(one.arrays) <= {"clip"}
        assert all(np.array_equal(one.arrays[name], entries[video].arrays[name]) for name in one.arrays)


def test_the_same_entries_give_the_same_bytes(tmp_path, shard, entries):
    write_store(tmp_path / "again.h5", entries.values(), {"encoder": "x"})
    assert (tmp_path / "again.h5").read_bytes() == shard.read_bytes()


def test_an_empty_store_and_empty_arrays(tmp_path):
    write_store(tmp_path / "none.h5", [])
    assert read_store(tmp_path / "none.h5") == ({}, {})
    empty = Entry("a", "k", arrays={"x": np.zeros((0, 4), np.float32)}, times={"x": np.zeros((0, 2))})
    write_store(tmp_path / "empty.h5", [empty])
    found, damaged = read_store(tmp_path / "empty.h5")
    assert damaged == {} and found["a"].arrays["x"].shape == (0, 4)


def test_what_is_no_entry_is_refused(tmp_path):
    spans = np.zeros((2, 2))
    with pytest.raises(ValueError, match="twice"):
        write_store(tmp_path / "x.h5", [entry("a"), entry("a")])
    with pytest.raises(ValueError, match="times"):
        write_store(tmp_path / "x.h5", [Entry("a", "k", arrays={"x": np.zeros((3, 4))}, times={"x": spans})])
    with pytest.raises(ValueError, match="unlike the others"):
        one = Entry("a", "k", arrays={"x": np.zeros((2, 4))}, times={"x": spans})
        write_store(tmp_path / "x.h5", [one, Entry("b", "k", arrays={"x": np.zeros((2, 5))}, times={"x": spans})])
    with pytest.raises(TypeError, match="only numbers"):
        write_arrays(tmp_path / "x.h5", {"x": np.array([object()])}, {})
    assert list(tmp_path.iterdir()) == []


def damaged_or_right(path, entries) -> str:
    """Read a file that may be damaged: `whole` file refused, `some` entries refused, or `none`; never a wrong entry."""
    try:
        found, damaged = read_store(path)
    except DamagedStore:
        return "whole"
    for video, one in found.items():
        assert same(one, entries[video]), f"{video} was read back wrong"
    assert not set(found) & set(damaged)
    for name in ("frame", "clip"):
        for video, values in read_column(path, name):
            assert np.array_equal(values, entries[video].arrays[name]), f"{video} was read back wrong"
    return "some" if damaged else "none"


def column_or_damaged(path, entries) -> None:
    """Read columns of a file that may be damaged: never a wrong row."""
    for name in ("frame", "clip"):
        try:
            column = read_column(path, name)
        except DamagedStore:
            continue
        for video, values in column:
            assert np.array_equal(values, entries[video].arrays[name]), f"{video} was read back wrong"


def test_a_column_is_the_same_rows(shard, entries):
    for name in ("frame", "clip"):
        column = read_column(shard, name)
        assert column.videos == sorted(entries) and not column.damaged
        found = dict(column)
        assert set(found) == {video for video, one in entries.items() if name in one.arrays}
        assert all(np.array_equal(values, entries[video].arrays[name]) for video, values in found.items())
        start, end = column.starts[7], column.ends[7]
        assert np.array_equal(column.times[start:end], entries["v07"].times[name])
    assert list(read_column(shard, "none")) == [] and len(read_column(shard, "none").videos) == len(entries)


@pytest.mark.parametrize(("dtype", "width"), [(np.float64, 16), (np.float32, 15), (np.float16, 15), (np.uint8, 15)])
def test_a_column_sees_values_that_changed_places(tmp_path, dtype, width):
    """Sums of a row that are blind to order would not."""
    values = np.arange(1, 1 + 4 * width).reshape(4, width).astype(dtype)
    spans = np.stack([np.arange(4), np.arange(1, 5)], axis=1).astype(float)
    path = tmp_path / "0.h5"
    write_store(path, [Entry("a", "k", arrays={"x": values}, times={"x": spans})])
    content = path.read_bytes()
    assert not read_column(path, "x").damaged
    place, size = content.index(values.tobytes()), values.itemsize
    for row in range(4):
        for first, second in ((0, 1), (0, width - 1), (2, 10), (width - 2, width - 1)):
            changed = values.copy()
            changed[row, [first, second]] = changed[row, [second, first]]
            path.write_bytes(content[:place] + changed.tobytes() + content[place + values.size * size :])
            assert read_column(path, "x").damaged == {"a"}, (row, first, second)


@pytest.mark.fault(3)
def test_any_change_outside_the_columns_is_seen_before_hdf5_is(shard):
    """HDF5 loops over some zeroed metadata: no such byte may reach it."""
    content = shard.read_bytes()
    told = json.loads(content[content.rindex(b'{"apart"') : -16])
    apart = set().union(*(range(start, start + length) for start, length in told["apart"]))
    generator = np.random.default_rng(1)
    for place in generator.integers(0, len(content), 400).tolist():
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        shard.write_bytes(changed)
        if place in apart:
            seal.verify(shard)
        else:
            with pytest.raises(seal.Unsealed):
                seal.verify(shard)


@pytest.mark.fault(3)
def test_flipped_bits_never_give_a_wrong_entry(shard, entries):
    content = shard.read_bytes()
    generator = np.random.default_rng(7)
    seen = {"whole": 0, "some": 0, "none": 0}
    for place in generator.integers(0, len(content), 300):
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        shard.write_bytes(changed)
        seen[damaged_or_right(shard, entries)] += 1
        column_or_damaged(shard, entries)
    assert seen["whole"] and seen["some"], seen


@pytest.mark.fault(3)
def test_a_zeroed_stretch_never_gives_a_wrong_entry(shard, entries):
    content = shard.read_bytes()
    for start in range(0, len(content), max(1, len(content) // 60)):
        shard.write_bytes(content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :])
        damaged_or_right(shard, entries)
        column_or_damaged(shard, entries)


@pytest.mark.fault(3)
def test_a_cut_file_is_refused(shard, entries):
    content = shard.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        shard.write_bytes(content[:length])
        assert damaged_or_right(shard, entries) == "whole"


@pytest.mark.fault(3)
def test_damage_of_one_array_costs_its_entries_only(tmp_path):
    spans = np.zeros((400, 2))
    kept = {video: Entry(video, "k", arrays={"x": np.full((400, 64), number, np.float64)}, times={"x": spans})
            for number, video in enumerate(VIDEOS)}  # fmt: skip
    path = tmp_path / "0.h5"
    write_store(path, kept.values())
    content = bytearray(path.read_bytes())
    content[content.index(np.full(200, 11.0).tobytes()) + 800] ^= 1
    path.write_bytes(content)
    found, damaged = read_store(path)
    assert "v11" in damaged and len(damaged) <= 3 and len(found) >= 27
    assert all(same(found[video], kept[video]) for video in found)
    again, _ = read_store(path, ["v02", "v11"])
    assert set(again) == {"v02"}


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_store(tmp_path / "none.h5")
    with pytest.raises(DamagedStore, match="not readable"):
        (tmp_path / "text.h5").write_text("no HDF5")
        read_index(tmp_path / "text.h5")


def test_foreign_links_are_refused(tmp_path, shard):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as handle:
        handle["index"] = np.frombuffer(b"secret", np.uint8)
    raw = tmp_path / "secret.bin"
    raw.write_bytes(b"secret" * 4)
    for kind in ("external link", "soft link", "external storage", "virtual"):
        path = tmp_path / f"{kind}.h5"
        with h5py.File(path, "w") as handle:
            handle.attrs["format"], handle.attrs["complete"] = FORMAT, True
            if kind == "external link":
                handle["index"] = h5py.ExternalLink(str(secret), "/index")
            elif kind == "soft link":
                handle["index"] = h5py.SoftLink("/other")
            elif kind == "external storage":
                handle.create_dataset("index", (24,), np.uint8, external=[(str(raw), 0, 24)])
            else:
                layout = h5py.VirtualLayout((6,), np.uint8)
                layout[:] = h5py.VirtualSource(str(secret), "index", (6,))
                handle.create_virtual_dataset("index", layout)
        # Sealed as one of ours would be: the links themselves must be refused.
        path.write_bytes(path.read_bytes() + seal.of(path.read_bytes()))
        for read in (read_index, read_store, read_arrays, lambda path: read_column(path, "x")):
            with pytest.raises(DamagedStore, match=r"links to another place|keeps index outside"):
                read(path)


def test_a_foreign_format_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as handle:
        handle["index"] = np.zeros(3, np.uint8)
    with pytest.raises(DamagedStore, match="another format"):
        read_index(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes((tmp_path / "x.h5").read_bytes() + seal.of((tmp_path / "x.h5").read_bytes()))
    with pytest.raises(DamagedStore, match="another format"):
        read_index(tmp_path / "x.h5")


def test_arrays_and_attributes(tmp_path):
    arrays = {"a/b": np.arange(6).reshape(2, 3), "c": np.array(3.5), "d": np.zeros((0, 2))}
    write_arrays(tmp_path / "x.h5", arrays, {"name": "ü", "number": 3})
    found, attributes = read_arrays(tmp_path / "x.h5")
    assert set(found) == set(arrays) and all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert attributes["name"] == "ü" and attributes["number"] == 3
    with pytest.raises(DamagedStore):
        read_arrays(tmp_path / "x.h5", ["none"])


FULL = """
import resource, sys
import numpy as np
from triptych.core.store import Entry, write_store
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_store(sys.argv[1], [Entry("a", "k", arrays={"x": np.ones((500, 100))}, times={"x": np.zeros((500, 2))})])
except OSError as error:
    print("OSError", error.errno)
"""


@pytest.mark.fault(4)
def test_a_full_disk_is_one_clean_error_and_the_earlier_file_stays(shard, entries):
    before = shard.read_bytes()
    ran = subprocess.run([sys.executable, "-c", FULL, str(shard)], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.startswith("OSError"), ran.stderr
    assert shard.read_bytes() == before and list(shard.parent.iterdir()) == [shard]
