"""Decoding ahead: order, batches, outcomes, errors, and how much is in memory."""

import gc
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from triptych.core.status import Outcome, stop
from triptych.encoders import ahead
from triptych.encoders.ahead import batches, size_of
from triptych.encoders.inputs import Input


def inputs(count):
    return [Input(f"v{number:03d}", "digest", Outcome("ok"), {}) for number in range(count)]


class Item:
    """Something prepared, of a known size, counted while it lives."""

    alive = 0
    most = 0
    lock = threading.Lock()

    def __init__(self, video, size):
        self.video = video
        self.array = SimpleNamespace(nbytes=size)
        with Item.lock:
            Item.alive += 1
            Item.most = max(Item.most, Item.alive)
        weakref.finalize(self, Item.gone)

    @classmethod
    def gone(cls):
        with cls.lock:
            cls.alive -= 1


@pytest.fixture(autouse=True)
def counted():
    gc.collect()
    Item.alive = Item.most = 0


@pytest.mark.parametrize("workers", [1, 4])
def test_all_come_in_order_in_full_batches(workers):
    def make(one):
        time.sleep(0.001 * (int(one.video[1:]) % 3))
        return Item(one.video, 10)

    found = list(batches(make, inputs(23), 5, workers))
    assert [len(ones) for ones, _ in found] == [5, 5, 5, 5, 3]
    assert [one.video for ones, _ in found for one in ones] == [one.video for one in inputs(23)]
    assert all(one.video == item.video for ones, items in found for one, item in zip(ones, items, strict=True))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("share", [0.3, 0.9, 5.0])
def test_memory_is_bounded_by_bytes(workers, share):
    """However slow the device, three batches of bytes are alive; of larger items one is encoded and one is ready."""
    size = int(share * ahead.BATCH_BYTES)
    seen = 0
    for ones, items in batches(lambda one: Item(one.video, size), inputs(30), 8, workers):
        time.sleep(0.01)
        seen += len(ones)
        del items
    assert seen == 30
    one_batch = int(np.ceil(1 / share))
    # While no size is known yet, every worker makes one.
    assert Item.most <= max(one_batch + 2 / share, one_batch + 1, workers + one_batch) + 1


def test_a_refused_one_is_an_outcome_and_an_error_ends_the_job():
    def make(one):
        if one.video == "v001":
            raise stop("failed", "unreadable", "no picture")
        if one.video == "v005":
            raise OSError("disk")
        return Item(one.video, 1)

    found = []
    with pytest.raises(OSError, match="disk"):
        for _, items in batches(make, inputs(9), 2, 2):
            found += items
    assert [getattr(item, "reason", "item") for item in found] == ["item", "unreadable", "item", "item"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode-ahead")]


def test_it_runs_ahead_of_a_busy_device():
    made = []
    steps = batches(lambda one: made.append(one.video) or Item(one.video, 1), inputs(20), 2)
    next(steps)
    until = time.monotonic() + 20
    while len(made) < 6 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(made) == 6, "the batch at hand and two more"
    steps.close()
    assert len(made) == 6


def test_one_large_item_does_not_hold_up_the_rest_for_good():
    def make(one):
        return Item(one.video, 5 * ahead.BATCH_BYTES if one.video == "v000" else 10)

    line = ahead._Line(make, inputs(200), 8, 3)
    for _ in range(100):
        line.take()
    until = time.monotonic() + 20
    while len(line.line) < 16 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(line.line) == 16
    line.close()


def test_sizes_of_what_encoders_prepare():
    import torch

    array = np.zeros((10, 10), np.float32)
    prepared = SimpleNamespace(video="abc", pixels=torch.zeros(4, 4), frames=[array, array], more={"x": np.zeros(3)})
    assert size_of(prepared) == 3 + 64 + 400 + 24
    assert size_of(Outcome("absent", "no_audio", "none")) == 0
    assert size_of(None) == 0
