"""HDF5 files that are whole and self-contained: written in one piece, sealed, opened only after verification."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import seal
from triptych.core.files import replace_bytes

FORMAT = "triptych-store-2"
#: Bytes of a chunk: large enough for contiguous reads, small enough that a damaged one costs few videos.
CHUNK_BYTES = 256 * 1024
#: Kinds of numbers that are stored: truth values, integers, reals.
KINDS = "buif"
#: Groups within groups, and groups and arrays; ours are two deep and some hundreds.
DEEPEST, MOST = 8, 1 << 16


class DamagedStore(Exception):
    """A store file that cannot be trusted as a whole (not HDF5, no index, foreign links)."""


def write_arrays(
    path: Path | str, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any], plain: Iterable[str] = ()
) -> None:
    """Write named arrays with checksums and attributes as an HDF5 file, whole or not at all.

    The image is built in memory and written by plain Python, since HDF5 on a full disk ends in a crash of the
    process instead of an error. Names may hold `/` for groups; those in `plain` are written contiguous and without
    checksums, since their content is verified otherwise.

    Raises:
        OSError: the disk is full or the folder not writable.
    """
    import h5py

    unchecked = set(plain)
    # No timestamps, and names in sorted order: the same content gives the same bytes.
    with h5py.File("memory", "w", driver="core", backing_store=False) as handle:
        handle.attrs["format"] = FORMAT
        for name, value in sorted(attributes.items()):
            handle.attrs[name] = value
        for name in sorted(arrays):
            value = np.asarray(arrays[name], order="C")  # keeps a single number single
            if value.dtype.kind not in KINDS:
                raise TypeError(f"array {name!r} has dtype {value.dtype}; only numbers are stored")
            if value.size == 0:
                handle.create_dataset(name, shape=value.shape, dtype=value.dtype, track_times=False)
                continue
            row = max(1, value.itemsize * int(np.prod(value.shape[1:], dtype=np.int64)))
            chunked = value.ndim and name not in unchecked
            chunk = (max(1, min(value.shape[0], CHUNK_BYTES // row)), *value.shape[1:]) if chunked else None
            handle.create_dataset(name, data=value, chunks=chunk, fletcher32=bool(chunk), track_times=False)
        handle.attrs["complete"] = True
        handle.flush()
        apart = [_stretch(handle[name]) for name in sorted(unchecked)]
        image = handle.id.get_file_image()
    replace_bytes(path, image + seal.of(image, apart))


def _stretch(dataset) -> tuple[int, int]:
    """Where in its file a contiguous dataset lies: first byte and length."""
    return (dataset.id.get_offset() or 0, dataset.id.get_storage_size()) if dataset.size else (0, 0)


def read_arrays(path: Path | str, names: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read named arrays (all by default) and the attributes of a file of `write_arrays`, verifying checksums.

    Raises:
        DamagedStore: naming the file, when anything of it cannot be trusted.
        FileNotFoundError: no such file.
    """
    with opened(path) as handle:
        wanted = list(names) if names is not None else _dataset_names(handle)
        try:
            return {name: handle[name][...] for name in wanted}, dict(handle.attrs)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise DamagedStore(f"{path} is damaged: {error}") from error


def whole(dataset) -> np.ndarray:
    """All of a contiguous dataset, read from its file straight into the array (half the time of HDF5's own way)."""
    values = np.empty(dataset.shape, dataset.dtype)
    offset = dataset.id.get_offset()
    if offset is None or not values.size:
        return dataset[...]
    room = memoryview(values.reshape(-1).view(np.uint8))
    descriptor = dataset.file.id.get_vfd_handle()
    done = 0
    while done < len(room):
        read = os.preadv(descriptor, [room[done:]], offset + done)
        if read == 0:
            raise OSError(f"{dataset.name} ends after {done} of {len(room)} bytes")
        done += read
    return values


class opened:
    """An HDF5 file opened for reading, refused unless it is complete and holds no link to other files."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __enter__(self):
        import h5py

        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path} is not there")
        try:
            # Also what keeps HDF5 from looping or crashing over damaged metadata.
            seal.verify(self.path)
        except seal.Unsealed as error:
            raise DamagedStore(f"{self.path} is {error}") from error
        try:
            # locking off: files are replaced whole, and locks fail on some network file systems.
            self.handle = h5py.File(self.path, "r", locking=False)
        except (OSError, RuntimeError) as error:
            raise DamagedStore(f"{self.path} is not readable as HDF5: {error}") from error
        try:
            if not self.handle.attrs.get("complete", False) or self.handle.attrs.get("format") != FORMAT:
                raise DamagedStore(f"{self.path} is incomplete or of another format")
            self._refuse_foreign(self.handle, self.path.stat().st_size, {_address(self.handle)})
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            self.handle.close()
            raise DamagedStore(f"{self.path} is damaged: {error}") from error
        except DamagedStore:
            self.handle.close()
            raise
        return self.handle

    def _refuse_foreign(self, group, room: int, seen: set[int], depth: int = 0) -> None:
        """Refuse what none of our files holds and what would read other files' bytes, unpickle, or fill the memory.

        Args:
            group: whose members are looked at.
            room: bytes of the file; nothing in it is compressed, so that no dataset is larger.
            seen: where the objects that were looked at begin; ours have one name each. A few links to the same from
                each of a few groups are more ways than can be walked.
            depth: of the group.
        """
        import h5py

        if depth > DEEPEST:
            raise DamagedStore(f"{self.path} holds groups in groups without end; refused")
        for name in group:
            if isinstance(group.get(name, getlink=True), (h5py.ExternalLink, h5py.SoftLink)):
                raise DamagedStore(f"{self.path} links to another place ({name}); refused")
            item = group[name]
            if (place := _address(item)) in seen:
                raise DamagedStore(f"{self.path} holds {name} under several names; refused")
            if len(seen) >= MOST:
                raise DamagedStore(f"{self.path} holds more than {MOST:,} groups and arrays; refused")
            seen.add(place)
            if isinstance(item, h5py.Group):
                self._refuse_foreign(item, room, seen, depth + 1)
            elif not isinstance(item, h5py.Dataset):
                raise DamagedStore(f"{self.path} holds {name}, which is no array; refused")
            elif item.external or item.is_virtual:
                raise DamagedStore(f"{self.path} keeps {name} outside itself; refused")
            elif item.dtype.kind not in KINDS or h5py.check_dtype(ref=item.dtype):
                raise DamagedStore(f"{self.path}: {name} holds {item.dtype} instead of numbers; refused")
            elif item.shape is None or item.nbytes > room:
                raise DamagedStore(f"{self.path}: {name} claims more than the file holds; refused")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.handle.close()
        # What HDF5 itself cannot make sense of, wherever a reader meets it.
        if isinstance(error, RuntimeError) and type(error).__module__ == "builtins":
            raise DamagedStore(f"{self.path} is damaged: {error}") from error


def _address(item) -> int:
    """Where a group or an array begins in its file."""
    import h5py

    return h5py.h5o.get_info(item.id).addr


def _dataset_names(handle) -> list[str]:
    import h5py

    found: list[str] = []
    handle.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(found)
