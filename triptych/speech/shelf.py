"""What earlier jobs of a recogniser left: transcripts are found again by the key of their sound and source.

transcripts/{source}/{shard}.jsonl          one line a video; of this number of shards or of another
transcripts/{source}/{shard}.parts/         videos of a job that has not ended, a small file each
transcripts/{source}/spare/                 lines of a file that was replaced under another number of shards, which
                                            other shards will want
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from triptych.core import sealed
from triptych.core.files import digest_bytes, read_text, replace_text, sweep_temporary, writer_lock
from triptych.core.records import own_files, own_folder
from triptych.core.units import shard_of
from triptych.speech.transcript import Transcript, write_transcripts

#: Names of spares: digest of the lines in them.
_SPARE = re.compile(r"[0-9a-f]{16}\.jsonl")
_KEY = re.compile(r'"key": "([0-9a-f]{64})"')
_VIDEO = re.compile(r'"video": "([A-Za-z0-9_.-]+)"')
_log = logging.getLogger("triptych.transcribe")


@dataclass
class Shelf:
    """The files of one source, seen from one shard.

    Attributes:
        out: the transcripts of this job.
        shards: number of shards of the study now.
    """

    out: Path
    shards: int

    @property
    def parts(self) -> Path:
        """Where the videos of this job are spilled."""
        return self.out.with_suffix(".parts")

    @property
    def spare(self) -> Path:
        """Where lines wait for shards that have not run yet."""
        return self.out.parent / "spare"

    def find(self, keys: Mapping[str, str]) -> dict[str, Transcript]:
        """Transcripts whose key is the wanted one, from anywhere on the shelf; damaged lines are left out.

        Args:
            keys: video -> key.
        """
        found: dict[str, Transcript] = {}
        wanted = set(keys.values())
        for path in self._files():
            if len(found) == len(keys):
                break
            for line in _lines(path):
                key = _KEY.search(line)
                if key is None or key.group(1) not in wanted:
                    continue
                try:
                    transcript = Transcript.from_dict(sealed.read_line(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    _log.warning("%s has a damaged line (%s); its video is transcribed again", path, error)
                    continue
                if keys.get(transcript.video) == transcript.key:
                    found.setdefault(transcript.video, transcript)
        return found

    def spill(self, transcript: Transcript) -> None:
        """Keep a video of this job, so that a kill costs only the one in flight."""
        name = digest_bytes(transcript.video.encode())[:16]
        write_transcripts(own_folder(self.parts) / f"{name}.jsonl", [transcript])

    def replace(self, transcripts: Iterable[Transcript]) -> None:
        """Write the file whole, and remove what it makes needless."""
        listed = list(transcripts)
        self._keep_foreign()
        write_transcripts(self.out, listed)
        shutil.rmtree(self.parts, ignore_errors=True)  # a link stays, and what it leads to
        self._clear_spares()
        sweep_temporary(self.out.parent)

    def _files(self) -> Iterator[Path]:
        # Spares last: a line is put there before the file that held it is replaced.
        yield self.out
        yield from sorted(self.parts.glob("*.jsonl"))
        yield from (path for path in sorted(self.out.parent.glob("*.jsonl")) if path != self.out)
        yield from (path for path in sorted(self.out.parent.glob("*.parts/*.jsonl")) if path.parent != self.parts)
        yield from sorted(self.spare.glob("*.jsonl"))

    def _keep_foreign(self) -> None:
        """Put lines of the old file that belong to other shards now where those will look for them."""
        foreign = [line for line in _lines(self.out) if _KEY.search(line) and not self._is_mine(line)]
        if foreign:
            name = digest_bytes("\n".join(foreign).encode())[:16]
            replace_text(own_folder(self.spare) / f"{name}.jsonl", "".join(f"{line}\n" for line in foreign))

    def _clear_spares(self) -> None:
        """Take the lines of this shard out of the spare files; its own file has what is still wanted of them."""
        for path in own_files(self.spare, _SPARE):
            with writer_lock(path):
                lines = _lines(path)
                left = [line for line in lines if not self._is_mine(line)]
                if not left:
                    path.unlink(missing_ok=True)
                elif len(left) < len(lines):
                    replace_text(path, "".join(f"{line}\n" for line in left))

    def _is_mine(self, line: str) -> bool:
        video = _VIDEO.search(line)
        return video is None or shard_of(video.group(1), self.shards) == self.out.stem


def _lines(path: Path) -> list[str]:
    """Lines of a file; none when it is not there or no text."""
    try:
        return [line for line in read_text(path).split("\n") if line]
    except FileNotFoundError:
        return []
    except ValueError as error:
        _log.warning("%s is damaged (%s); its videos are transcribed again", path, error)
        return []
