"""HDF5 files that were made to deceive, with a right seal: what none of ours holds is refused before it is read."""

import h5py
import numpy as np
import pytest

from triptych.core import hdf, seal
from triptych.core.hdf import FORMAT, DamagedStore, read_arrays, write_arrays
from triptych.core.store import read_column, read_index, read_store

READERS = (
    read_index,
    read_store,
    read_arrays,
    lambda path: read_arrays(path, ["x"]),
    lambda path: read_column(path, "x"),
)


def claims(handle):
    """A chunked dataset of a terabyte, of which no byte is stored."""
    handle.create_dataset("x", (2**40,), np.uint8, chunks=(2**20,))


def unpacks(handle):
    """Zeros, packed a thousand to one."""
    handle.create_dataset("x", data=np.zeros(10**7, np.uint8), compression="gzip")


def texts(handle):
    handle.create_dataset("x", data=["text"], dtype=h5py.string_dtype())


def ragged(handle):
    handle.create_dataset("x", (1,), dtype=h5py.vlen_dtype(np.int32))


def pointers(handle):
    handle["y"] = np.zeros(3)
    handle.create_dataset("x", data=[handle["y"].ref], dtype=h5py.ref_dtype)


def opaque(handle):
    handle.create_dataset("x", data=np.array([b"cos\nsystem\n"], dtype="V11"))


def named(handle):
    handle["x"] = np.dtype(np.int32)


def nothing(handle):
    handle["x"] = h5py.Empty(np.float32)


def circle(handle):
    handle.create_group("x")["again"] = handle["/"]


def inner_link(handle):
    handle.create_group("x")["away"] = h5py.ExternalLink("/etc/passwd", "/")


def twice(handle):
    handle["x"] = np.zeros(3)
    handle["y"] = handle["x"]


def ways(handle):
    """Seven groups of twenty links each to the next one: a billion ways through 20 kB."""
    last = handle.create_group("x")
    for level in range(7):
        group = handle.create_group(f"level{level}")
        for number in range(20):
            group[str(number)] = last
        last = group


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "make",
    [claims, unpacks, texts, ragged, pointers, opaque, named, nothing, circle, inner_link, twice, ways],
    ids=lambda one: one.__name__,
)
def test_what_none_of_our_files_holds_is_refused(tmp_path, make):
    path = tmp_path / "forged.h5"
    with h5py.File(path, "w") as handle:
        handle.attrs["format"], handle.attrs["complete"] = FORMAT, True
        make(handle)
    path.write_bytes(path.read_bytes() + seal.of(path.read_bytes()))
    seal.verify(path)
    for read in READERS:
        with pytest.raises(DamagedStore, match=r"forged\.h5"):
            read(path)


def test_a_crowd_of_groups_is_not_walked(tmp_path, monkeypatch):
    path = tmp_path / "crowd.h5"
    write_arrays(path, {f"x/{number}": np.zeros(1) for number in range(9)}, {})
    assert len(read_arrays(path)[0]) == 9
    monkeypatch.setattr(hdf, "MOST", 9)
    with pytest.raises(DamagedStore, match=r"crowd\.h5 holds more than 9 groups and arrays"):
        read_arrays(path)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"apart": 1, "size": 0, "crc32": 0}', b"[" * 5000, b'{"apart": [["a", 1]]}']
)
def test_a_seal_of_anything_else_is_none(tmp_path, body):
    import zlib

    path = tmp_path / "sealed.h5"
    tail = body + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + seal.MAGIC
    path.write_bytes(seal.SIGNATURE + tail)
    with pytest.raises(seal.Unsealed):
        seal.verify(path)
