"""What encoders of sound share: silence, windows, names of classes."""

import numpy as np
import pytest

from triptych.encoders import base, registry, sounds, spectral


def test_silence_is_what_classic_audio_calls_silence():
    generator = np.random.default_rng(0)
    for level in (0.0, 5e-5, 9e-5, 1.2e-4, 1e-3):
        sound = (level * generator.normal(size=32_000)).astype(np.float32)
        assert sounds.silent(sound) == bool(spectral.describe(sound).rms.max() <= 1e-4)
        result = registry.create("classic-audio").encode([base.Sound("a", sound)])[0]
        assert (result.outcome == sounds.SILENT) == sounds.silent(sound)
    click = np.zeros(32_000, np.float32)
    click[20_000] = 0.5
    assert not sounds.silent(click) and sounds.silent(np.zeros(0)) and sounds.silent(np.zeros(100))
    assert not sounds.silent(np.full(100, 0.1))


def test_what_cannot_be_encoded_says_why():
    loud = np.full(1000, 0.1, np.float32)
    assert sounds.unusable(base.Sound("a", loud)) is None
    assert sounds.unusable(base.Sound("a", loud), least=1001).outcome.reason == "too_short"
    assert sounds.unusable(base.Sound("a", loud * 0)).outcome.reason == "silent"
    assert sounds.unusable(base.Sound("a", loud[:0])).outcome.status == "absent"
    with pytest.raises(ValueError, match="16 kHz"):
        sounds.unusable(base.Sound("a", loud, rate=44_100))


def test_windows_are_of_one_length_and_end_where_the_sound_ends():
    def windows(count, **changes):
        return sounds.windows(count, **({"size": 10, "hop": 10, "most": 100} | changes)).tolist()

    assert windows(7) == [[0, 7]] and windows(10) == [[0, 10]] and windows(20) == [[0, 10], [10, 20]]
    assert windows(23) == [[0, 10], [10, 20], [13, 23]]
    assert windows(23, least=3) == [[0, 10], [10, 20]] and windows(24, least=3)[-1] == [14, 24]
    assert windows(20, hop=5) == [[0, 10], [5, 15], [10, 20]]
    assert windows(100, most=3) == [[0, 10], [40, 50], [90, 100]]


def test_stretches_hold_every_patch_once():
    samples = np.arange(15 + 7 * 5)
    parts = [part.tolist() for part in sounds.stretches(samples, patch=15, step=5, count=8, most=3)]
    patches = [part[first : first + 15] for part in parts for first in range(0, len(part) - 14, 5)]
    assert patches == [list(range(first, first + 15)) for first in range(0, 36, 5)] and len(parts) == 3


def test_the_likeliest_classes_are_named_best_first(tmp_path):
    scores = np.array([[0.1, 0.9, 0.2] + [0.0] * 20, [0.1, 0.5, 0.4] + [0.0] * 20])
    note = sounds.likeliest(scores, ["Speech", "Dog"], "likeliest sounds")["likeliest sounds"]
    assert note[:3] == [["Dog", 0.7], ["class 2", 0.3], ["Speech", 0.1]] and len(note) == 10
    names = tmp_path / "map.csv"
    names.write_text('index,mid,display_name\n0,/m/0,"Child speech, kid speaking"\n1,/m/1,Dog\n')
    assert sounds.read_names(names) == ["Child speech, kid speaking", "Dog"]
    names.write_text("a,b\n1,2\n")
    with pytest.raises(base.EncoderError, match="no map of classes"):
        sounds.read_names(names)


def test_threads_are_those_of_the_job(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert sounds.threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert sounds.threads() == 1


def test_files_among_parameters_count_by_their_content(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    for path in (one, two):
        path.write_text("index,mid,display_name\n")
    model = tmp_path / "model.tflite"
    model.write_bytes(b"weights")

    def told(classes):
        return registry.signature({"use": "yamnet-litert", "model": str(model), "params": {"classes": str(classes)}})

    assert told(one) == told(two) != told("")
    two.write_text("index,mid,display_name\n0,/m/0,Dog\n")
    assert told(one) != told(two)
    with pytest.raises(base.EncoderError, match="there is no such file"):
        told(tmp_path / "none.csv")


def test_files_that_only_name_classes_count_too(tmp_path):
    """Their names are kept with the results, so that another map or list makes other results."""
    model = tmp_path / "model.tflite"
    model.write_bytes(b"weights")
    without = registry.signature({"use": "yamnet-litert", "model": str(model)})
    beside = tmp_path / "yamnet_class_map.csv"
    beside.write_text("index,mid,display_name\n")
    named = registry.signature({"use": "yamnet-litert", "model": str(model)})
    beside.write_text("index,mid,display_name\n0,/m/0,Dog\n")
    assert without != named != registry.signature({"use": "yamnet-litert", "model": str(model)}) != without
    labels = tmp_path / "labels.txt"
    told = []
    for text in ("cat\n", "dog\n"):
        labels.write_text(text)
        section = {"use": "mobilenet-litert", "model": str(model), "params": {"labels": str(labels)}}
        told.append(registry.signature(section))
    assert told[0] != told[1]
