"""What earlier jobs of an encoder left: shard files, parts of a killed job, spares. Entries are found by their key.

embeddings/{encoder}/{shard}.h5          the shard files, of this number of shards or of another
embeddings/{encoder}/{shard}.parts/      batches of a job that has not ended, a small store file each; and a shard file
that was set aside since something in it is damaged
embeddings/{encoder}/spare/              entries of a shard file that was replaced under another number of shards
and belong to shards that have not run yet
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from triptych.core.files import digest_bytes, sweep_temporary, writer_lock
from triptych.core.records import own_files, own_folder
from triptych.core.store import DamagedStore, Entry, read_arrays, read_index, read_store, write_store
from triptych.core.units import shard_of

#: Spare files that one job looks through when it cleans up.
SPARES_CHECKED = 16
#: Names of spares: digest of the keys in them.
_SPARE = re.compile(r"[0-9a-f]{16}\.h5")

_log = logging.getLogger("triptych.embed")


@dataclass
class Shelf:
    """The files of one encoder, seen from one shard.

    Attributes:
        out: the shard file of this job.
        shards: number of shards of the study now; None when it is not known.
    """

    out: Path
    shards: int | None = None
    damaged: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> Path:
        """Where the batches of this job are spilled."""
        return self.out.with_suffix(".parts")

    @property
    def spare(self) -> Path:
        """Where entries wait for shards that have not run yet."""
        return self.out.parent / "spare"

    def find(self, keys: Mapping[str, str]) -> dict[str, Entry]:
        """Whole entries whose key is the wanted one, from anywhere on the shelf; damaged ones are left out.

        Args:
            keys: video -> key.
        """
        found: dict[str, Entry] = {}
        for path in self._files():
            missing = {video: key for video, key in keys.items() if video not in found}
            if not missing:
                break
            found.update(self._matching(path, missing))
        return found

    def spill(self, entries: list[Entry]) -> None:
        """Keep a batch of this job, so that a kill costs only the batch in flight."""
        name = digest_bytes("\n".join(entry.key for entry in entries).encode())[:16]
        write_store(own_folder(self.parts) / f"{name}.h5", entries)

    def set_aside(self) -> None:
        """Move a damaged shard file among the parts, so that its shard runs again and takes over its whole entries."""
        with writer_lock(self.out):
            own_folder(self.parts)
            with contextlib.suppress(FileNotFoundError):  # another feature's job was here first
                self.out.replace(self.parts / "set-aside.h5")

    def replace(self, entries: Iterable[Entry], attributes: Mapping[str, str | int]) -> None:
        """Write the shard file whole, and remove what it makes needless."""
        kept = list(entries)
        self._keep_foreign({entry.video for entry in kept})
        told = dict(attributes) | ({"shards": self.shards} if self.shards else {})
        write_store(self.out, kept, told)
        shutil.rmtree(self.parts, ignore_errors=True)  # a link stays, and what it leads to
        self._clear_spares()
        sweep_temporary(self.out.parent)

    def _files(self) -> Iterator[Path]:
        # Spares last: an entry is put there before the shard file that held it is replaced.
        yield self.out
        yield from sorted(self.parts.glob("*.h5"))
        yield from (path for path in sorted(self.out.parent.glob("*.h5")) if path != self.out and self._foreign(path))
        yield from (path for path in sorted(self.out.parent.glob("*.parts/*.h5")) if path.parent != self.parts)
        yield from sorted(self.spare.glob("*.h5"))

    def _foreign(self, path: Path) -> bool:
        """Whether another shard's file may hold videos of this one: it was written under another number of shards."""
        return self.shards is None or _shards_of(path) != self.shards

    def _matching(self, path: Path, keys: Mapping[str, str]) -> dict[str, Entry]:
        try:
            matching = [line["video"] for line in read_index(path) if keys.get(line["video"]) == line["key"]]
            if not matching:
                return {}
            entries, damaged = read_store(path, matching)
        except FileNotFoundError:
            return {}
        except DamagedStore as error:
            _log.warning("%s; its entries are computed again", error)
            self.damaged[path.name] = str(error)
            return {}
        for video, why in damaged.items():
            _log.warning("%s in %s is damaged (%s); it is computed again", video, path, why)
        self.damaged.update(damaged)
        # The file may have been replaced since its index was read.
        return {video: entry for video, entry in entries.items() if entry.key == keys[video]}

    def _keep_foreign(self, mine: set[str]) -> None:
        """Put entries of the old file that belong to other shards now where those will look for them."""
        if self.shards is None or not self.out.is_file():
            return
        try:
            if _shards_of(self.out) == self.shards:
                return
            shard = self.out.stem
            foreign = [
                line["video"]
                for line in read_index(self.out)
                if line["video"] not in mine and shard_of(line["video"], self.shards) != shard
            ]
            if not foreign:
                return
            entries, _ = read_store(self.out, foreign)
        except DamagedStore:
            return
        name = digest_bytes("\n".join(sorted(entry.key for entry in entries.values())).encode())[:16]
        write_store(own_folder(self.spare) / f"{name}.h5", entries.values())

    def _clear_spares(self) -> None:
        """Remove spare files all of whose entries belong to shards that have run under this number of shards."""
        if self.shards is None:
            return
        for path in own_files(self.spare, _SPARE)[:SPARES_CHECKED]:
            try:
                owners = {shard_of(line["video"], self.shards) for line in read_index(path)}
            except (FileNotFoundError, DamagedStore):
                continue  # whose it is nobody can say
            if all(_shards_of(self.out.parent / f"{owner}.h5") == self.shards for owner in sorted(owners)):
                path.unlink(missing_ok=True)


def _shards_of(path: Path) -> int | None:
    """The number of shards under which a shard file was written, if it tells."""
    try:
        told = read_arrays(path, [])[1].get("shards")
        return int(told) if told is not None else None
    except (DamagedStore, FileNotFoundError, ValueError, TypeError):
        return None
