"""Decoding of untrusted media in a child process with limits; its crash is that video's status, not a failed job.

The child is forked, so that it starts in milliseconds; it may use a given address space and time, dies with its parent,
and answers in frames of JSON and raw numbers. Nothing that it sends is ever executed (no pickle).
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triptych.core.status import Outcome, Refused, stop

MAGIC = b"trip"
#: Kinds of numbers that an answer may hold.
DTYPES = ("uint8", "int64", "float32", "float64")
#: Exit status of a child whose answer did not fit into its memory.
NO_MEMORY = 77
#: Errors of the machine, not of the video: they fail the job.
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE})


class ChildBug(RuntimeError):
    """The child ended with an exception that no video should cause, or sent what cannot be read: a bug."""


@dataclass(frozen=True)
class Answer:
    """What a child found.

    Attributes:
        data: JSON-able facts.
        warnings: codes to messages of what is wrong with a usable video.
        arrays: named arrays of numbers (bytes are `uint8`).
    """

    data: dict[str, Any] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def run(
    function: Callable[..., Answer], *arguments: Any, memory_mb: int, wall_seconds: float, threads: int = 1
) -> Answer:
    """Run `function(*arguments)` in a limited child process and return its answer.

    Args:
        function: any function that returns an `Answer`; it imports decoders itself.
        arguments: handed over by the fork, so anything.
        memory_mb: address space in MB beyond what the process starts with (Linux).
        wall_seconds: seconds after which the child is killed.
        threads: threads that the child may use, for its limit of CPU seconds.

    Raises:
        Refused: what the child refused itself, or `failed` with `timeout`, `out_of_memory` or `crashed`.
        OSError: a full disk or the like.
        ChildBug: an exception in the child, with its traceback.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _child(sender, parent, function, arguments, memory_mb, wall_seconds, threads)
    os.close(sender)
    ended = None
    try:
        reply = _receive(receiver, time.monotonic() + wall_seconds, memory_mb * 2**20)
        if reply is None:
            raise stop("failed", "timeout", f"decoding took more than {wall_seconds:g} s (limits.wall_seconds)")
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(receiver)
        if ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return _judge(reply, ended, memory_mb, wall_seconds)


def _child(sender: int, parent: int, function, arguments, memory_mb: int, wall_seconds: float, threads: int) -> None:
    """The life of the child; it never returns."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        _limit(memory_mb, wall_seconds, threads)
        _send(sender, *_attempt(function, arguments))
        code = 0
    except BrokenPipeError:
        pass
    except MemoryError:
        code = NO_MEMORY
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _attempt(function, arguments) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    """The head and the arrays of the child's answer."""
    try:
        answer = function(*arguments)
        return {"kind": "ok", "data": answer.data, "warnings": answer.warnings}, answer.arrays
    except Refused as refused:
        return {"kind": "refused", "outcome": refused.outcome.as_dict()}, {}
    except MemoryError:
        return {"kind": "memory"}, {}
    except Exception as error:
        number = getattr(error, "errno", None)
        if number == errno.ENOMEM:
            return {"kind": "memory"}, {}
        if number in DISK_ERRORS:
            return {"kind": "os", "errno": number, "text": str(error)}, {}
        return {"kind": "bug", "text": traceback.format_exc()}, {}


def _die_with(parent: int) -> None:
    """Let the kernel end this child when its parent ends, however it ends (Linux)."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit(memory_mb: int, wall_seconds: float, threads: int) -> None:
    """Set the limits of this process; no core file, no more address space or CPU time than allowed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = math.ceil(wall_seconds) * max(1, threads) + 10
    _lower(resource.RLIMIT_CPU, seconds)
    if sys.platform.startswith("linux"):
        with open("/proc/self/statm") as handle:  # noqa: PTH123 - one read
            pages = int(handle.read().split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_mb * 2**20)


def _lower(kind: int, value: int) -> None:
    """Lower a limit; one that is already lower stays."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _send(sender: int, head: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write one answer: magic, length of the head, head (JSON), then the arrays' bytes in the head's order."""
    ready = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    head["arrays"] = [[name, str(value.dtype), list(value.shape)] for name, value in ready.items()]
    text = json.dumps(head).encode()
    with os.fdopen(sender, "wb") as stream:
        stream.write(MAGIC + struct.pack("<Q", len(text)) + text)
        for value in ready.values():
            stream.write(value.reshape(-1).view(np.uint8).data)


def _receive(receiver: int, deadline: float, most: int) -> bytearray | None:
    """All that the child sends until it closes the pipe; None when the deadline passes first."""
    reply = bytearray()
    poll = select.poll()
    poll.register(receiver, select.POLLIN | select.POLLHUP)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        if not poll.poll(min(left, 60.0) * 1000):
            continue
        block = os.read(receiver, 1 << 20)
        if not block:
            return reply
        reply += block
        if len(reply) > most:
            raise stop("failed", "out_of_memory", f"decoding gave more than {most >> 20} MB (limits.memory_mb)")


def _judge(reply: bytearray, code: int, memory_mb: int, wall_seconds: float) -> Answer:
    """The answer, or the exception that tells how the child ended."""
    no_memory = stop("failed", "out_of_memory", f"decoding needs more than {memory_mb} MB (limits.memory_mb)")
    if code == NO_MEMORY:
        raise no_memory
    if code == -signal.SIGXCPU:
        raise stop("failed", "timeout", f"decoding took more than {wall_seconds:g} s (limits.wall_seconds)")
    if code == -signal.SIGKILL:
        raise stop("failed", "out_of_memory", "the decoder was killed by the system, mostly for want of memory")
    if code < 0:
        raise stop(
            "failed", "crashed", f"the decoder ended with {signal.Signals(-code).name}; the file is broken or hostile"
        )
    if code > 0:
        raise ChildBug(f"the decoding child ended with exit status {code}; its traceback is above")
    head, arrays = _parse(reply)
    match head.get("kind"):
        case "ok":
            return Answer(head["data"], head["warnings"], arrays)
        case "refused":
            raise Refused(Outcome.from_dict(head["outcome"]))
        case "memory":
            raise no_memory
        case "os":
            raise OSError(int(head["errno"]), str(head["text"]))
        case _:
            raise ChildBug(f"in the decoding child:\n{head.get('text')}")


def _parse(reply: bytearray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Head and arrays of an answer, every length checked.

    Raises:
        ChildBug: it is no answer, or its lengths do not agree.
    """
    try:
        if bytes(reply[:4]) != MAGIC:
            raise ValueError("it does not start as an answer")
        end = 12 + struct.unpack_from("<Q", reply, 4)[0]
        head = json.loads(bytes(reply[12:end]))
        arrays = {}
        for name, dtype, shape in head["arrays"]:
            if dtype not in DTYPES or any(not isinstance(size, int) or size < 0 for size in shape):
                raise ValueError(f"array {name!r} is {dtype}{shape}")
            count = math.prod(shape)
            arrays[str(name)] = np.frombuffer(reply, dtype=dtype, count=count, offset=end).reshape(shape)
            end += arrays[str(name)].nbytes
        if end != len(reply):
            raise ValueError(f"{len(reply)} bytes instead of {end}")
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ChildBug(f"the decoding child sent an answer that cannot be read: {error}") from error
    return head, arrays
