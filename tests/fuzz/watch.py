"""What a function may not do while it is fuzzed: write outside its folder, start programs, connect, hang."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: CPU seconds after which an example counts as hanging: of the process itself, so that a busy machine is no fault.
LONGEST = 30.0
#: Seconds on the clock after which it does too: one that waits (for a pipe, for a lock) takes no CPU time.
LONGEST_WAIT = 300.0
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events and the places of their arguments that are paths which change.
_CHANGING = {
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "shutil.rmtree": (0,),
}
#: The folder in which hypothesis keeps its examples and constants: below where pytest was called.
_HYPOTHESIS = f"{Path.cwd() / '.hypothesis'}{os.sep}"
_NEVER = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "pickle.find_class",
}


class Hang(BaseException):
    """An example took longer than `LONGEST` of CPU time, or than `LONGEST_WAIT`."""


class _State:
    folder: str | None = None
    broken: tuple[str, ...] | list[str] = ()


_state = _State()


def _outside(path: object) -> bool:
    if isinstance(path, int) or _state.folder is None:
        return False
    place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - in a hook of each call
    return not (
        place.startswith(_state.folder + os.sep)
        or place in (_state.folder, os.devnull)
        # What Python and hypothesis keep for themselves.
        or "__pycache__" in place
        or place.startswith(_HYPOTHESIS)
    )


def _hook(event: str, arguments: tuple) -> None:
    if _state.folder is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITING and _outside(path):
            _state.broken.append(f"opened {path!r} for writing")
    elif event in _CHANGING:
        for place in _CHANGING[event]:
            if _outside(arguments[place]):
                _state.broken.append(f"{event} of {arguments[place]!r}")
    elif event in _NEVER:
        _state.broken.append(f"{event}{arguments[:2]!r}")


def _hang(number: int, _: object) -> None:
    waited = number == signal.SIGALRM
    raise Hang(f"more than {LONGEST_WAIT:g} s" if waited else f"more than {LONGEST:g} s of CPU time")


@contextmanager
def _limits() -> Iterator[None]:
    """Both limits; the clock's is pytest's own (`--timeout`) before and afterwards."""
    handlers = {number: signal.signal(number, _hang) for number in (signal.SIGVTALRM, signal.SIGALRM)}
    begun = time.monotonic()
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    left, again = signal.setitimer(signal.ITIMER_REAL, LONGEST_WAIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - begun)), again)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Run a block that may write below `folder` and nowhere else, and must end.

    Raises:
        AssertionError: it wrote elsewhere, started a program, connected or unpickled.
        Hang: it did not end.
    """
    if not getattr(_hook, "installed", False):
        sys.addaudithook(_hook)
        _hook.installed = True
    _state.folder, _state.broken = os.path.abspath(folder), []  # noqa: PTH100
    try:
        with _limits():
            yield
    finally:
        broken, _state.folder = _state.broken, None
    assert not broken, broken
