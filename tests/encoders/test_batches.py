"""Memory that is too small, the numbers of a card, and what prepare gives: through the engine."""

import gc
import logging
import weakref

import numpy as np
import pytest
from encoders.test_engine import embed, entries

from triptych.core.status import OK
from triptych.encoders import base
from triptych.encoders.batches import Runner, is_out_of_memory, numbers

AUDIO = base.ModelCard(
    name="probe", modality="audio", arrays={"a": 1}, revision="none", licence="MIT", source="here", gpu=True
)


class Item:
    def __init__(self, number, weight=1):
        self.video = f"v{number}"
        self.weight = weight


class Card:
    """A device that holds `room`; what is beyond it raises torch's own error."""

    card = AUDIO

    def __init__(self, room):
        self.room = room
        self.asked = []

    def encode(self, batch):
        import torch

        self.asked.append(len(batch))
        held = np.zeros(10)
        self.held = weakref.ref(held)
        if sum(item.weight for item in batch) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has")
        return [base.Encoded({"a": np.ones((1, 1))}, {"a": np.zeros((1, 2))}) for _ in batch]


@pytest.mark.fault(18)
def test_a_batch_halves_and_the_size_that_worked_is_kept(caplog):
    device = Card(room=5)
    runner = Runner(device, 32)
    with caplog.at_level(logging.WARNING, logger="triptych.embed"):
        for start in range(0, 64, 16):
            assert len(runner.encode([Item(start + number) for number in range(16)])) == 16
    assert device.asked[:3] == [16, 8, 4] and set(device.asked[2:]) == {4}
    assert runner.most == 4 and runner.fitted == 64 and not runner.too_large
    assert [record.getMessage() for record in caplog.records] == [
        "probe: batches of 32 do not fit into the memory of cpu, batches of 4 do and are kept; set `batch: 4` in the "
        "study file to begin with them"
    ]


@pytest.mark.fault(18)
def test_what_does_not_fit_alone_is_that_videos_outcome_and_does_not_slow_the_others():
    device = Card(room=8)
    runner = Runner(device, 8)
    found = runner.encode([Item(number, 100 if number == 3 else 1) for number in range(8)])
    assert [video for video, one in found.items() if not one.outcome.ok] == ["v3"] == runner.too_large
    outcome = found["v3"].outcome
    assert (outcome.status, outcome.reason) == ("failed", "out_of_memory")
    assert "Tried to allocate 2.00 GiB" in outcome.message and "\n" not in outcome.message
    assert "--forcerun embed_shard" in outcome.message
    device.asked.clear()
    runner.encode([Item(number) for number in range(8)])
    assert device.asked == [8]
    runner.check()


@pytest.mark.fault(18)
def test_when_nothing_fits_the_job_fails():
    runner = Runner(Card(room=0), 4)
    runner.encode([Item(number) for number in range(3)])
    with pytest.raises(base.EncoderError, match=r"none of 3 videos fits .*CUDA out of memory.*gpus: 0"):
        runner.check()
    one = Runner(Card(room=0), 4)
    one.encode([Item(0)])
    one.check()


def test_a_failed_attempt_holds_nothing_when_the_next_one_begins():
    device = Card(room=1)
    held = []

    class Watching(Card):
        def encode(self, batch):
            held.append(getattr(self, "held", lambda: None)())
            return super().encode(batch)

    gc.disable()
    try:
        device = Watching(room=1)
        Runner(device, 4).encode([Item(number) for number in range(4)])
    finally:
        gc.enable()
    assert held == [None] * len(held) and len(held) > 4


def test_what_counts_as_too_little_memory():
    import torch

    class ResourceExhaustedError(Exception):
        """As tensorflow names it."""

    for error in (
        torch.cuda.OutOfMemoryError("x"),
        MemoryError(),
        ResourceExhaustedError("OOM when allocating"),
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    ):
        assert is_out_of_memory(error), error
    for error in (RuntimeError("CUDA error: device-side assert"), ValueError("out of memory"), KeyError("x")):
        assert not is_out_of_memory(error), error


def test_the_cpu_computes_in_float32_without_gradients():
    import torch

    seen = []

    class Net(Card):
        def encode(self, batch):
            layer = torch.nn.Linear(4, 4)
            seen.append((torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), layer(torch.ones(4))))
            return super().encode(batch)

    Runner(Net(room=9), 4, "cpu", "float16").encode([Item(0)])
    inference, autocast, out = seen[0]
    assert inference and not autocast and out.dtype == torch.float32 and not out.requires_grad
    assert numbers("cpu", "bfloat16") == "float32"


def test_the_card_computes_in_what_it_can(monkeypatch):
    import torch

    for capability, expected in (((7, 5), "float16"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert numbers("cuda:0", "auto") == expected
        assert numbers("cuda:0", "float32") == "float32" and numbers("cuda:0", "float16") == "float16"


ENCODERS = '''
import pathlib, threading
import numpy as np
from triptych.core.status import stop
from triptych.encoders.base import Encoded, ModelCard

class Prepared:
    def __init__(self, sound):
        self.video, self.loudest = sound.video, float(np.abs(sound.samples).max())
        self.thread = threading.current_thread().name

class Loud:
    card = ModelCard(name="loud", modality="audio", arrays={"a": 1}, revision="none", licence="MIT", source="here")
    inside = most = 0
    def __init__(self, params): pass
    def load(self, device): pass
    def prepare(self, sound):
        if sound.video == "clip2":
            raise stop("refused", "too_loud", "the neighbours complain")
        Loud.inside += 1
        Loud.most = max(Loud.most, Loud.inside)
        made = Prepared(sound)
        Loud.inside -= 1
        return made
    def encode(self, batch):
        assert all(isinstance(one, Prepared) and one.thread.startswith("decode-ahead") for one in batch)
        assert Loud.most == 1
        return [self.one(item) for item in batch]
    def one(self, item):
        return Encoded({"a": np.full((1, 1), item.loudest)}, {"a": np.zeros((1, 2))},
                       notes={"loudest": [["peak", np.float32(item.loudest)]]})

class Nameless(Loud):
    def prepare(self, sound): return np.zeros(3)

class Boxes(Loud):
    card = ModelCard(name="boxes", modality="audio", arrays={"a": 1, "boxes": 4}, records=("boxes",), revision="none",
                     licence="MIT", source="here")
    def one(self, item):
        rows = np.arange(4000.0).reshape(2000, 2) * 100
        times = {"a": np.zeros((200, 2)), "boxes": np.zeros((2000, 2))}
        return Encoded({"a": np.ones((200, 1)) / 3, "boxes": rows}, times)

class Large(Loud):
    def one(self, item):
        return Encoded({"a": np.full((1, 1), 1e5 if item.video == "clip0" else 0.1)}, {"a": np.zeros((1, 2))})

class Scribe(Loud):
    def one(self, item):
        return Encoded({"a": np.ones((1, 1))}, {"a": np.zeros((1, 2))}, notes={"odd": object()})

class Words(Loud):
    def one(self, item):
        return Encoded({"a": np.array([["text"]])}, {"a": np.zeros((1, 2))})

class Full(Loud):
    """Does not hold clip1 unless a file says so."""
    def one(self, item):
        if item.video == "clip1" and not pathlib.Path(ROOM).exists():
            raise MemoryError("no room")
        return super().one(item)
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    room = tmp_path / "room"
    (tmp_path / "memory_encoders.py").write_text(f"ROOM = {str(room)!r}\n{ENCODERS}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "memory_encoders", raising=False)
    return room


def test_prepare_runs_ahead_and_may_refuse(studio, module):
    counts = embed(studio, {"use": "memory_encoders:Loud", "batch": 2})
    assert counts == {"computed": 5, "taken_over": 0, "ok": 4, "absent": 2, "failed": 1, "refused": 1}
    found = entries(studio)
    assert found["clip2"].outcome.reason == "too_loud"
    peak = found["clip0"].arrays["a"][0, 0]
    assert found["clip0"].provenance["notes"] == {"loudest": [["peak", pytest.approx(float(peak))]]}
    with pytest.raises(base.EncoderError, match="must keep the attribute `video`"):
        embed(studio, {"use": "memory_encoders:Nameless"}, name="other")


def test_records_are_kept_as_rows_and_arrays_averaged(studio, module):
    embed(studio, {"use": "memory_encoders:Boxes", "store": "float16"})
    entry = entries(studio)["clip0"]
    assert entry.outcome == OK
    assert entry.arrays["boxes"].shape == (base.MAX_RECORDS, 2) and entry.arrays["boxes"].dtype == np.float32
    assert (entry.arrays["boxes"] == np.arange(2.0 * base.MAX_RECORDS).reshape(-1, 2) * 100).all()
    assert entry.arrays["a"].shape == (base.MAX_VECTORS, 1) and entry.arrays["a"].dtype == np.float16


def test_half_precision_is_stored_and_what_does_not_fit_it_is_told(studio, module):
    encoder = {"use": "memory_encoders:Large"}
    embed(studio, encoder)
    full = entries(studio)
    counts = embed(studio, encoder | {"store": "float16"})
    assert counts["computed"] == 5, "another store is another key"
    half = entries(studio)
    assert half["clip1"].arrays["a"].dtype == np.float16
    assert half["clip1"].arrays["a"] == pytest.approx(full["clip1"].arrays["a"], rel=1e-3)
    outcome = half["clip0"].outcome
    assert (outcome.status, outcome.reason) == ("failed", "not_finite") and "set store: float32" in outcome.message
    assert full["clip0"].outcome == OK


def test_notes_and_arrays_must_be_what_they_say(studio, module):
    with pytest.raises(base.EncoderError, match="notes are not JSON"):
        embed(studio, {"use": "memory_encoders:Scribe"})
    with pytest.raises(base.EncoderError, match="not rows of numbers"):
        embed(studio, {"use": "memory_encoders:Words"})


@pytest.mark.fault(18)
def test_a_video_that_did_not_fit_is_tried_again(studio, module):
    encoder = {"use": "memory_encoders:Full", "batch": 4}
    counts = embed(studio, encoder)
    assert (counts["ok"], counts["failed"]) == (3, 2)
    assert entries(studio)["clip1"].outcome.reason == "out_of_memory"
    assert embed(studio, encoder)["computed"] == 1
    module.write_text("more")
    counts = embed(studio, encoder)
    assert (counts["computed"], counts["ok"]) == (1, 4) and entries(studio)["clip1"].outcome == OK
