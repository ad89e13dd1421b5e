"""What becomes of damaged files that stop a job: they are removed, with what stands for them, and made again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from triptych.core import parquet, seal, sealed
from triptych.core.files import DamagedFile, read_text


def verify(path: Path | str) -> None:
    """Check a file by what its name ends in; endings without checksums pass.

    Raises:
        ValueError: it is damaged.
        FileNotFoundError: no such file.
    """
    path = Path(path)
    readers = {
        ".json": sealed.read_json,
        ".jsonl": sealed.read_lines,
        ".parquet": parquet.read_table,
        ".h5": seal.verify,
    }
    if path.suffix in readers:
        readers[path.suffix](path)


def remove(paths: Iterable[Path | str], root: Path | str) -> list[str]:
    """Remove the damaged ones of these files, as far as they lie under `root`, so that the next run makes them again.

    Returns:
        A line each: the file and how it showed.
    """
    removed = []
    base = Path(root).resolve()
    for path in sorted(map(Path, set(map(str, paths)))):
        try:
            if path.is_file() and path.resolve().is_relative_to(base):
                verify(path)
        except ValueError as error:
            told = error.told if isinstance(error, DamagedFile) else str(error)
            removed.append(told if str(path) in told else f"{path} is {told}")
            _drop(path)
        except OSError:
            continue
    return removed


def named(error: BaseException | None) -> list[Path]:
    """Files that an exception, or one that led to it, says are damaged."""
    found = []
    while error is not None:
        if isinstance(error, DamagedFile) and error.path is not None:
            found.append(error.path)
        error = error.__cause__ or error.__context__
    return found


def _drop(path: Path) -> None:
    """Remove a file; with a manifest of one video also that of its shard, which is what the rules know."""
    shards = path.parent / "shards"
    if path.suffix == ".json" and shards.is_dir():
        for shard in sorted(shards.glob("*.json")):
            with contextlib.suppress(OSError):
                try:
                    known = path.stem in json.loads(read_text(shard))["videos"]
                except (ValueError, KeyError, TypeError):
                    known = True
                if known:
                    shard.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.unlink()
