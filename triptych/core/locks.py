"""Locks of open files (flock): taken without waiting, or waited for aloud and not for ever."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from triptych.core import records

#: What file systems without locks answer.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
#: Seconds after which a process says for whom it waits, and after which it gives up.
PATIENCE, WAIT = 3.0, 3600.0
#: Seconds between looks at a lock that is held for a moment.
GATE_PAUSE = 0.01

_log = logging.getLogger("triptych.live")


class BusyError(TimeoutError):
    """Another process writes the same and does not end in time."""


class Waiting:
    """The wait for another process: says once for whom, and gives up in the end.

    Args:
        what: that both want to write.
        most: seconds until it gives up.
    """

    def __init__(self, what: Path | str, most: float = WAIT) -> None:
        self.what, self.most, self._said, self._begun = what, most, False, time.monotonic()

    def for_(self, holder: object, pause: float = 0.1) -> None:
        """Wait a moment for a holder.

        Args:
            holder: who is waited for.
            pause: seconds of the moment.

        Raises:
            BusyError: the time is over.
        """
        waited = time.monotonic() - self._begun
        why = f"{self.what} is being written by another process ({holder})"
        if waited > self.most:
            raise BusyError(f"{why}, which did not end in {self.most:g} s; wait for it or end it, and run again")
        if waited > PATIENCE and not self._said:
            _log.warning("%s: waiting for it", why)
            self._said = True
        time.sleep(pause)


def take(handle: IO, how: int = fcntl.LOCK_EX) -> bool | None:
    """Lock an open file without waiting: False when another process holds it, None where there are no locks."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


@contextlib.contextmanager
def alone(path: Path, wait: float = WAIT) -> Iterator[IO[str]]:
    """Open a small file that jobs hold for a moment each; who may read it can hold it for ever.

    Raises:
        BusyError: somebody does.
        OSError: it cannot be written.
    """
    waiting = Waiting(path, wait)
    with records.open_plain(path, write=True) as handle:
        while take(handle) is False:
            waiting.for_(f"who holds its lock: `fuser -v {path}` on each host", GATE_PAUSE)
        yield handle
