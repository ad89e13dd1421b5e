"""All encoders of frames and clips over a few demo videos, through the real Snakefile, with tiny checkpoints."""

import csv

import numpy as np
import pytest
from harness import DEMO, Workflow
from tiny import image, video

from triptych.core.store import read_store


def rows(*names):
    with (DEMO / "videos.csv").open(encoding="utf-8", newline="") as handle:
        known = {row["id"]: row for row in csv.DictReader(handle)}
    return [known[name] | {"source": str(DEMO / known[name]["source"]), "captions": ""} for name in names]


def alone(folder, videos, encoders, **keyframes) -> Workflow:
    """A study of embeddings only."""
    nothing = {"transcripts": {}, "features": {}, "tasks": {}, "models": {}}
    return Workflow(folder, videos, shards=1, encoders=encoders, keyframes={"count": 4, **keyframes}, **nothing)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("seen")
    encoders, lengths, built = {}, {}, {}
    for presets in (image.PRESETS, video.PRESETS):
        for use, (build, length, *_) in presets.items():
            if build not in built:
                built[build] = build(root / build.__name__)
            encoders[use] = {"use": use, "model": str(built[build]), "threads": 1}
            lengths[use] = length
    encoders["resnet152"] |= {"frames": "uniform"}
    encoders["video-transformers"] |= {"frames": "keyframes", "batch": 1}
    made = alone(root / "run", rows("amber-hours-1", "one-frame", "portrait"), encoders, uniform=12)
    made.run("embeddings")
    return made, lengths


@pytest.mark.timeout(1800)  # each of 14 jobs imports torch and transformers, on a busy machine too
def test_every_encoder_has_its_vectors(study):
    workflow, lengths = study
    found = {}
    for name, length in lengths.items():
        entries, damaged = read_store(workflow.path("embeddings", name, "0.h5"))
        assert not damaged and set(entries) == {"amber-hours-1", "one-frame", "portrait"}
        for entry in entries.values():
            assert entry.outcome.ok, (name, entry.outcome)
            assert entry.arrays["embedding"].shape[1] == length and np.isfinite(entry.arrays["embedding"]).all()
        found[name] = entries
    films = {name: entries["amber-hours-1"] for name, entries in found.items()}
    vectors = {name: len(film.arrays["embedding"]) for name, film in films.items()}
    assert vectors == dict.fromkeys(image.PRESETS, 4) | {"resnet152": 12} | dict.fromkeys(video.PRESETS, 1)
    even = films["resnet152"].times["embedding"][:, 0]
    assert np.ptp(np.diff(even)) < 0.11
    # The clip lies over the whole video; four keyframes fill it by repetition, which is told.
    assert films["vivit"].times["embedding"].tolist() == [[even[0], even[-1]]]
    assert not films["vivit"].outcome.warnings
    assert "repeated_frames" in films["video-transformers"].outcome.warnings
    assert "repeated_frames" in found["vivit"]["one-frame"].outcome.warnings


def test_again_nothing_is_computed(study):
    workflow, _ = study
    assert workflow.plan("embeddings") == []


@pytest.mark.shared
def test_pictures_of_the_table_are_what_they_show(shared, tmp_path):
    """A row of the table may be a picture."""
    weights = shared / "weights"
    files = {"cat": "cat.bmp", "parrot": "parrot.jpg", "sunflower": "sunflower.bmp"}
    videos = [{"id": name, "source": str(weights / "images" / file)} for name, file in files.items()]
    labels = [line.split(maxsplit=1)[1] for line in (weights / "imagenet_labels.txt").read_text().splitlines() if line]
    encoder = {
        "use": "mobilenet-litert",
        "model": str(weights / "mobilenet_v2_1.0_224_quant.tflite"),
        "params": {"labels": str(weights / "imagenet_labels.txt")},
    }
    workflow = alone(tmp_path / "run", videos, {"lite": encoder})
    workflow.run("embeddings")
    entries, _ = read_store(workflow.path("embeddings", "lite", "0.h5"))
    told = {name: labels[int(entry.arrays["scores"][0].argmax())] for name, entry in entries.items()}
    assert told == {"cat": "Egyptian cat", "parrot": "macaw", "sunflower": "daisy"}
    assert all(entry.arrays["embedding"].shape == (1, 1280) for entry in entries.values())
