"""Files that are either whole or not there: atomic replacement, digests, and one writer per artefact."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triptych.core import live, locks, records
from triptych.core.cells import printable

_log = logging.getLogger("triptych.files")


class DamagedFile(ValueError):
    """A file of the results that is not as it was written; the message names it, the cause and what to do.

    Attributes:
        path: the file.
        told: the message without what to do.
    """

    def __init__(self, path: Path | str, cause: object, line: int | None = None) -> None:
        self.path = Path(path)
        self.told = f"{path}, line {line}: damaged ({cause})" if line else f"{path} is damaged ({cause})"
        super().__init__(f"{self.told}; delete {'the file' if line else 'it'} and run again")


class NotPlain(ValueError):
    """Something else than a file of its kind: a pipe, a device, or more bytes than such a file has."""


#: Most bytes of a small file: of transcripts of a shard, of a table of videos.
MOST = 1 << 30


def read_plain(path: Path | str, most: int = MOST) -> bytes:
    """The content of a file; a pipe would be waited for, and a device has no end.

    Raises:
        NotPlain: it is no file, or larger than `most`.
        OSError: it is not there, or a folder, or there is no right to read it.
    """
    return read_dated(path, most)[0]


def read_dated(path: Path | str, most: int = MOST) -> tuple[bytes, float]:
    """`read_plain`, and when the file was written (seconds since the epoch)."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise NotPlain("it is a socket and no file") from error
        raise
    try:
        told = os.fstat(number)
        if stat.S_ISDIR(told.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(told.st_mode):
            raise NotPlain(f"it is a {'pipe' if stat.S_ISFIFO(told.st_mode) else 'device'} and no file")
        if told.st_size > most:
            raise NotPlain(f"it has {told.st_size:,} bytes, and at most {most:,} are read")
        with os.fdopen(number, "rb", buffering=0, closefd=False) as handle:
            return handle.read(), told.st_mtime
    finally:
        os.close(number)


def read_text(path: Path | str, most: int = MOST, encoding: str = "utf-8") -> str:
    """`read_plain` as text, with line feeds at the ends of lines whatever the file has there.

    Raises:
        ValueError: it is no text, or no plain file.
        OSError: it cannot be read.
    """
    return read_plain(path, most).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def digest_bytes(data: bytes) -> str:
    """Sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path | str) -> str:
    """Sha256 of a file's content, in hex, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """Sha256 of a JSON-able value in canonical form: the same value gives the same digest on every machine."""
    return digest_bytes(canonical_json(value).encode())


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def replace_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` whole or not at all: a temporary name in the same folder, flushed, then `os.replace`.

    Raises:
        OSError: for example a full disk; the temporary file is removed and an earlier `path` is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    # A name that is there already was left by a killed process, or is a link that leads elsewhere.
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write does not name its file
        temporary.unlink(missing_ok=True)
        raise


def replace_text(path: Path | str, text: str) -> None:
    """`replace_bytes` of UTF-8 text."""
    replace_bytes(path, text.encode("utf-8"))


def replace_json(path: Path | str, value: Any) -> None:
    """Write a JSON file whole, with sorted keys and a newline at the end."""
    replace_text(path, json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def parse_json(text: str | bytes) -> Any:
    """A JSON value that can be written again.

    Raises:
        ValueError: no JSON, nested too deeply, or with halves of characters that no file can hold.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    # An escape (`\\ud800`) can tell half of a pair, which UTF-8 has no bytes for.
    if (b"\\ud" if isinstance(text, bytes) else "\\ud") in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
    return value


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        DamagedFile: it holds none.
        FileNotFoundError: no such file.
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise DamagedFile(path, error) from error


def temporary_name(path: Path | str) -> Path:
    """The temporary name beside `path` under which it is written (swept by `sweep_temporary`)."""
    path = Path(path)
    # Nodes of a cluster share folders, and their processes have the same numbers.
    host = socket.gethostname().split(".")[0][:20]
    return path.with_name(f".{path.name}.tmp.{host}.{os.getpid()}")


def sweep_temporary(folder: Path | str, older_than: float = 3600.0) -> int:
    """Remove what killed writers left in `folder` (`.NAME.tmp.HOST.PID`, older than so many seconds)."""
    swept = 0
    for path in Path(folder).glob(".*.tmp.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                swept += 1
    return swept


@contextlib.contextmanager
def writer_lock(path: Path | str, wait: float = locks.WAIT) -> Iterator[None]:
    """Hold the one writer's place of the artefact `path`; the kernel frees it when the holder dies.

    A job that outlived its Snakemake, or its node's place in a cluster, may still be writing: the second writer names
    it in its log and waits `wait` seconds for it. On a file system without locks (Lustre or NFS mounted so) it is not
    held up.

    Raises:
        BusyError: naming the holder (host, pid, since) when it does not end in time.
    """
    path = Path(path)
    lock = path.parent / ".locks" / f"{path.name}.lock"
    records.own_folder(lock.parent)
    with records.open_plain(lock, write=True) as handle:
        waiting = locks.Waiting(path, wait)
        while not (taken := locks.take(handle)):
            if taken is None:
                # Files are replaced whole, so two writers waste time but spoil nothing.
                _log.warning("no locks in %s: run one Snakemake at a time there", lock.parent)
                break
            handle.seek(0)
            waiting.for_(printable(handle.read(records.MOST).strip(), records.LONGEST) or "unknown")
        handle.seek(0)
        handle.truncate()
        handle.write(live.told(live.myself()) + "\n")
        handle.flush()
        yield
