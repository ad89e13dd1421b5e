"""Reading cached embeddings: shard files, as this workflow stores them, against a file for each video.

The same arrays (T x D float16 a video), written both ways; read back in interleaved pairs, both verified by checksum;
medians of CPU seconds, and their ratio. The file for each video is an HDF5 file with one checksummed dataset, read by
h5py; plain .npy files, which carry no checksum and no status, are given as well.

    python benchmarks/shards.py [--videos 10000] [--shard 500] [--pairs 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from triptych.core.store import Entry, read_column, read_store, write_store

T, D = 32, 512


def write(folder: Path, videos: int, size: int) -> dict[str, list[Path]]:
    """Both layouts of the same random embeddings; their files."""
    import h5py

    random = np.random.default_rng(0)
    files: dict[str, list[Path]] = {"shards": [], "h5": [], "npy": []}
    for kind in files:
        (folder / kind).mkdir()
    times = np.stack([np.arange(T), np.arange(T) + 1], axis=1).astype(np.float64)
    for first in range(0, videos, size):
        entries = []
        for number in range(first, min(first + size, videos)):
            values = random.normal(size=(T, D)).astype(np.float16)
            slug = f"video{number:06d}"
            entries.append(Entry(slug, f"{number:064x}", arrays={"embedding": values}, times={"embedding": times}))
            with h5py.File(folder / "h5" / f"{slug}.h5", "w") as handle:
                handle.create_dataset("embedding", data=values, chunks=values.shape, fletcher32=True)
                handle.create_dataset("times", data=times)
            np.save(folder / "npy" / f"{slug}.npy", values)
            files["h5"].append(folder / "h5" / f"{slug}.h5")
            files["npy"].append(folder / "npy" / f"{slug}.npy")
        files["shards"].append(folder / "shards" / f"{first // size:05d}.h5")
        write_store(files["shards"][-1], entries)
    return files


def read_shards(files: list[Path]) -> float:
    """All embeddings from shard files, a column each, each video's rows verified; a sum over them."""
    total = 0.0
    for path in files:
        column = read_column(path, "embedding")
        if column.damaged:
            raise ValueError(f"damaged: {column.damaged}")
        total += sum(float(values[0, 0]) for _, values in column)
    return total


def read_entries(files: list[Path]) -> float:
    """All entries from shard files with outcome and provenance, each verified byte by byte."""
    total = 0.0
    for path in files:
        entries, damaged = read_store(path)
        if damaged:
            raise ValueError(f"damaged: {damaged}")
        total += sum(float(entry.arrays["embedding"][0, 0]) for entry in entries.values())
    return total


def read_h5(files: list[Path]) -> float:
    """All embeddings, an HDF5 file each."""
    import h5py

    total = 0.0
    for path in files:
        with h5py.File(path, "r") as handle:
            values, _ = handle["embedding"][...], handle["times"][...]
            total += float(values[0, 0])
    return total


def read_npy(files: list[Path]) -> float:
    """All embeddings, a .npy file each."""
    return sum(float(np.load(path)[0, 0]) for path in files)


def seconds(read, files: list[Path]) -> tuple[float, float]:
    """CPU seconds of reading, and what was read."""
    start = time.process_time()
    total = read(files)
    return time.process_time() - start, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--shard", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    told = parser.parse_args()
    readers = {"shards": read_shards, "entries": read_entries, "h5": read_h5, "npy": read_npy}
    with tempfile.TemporaryDirectory(prefix="triptych-shards-") as folder:
        files = write(Path(folder), told.videos, told.shard)
        files["entries"] = files["shards"]
        taken: dict[str, list[float]] = {kind: [] for kind in readers}
        for _ in range(told.pairs):
            sums = set()
            for kind, read in readers.items():
                spent, total = seconds(read, files[kind])
                taken[kind].append(spent)
                sums.add(round(total, 3))
            if len(sums) != 1:
                raise ValueError(f"the layouts do not hold the same: {sums}")
    medians = {kind: statistics.median(spent) for kind, spent in taken.items()}
    size = T * D * 2 * told.videos / 2**20
    print(
        f"{told.videos} videos x {T} x {D} float16 ({size:.0f} MB), shards of {told.shard}, {told.pairs} rounds, CPU s"
    )
    labels = {
        "shards": "shards, a column",
        "entries": "shards, entries",
        "h5": "an HDF5 file each",
        "npy": "a .npy each",
    }
    for kind, label in labels.items():
        each, ratio = 1e3 * medians[kind] / told.videos, medians[kind] / medians["shards"]
        print(f"  {label:20s} {medians[kind]:8.3f}   {each:7.4f} ms a video   x {ratio:.1f}")
    print(f"ratio {medians['h5'] / medians['shards']:.1f} (goal: at least 30)")


if __name__ == "__main__":
    main()
