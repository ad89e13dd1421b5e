"""Inputs are decoded and prepared ahead of the device: in threads, in order, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from triptych.core.status import Outcome, Refused
from triptych.encoders.inputs import Input

#: Bytes of prepared input in one batch.
BATCH_BYTES = 96 * 2**20
#: Batches that may lie ready, or be in the making, beside the one that is encoded.
AHEAD = 2

Batch = tuple[list[Input], list[Any]]


def batches(make: Callable[[Input], Any], todo: Sequence[Input], most: int, workers: int = 1) -> Iterator[Batch]:
    """Batches of prepared inputs, in the order of `todo`, while the one before is encoded.

    In memory are the batch that the caller holds, what is ready for the next ones and what is in the making: the latter
    two at most `AHEAD` times `BATCH_BYTES` as far as the sizes of the items before tell, or one item when items are
    larger than that. Drop a batch before you ask for the next one.

    Args:
        make: decodes and prepares one input; `Refused` is that video's outcome, any other exception ends the job.
        todo: inputs.
        most: items of a batch; a batch of `BATCH_BYTES` is full too.
        workers: threads that call `make`.

    Yields:
        The inputs, and for each what `make` gave, or an `Outcome`.
    """
    line = _Line(make, todo, most, workers)
    try:
        batch: list[Input] = []
        items: list[Any] = []
        size = 0
        while (taken := line.take()) is not None:
            one, item, weight = taken
            batch.append(one)
            items.append(item)
            size += weight
            del taken, item
            if len(batch) >= most or size >= BATCH_BYTES:
                yield batch, items
                batch, items, size = [], [], 0
        if batch:
            yield batch, items
    finally:
        line.close()


class _Line:
    """Inputs in the making and ready ones, in order. `room` guards all that follows it."""

    def __init__(self, make: Callable[[Input], Any], todo: Sequence[Input], most: int, workers: int) -> None:
        self.make = make
        self.workers = workers
        self.most = AHEAD * most
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="decode-ahead")
        self.room = threading.Lock()
        self.todo = iter(todo)
        self.line: deque[tuple[Input, Future]] = deque()
        self.making = 0
        self.ready = 0  # bytes that are made and not taken
        self.large = 0.0  # bytes of a large item of late
        self.closed = False
        self._fill()

    def take(self) -> tuple[Input, Any, int] | None:
        """The next input, what was made of it and its bytes; None when there are no more."""
        with self.room:
            if not self.line:
                return None
            one, future = self.line[0]
        item, size = future.result()
        with self.room:
            self.line.popleft()
            self.ready -= size
        self._fill()
        return one, item, size

    def close(self) -> None:
        """Begin nothing more, and wait for what is in the making."""
        with self.room:
            self.closed = True
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.line.clear()

    def _fill(self) -> None:
        """Begin as many inputs as there is room for, in order."""
        with self.room:
            while self._has_room():
                one = next(self.todo, None)
                if one is None:
                    self.closed = True
                    return
                self.making += 1
                self.line.append((one, self.pool.submit(self._made, one)))

    def _has_room(self) -> bool:
        if self.closed or self.making >= self.workers:
            return False
        if not self.line:
            return True  # one is always ahead, however large
        expected = self.ready + (self.making + 1) * self.large
        return len(self.line) < self.most and expected <= AHEAD * BATCH_BYTES

    def _made(self, one: Input) -> tuple[Any, int]:
        item: Any = None
        size = 0
        try:
            try:
                item = self.make(one)
            except Refused as refused:
                item = refused.outcome
            size = size_of(item)
        finally:
            with self.room:
                self.making -= 1
                self.ready += size
                self.large = max(float(size), 0.9 * self.large)
            self._fill()
        return item, size


def size_of(item: Any) -> int:
    """Bytes of the arrays, tensors and texts that an object holds, in its attributes and containers too."""
    total = 0
    seen: set[int] = set()
    todo = [item]
    while todo:
        one = todo.pop()
        if one is None or isinstance(one, (Outcome, bool, int, float, type)) or id(one) in seen:
            continue
        seen.add(id(one))
        size = getattr(one, "nbytes", None)
        if isinstance(size, int):
            total += size
        elif isinstance(one, (str, bytes, bytearray)):
            total += len(one)
        elif isinstance(one, Mapping):
            todo.extend(one.values())
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo.extend(one)
        elif not callable(one):
            todo.extend(getattr(one, "__dict__", {}).values())
            todo.extend(getattr(one, name, None) for name in getattr(type(one), "__slots__", ()))
    return total
