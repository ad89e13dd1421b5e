"""A seal at the end of an HDF5 file: HDF5 itself only ever parses bytes that were verified before.

HDF5 trusts its own metadata: a zeroed block in it can make the library loop for ever or crash instead of raising. The
seal, behind the end of the HDF5 image (which HDF5 ignores), holds the crc32 of all bytes of the image but those of
named stretches, whose readers verify them entry by entry. A file whose seal is missing or wrong is not opened.

    image | JSON {"apart": [[start, length], ...], "crc32": n, "size": n} | its length (4) | its crc32 (4) | magic (8)
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

MAGIC = b"TRIPSEAL"
TAIL = 16
SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK = 1 << 20


class Unsealed(ValueError):
    """The file is not whole; the message says how that shows."""


def of(image: bytes, apart: Iterable[tuple[int, int]] = ()) -> bytes:
    """The seal of an HDF5 image.

    Args:
        image: the whole file.
        apart: stretches (start, length) that are verified otherwise.
    """
    stretches = sorted((start, length) for start, length in apart if length)
    crc = 0
    for start, end in _between(stretches, len(image)):
        crc = zlib.crc32(memoryview(image)[start:end], crc)
    body = json.dumps({"apart": stretches, "crc32": crc, "size": len(image)}, separators=(",", ":")).encode()
    return body + len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + MAGIC


def verify(path: Path | str) -> None:
    """Check a file against its seal.

    Raises:
        Unsealed: not HDF5, without a seal, cut, or changed outside the stretches that are verified otherwise.
        FileNotFoundError: no such file.
    """
    with Path(path).open("rb", buffering=0) as handle:
        if handle.read(len(SIGNATURE)) != SIGNATURE:
            raise Unsealed("not readable as HDF5")
        total = os.fstat(handle.fileno()).st_size
        tail = os.pread(handle.fileno(), TAIL, max(0, total - TAIL))
        length = int.from_bytes(tail[:4], "big")
        if len(tail) != TAIL or tail[8:] != MAGIC or length > total - TAIL:
            raise Unsealed("incomplete or of another format; refused")
        body = os.pread(handle.fileno(), length, total - TAIL - length)
        if zlib.crc32(body) != int.from_bytes(tail[4:8], "big"):
            raise Unsealed("damaged: its seal is broken")
        try:
            told = json.loads(body)
            stretches = [(int(start), int(length)) for start, length in told["apart"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unsealed("damaged: its seal is none") from error
        if told["size"] != total - TAIL - length:
            raise Unsealed(f"damaged: it has {total - TAIL - length} bytes instead of {told['size']}")
        crc = 0
        for start, end in _between(stretches, told["size"]):
            for at in range(start, end, BLOCK):
                crc = zlib.crc32(os.pread(handle.fileno(), min(BLOCK, end - at), at), crc)
        if crc != told["crc32"]:
            raise Unsealed("damaged: its checksum differs")


def _between(stretches: Iterable[Iterable[int]], size: int) -> Iterator[tuple[int, int]]:
    """What lies outside the sorted stretches of a file of `size` bytes."""
    at = 0
    for start, length in stretches:
        if start > at:
            yield at, start
        at = max(at, start + length)
    if at < size:
        yield at, size
