"""YOLO through ultralytics: the same boxes as its own predictor, nothing loaded that is not listed, nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import CHECKOUT
from tiny import objects

from triptych.core import torchvision
from triptych.encoders import base, registry
from triptych.encoders.faults import validate


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torchvision.mend()
    return objects.build_yolo(tmp_path_factory.mktemp("yolo") / "tiny.pt")


@pytest.fixture
def listed(model, tmp_path, monkeypatch):
    """The model, listed in the `models.lock` of where the test runs."""
    monkeypatch.chdir(tmp_path)
    objects.trust(model, tmp_path / "models.lock")
    return str(model)


def loaded(model, **params):
    made = registry.create("yolo", {"confidence": 0.3, "size": 128, **params}, model=str(model))
    made.load("cpu")
    return made


def pictures(video, count, height, width):
    random = np.random.default_rng(sum(map(ord, video)))
    coarse = random.integers(0, 255, (count, height // 8, width // 8, 3), dtype=np.uint8)
    frames = list(coarse.repeat(8, axis=1).repeat(8, axis=2))
    return base.Pictures(video, frames, np.arange(count) * 1.0, np.ones(count), [], np.zeros(0))


def test_boxes_are_those_of_its_own_predictor(listed):
    item = pictures("a", 3, 72, 96)
    found = loaded(listed).encode([item])[0]
    from ultralytics import YOLO

    told = YOLO(listed, task="detect").predict(
        [frame[..., ::-1] for frame in item.frames],
        conf=0.3, iou=0.7, max_det=100, imgsz=128, verbose=False, save=False,
    )  # fmt: skip
    assert len(found.arrays["boxes"])
    for number, one in enumerate(told):
        rows = found.arrays["boxes"][found.arrays["boxes"][:, 0] == number]
        assert rows[:, 1].tolist() == one.boxes.cls.tolist()
        assert rows[:, 2] == pytest.approx(one.boxes.conf.numpy(), rel=1e-5)
        assert rows[:, 3:] == pytest.approx(one.boxes.xyxyn.numpy(), abs=1e-5)


def test_no_frame_changes_another_ones_boxes(listed):
    encoder = loaded(listed)
    batch = [pictures("a", 3, 72, 96), pictures("b", 10, 96, 72), pictures("c", 2, 72, 96)]
    for item, together in zip(batch, encoder.encode(batch), strict=True):
        alone = encoder.encode([item])[0]
        for name in ("classes", "boxes"):
            assert together.arrays[name] == pytest.approx(alone.arrays[name], rel=1e-5, abs=1e-6)


def test_letterbox_is_that_of_ultralytics(model):
    from ultralytics.data.augment import LetterBox

    from triptych.encoders import yolo

    for shape in ((72, 96), (96, 72), (64, 64), (288, 512), (1080, 1920), (33, 471), (128, 128)):
        frame = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
        theirs = LetterBox((128, 128), auto=True, stride=32)(image=frame)
        assert (yolo.letterbox(frame, 128) == theirs).all(), shape


def test_a_file_that_is_not_listed_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "canary"
    path = objects.booby_trapped(tmp_path / "evil.pt", canary)
    section = {"use": "yolo", "model": str(path)}
    (fault,) = validate("objects", section)
    assert "encoders.objects.model" in fault and "triptych models --trust" in fault and "sha256 is" in fault
    for act in (lambda: registry.signature(section), lambda: loaded(path)):
        with pytest.raises(base.EncoderError, match="must list it"):
            act()
    assert not canary.exists()
    # The trap itself works.
    import torch

    with pytest.raises(AttributeError, match="forward"):
        torch.load(path, weights_only=False)["model"].forward()
    assert canary.exists()


def test_even_a_listed_file_runs_no_foreign_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "canary"
    path = objects.booby_trapped(tmp_path / "evil.pt", canary)
    objects.trust(path, tmp_path / "models.lock")
    with pytest.raises(base.EncoderError, match="can be loaded"):
        loaded(path)
    assert not canary.exists()


def test_a_file_that_changed_is_not_loaded(listed, tmp_path):
    other = tmp_path / "own.pt"
    other.write_bytes(Path(listed).read_bytes())
    objects.trust(other, tmp_path / "models.lock")
    other.write_bytes(other.read_bytes() + b"more")
    with pytest.raises(base.EncoderError, match=r"is not the file of models\.lock"):
        loaded(other)


def test_damaged_and_foreign_files_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cut.pt"
    path.write_bytes(b"PK\x03\x04 no model")
    objects.trust(path, tmp_path / "models.lock")
    with pytest.raises(base.EncoderError, match=r"cut\.pt: is not a model of ultralytics"):
        loaded(path)


def test_nothing_is_written_at_home_and_no_host_is_asked(listed, tmp_path):
    """In a process of its own with an empty home folder, in which every look-up of a host ends it."""
    home = tmp_path / "home"
    home.mkdir()
    program = """
import os, socket, sys
def never(*_, **__): os._exit(9)
socket.getaddrinfo = socket.socket.connect = never
import numpy as np
from triptych.encoders import base, registry
made = registry.create("yolo", {"size": 64}, model=sys.argv[1])
made.load("cpu")
frame = np.zeros((36, 64, 3), np.uint8)
made.encode([base.Pictures("a", [frame], np.zeros(1), np.ones(1), [], np.zeros(0))])
"""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path / "temporary")}
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "YOLO_CONFIG_DIR", "YOLO_OFFLINE"):
        environment.pop(name, None)
    (tmp_path / "temporary").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", program, listed], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in home.rglob("*") if path.is_file()} <= {"digests.json"}
    assert not any((tmp_path / "temporary").iterdir()) and not (tmp_path / "runs").exists()
