"""What all detectors of objects share: from the boxes found on each frame to arrays, a sentence and notes.

Arrays:
    classes     (n, C): for each frame and class the highest confidence of its boxes, 0 where there is none. Pooled by
                `mean`, `max` or `mean+max` it is the vector of class probabilities of a video.
    sentence    (1, D): the names of what was seen, as one sentence through a text encoder (parameter `sentence`);
                zeros for a video in which nothing was seen.
    boxes       (K, 7): frame time, class, confidence, x1, y1, x2, y2 (shares of width and height), in order of time;
                a record each, never averaged. Only what reaches the threshold is there.

The sentence holds each class as often as it was seen on the one frame that shows most of it, so that a person on twenty
frames is one person and three on one frame are three. The k-th mention has the highest k-th confidence of any frame;
the words are in the order of these confidences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triptych.core.status import Outcome
from triptych.encoders import base, registry
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Pictures, Words
from triptych.encoders.faults import validate

#: Headings of the notes: what was seen with the share of frames that show it; and names with their class numbers.
SEEN = "objects, share of frames"
IDS = "class numbers"
#: Objects that the notes list, and words of a sentence, at most.
NOTED, SPOKEN = 10, 64
#: Frames that go through a network at once.
CHUNK = 8

#: Parameters of all detectors but the confidence, whose scale differs from family to family.
PARAMETERS = {
    "max_detections": Param(100, "boxes of a frame at most, the most confident ones", low=1, high=1000),
    "sentence": Param("none", "text encoder that reads the sentence of objects, such as minilm; none: no sentence"),
    "sentence_model": Param("", "its model, as `model:` of such an encoder; the default one when empty"),
}
#: What the numbers of a box are.
COLUMNS = ("time", "class", "confidence", "x1", "y1", "x2", "y2")
ARRAYS = {"classes": 80, "sentence": 384, "boxes": 7}


@dataclass(frozen=True)
class Detections:
    """What was found on one frame.

    Attributes:
        classes: (k,) class numbers.
        scores: (k,) confidences in [0, 1].
        boxes: (k, 4) x1, y1, x2, y2 as shares of the frame's width and height.
    """

    classes: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray

    def best(self, threshold: float, most: int) -> Detections:
        """Those of at least `threshold`, at most `most`, in order of confidence, their boxes inside the frame."""
        order = np.argsort(-self.scores, kind="stable")
        order = order[self.scores[order] >= threshold][:most]
        return Detections(self.classes[order], self.scores[order], np.clip(self.boxes[order], 0.0, 1.0))


@dataclass(frozen=True)
class Prepared:
    """Frames of a video, made as large as a network wants them.

    Attributes:
        video: slug.
        frames: uint8 each, in the layout of the network.
        sizes: height and width of each before.
        times: (n,) seconds.
    """

    video: str
    frames: Sequence[np.ndarray]
    sizes: Sequence[tuple[int, int]]
    times: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return sum(frame.nbytes for frame in self.frames)


class Detector:
    """A detector; subclasses load a network, bring a frame to its size, and run it over frames of one size."""

    card: ModelCard
    #: Frames may be prepared by several threads at once.
    prepare_parallel = True

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model, self.revision = "", None
        self.names: Mapping[int, str] = {}
        self.reader: Any = None
        self.width = 0
        if params["sentence"] == "none":
            arrays = {name: length for name, length in self.card.arrays.items() if name != "sentence"}
            self.card = replace(self.card, arrays=arrays)

    @staticmethod
    def faults(params: Mapping[str, Any]) -> list[str]:
        """What is wrong with the text encoder of the sentence."""
        section = _section(params)
        if section is None:
            return ["sentence_model: there is no sentence; name its encoder in `sentence`"] * bool(
                params["sentence_model"]
            )
        try:
            card = registry.find(section["use"]).card
        except EncoderError as error:
            return [f"sentence: {error}"]
        if card.modality != "text":
            return [f"sentence: {section['use']} reads {card.modality}, not text"]
        return [f"sentence: {fault.partition(': ')[2]}" for fault in validate("sentence", section)]

    @staticmethod
    def within(params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The text encoder of the sentence, as a section of a study file."""
        section = _section(params)
        return {"sentence": section} if section else {}

    def load(self, device: str) -> None:
        """Load the network, and the text encoder of the sentence.

        Raises:
            EncoderError: the weights are not here or not what they must be, or are none of a detector.
        """
        self._load(device)
        section = _section(self.params)
        if section:
            self.reader = registry.made_from(section)
            self.reader.load(device)
            # The length of a vector is told by one: a video without objects has as many zeros.
            self.width = self._read(["object"]).shape[1]

    def prepare(self, item: Pictures) -> Prepared:
        """The frames at the size that the network wants."""
        sizes = [frame.shape[:2] for frame in item.frames]
        return Prepared(item.video, [self._sized(frame) for frame in item.frames], sizes, item.times)

    def encode(self, batch: Sequence[Pictures | Prepared]) -> list[Encoded]:
        """Arrays `classes`, `boxes` and, when asked for, `sentence` of each video.

        Frames of one size go through the network together, without padding, so that no frame changes another's boxes.
        """
        ready = [item if isinstance(item, Prepared) else self.prepare(item) for item in batch]
        alike: dict[tuple[Any, ...], list[tuple[int, int]]] = defaultdict(list)
        for number, item in enumerate(ready):
            for place, (frame, size) in enumerate(zip(item.frames, item.sizes, strict=True)):
                alike[*frame.shape, *size].append((number, place))
        found: list[list[Any]] = [[None] * len(item.frames) for item in ready]
        threshold, most = float(self.params["confidence"]), int(self.params["max_detections"])
        for places in alike.values():
            size = ready[places[0][0]].sizes[places[0][1]]
            for start in range(0, len(places), CHUNK):
                chunk = places[start : start + CHUNK]
                frames = np.stack([ready[number].frames[place] for number, place in chunk])
                for (number, place), seen in zip(chunk, self._detect(frames, size), strict=True):
                    found[number][place] = seen.best(threshold, most)
        texts = [sentence(one, self.names) for one in found]
        spoken = self._sentences(texts)
        return [self._encoded(item, one, said) for item, one, said in zip(ready, found, spoken, strict=True)]

    def _encoded(self, item: Prepared, found: Sequence[Detections], said: np.ndarray | None) -> Encoded:
        if not found:
            return Encoded(outcome=Outcome("absent", "no_frames", "there are no frames"))
        moments = np.repeat(np.asarray(item.times, np.float64)[:, None], 2, axis=1)
        records = boxes(found, item.times)
        arrays = {"classes": class_scores(found, max(self.names) + 1), "boxes": records}
        times = {"classes": moments, "boxes": np.repeat(records[:, :1].astype(np.float64), 2, axis=1)}
        if said is not None:
            arrays["sentence"] = said[None]
            times["sentence"] = np.array([[moments[:, 0].min(), moments[:, 1].max()]])
        return Encoded(arrays, times, notes=notes(found, self.names))

    def _sentences(self, texts: Sequence[str]) -> list[np.ndarray | None]:
        if self.reader is None:
            return [None] * len(texts)
        vectors = np.zeros((len(texts), self.width), np.float32)
        filled = [number for number, text in enumerate(texts) if text]
        if filled:
            vectors[filled] = self._read([texts[number] for number in filled])
        return list(vectors)

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        """(n, D) mean vectors of texts by the text encoder."""
        words = [Words(str(number), [("objects", [(0.0, 0.0, text)])]) for number, text in enumerate(texts)]
        name = next(iter(self.reader.card.arrays))
        return np.stack([one.arrays[name].mean(axis=0) for one in self.reader.encode(words)]).astype(np.float32)

    def _load(self, device: str) -> None:
        """Load the network; sets `names`, class number -> name."""
        raise NotImplementedError

    def _sized(self, frame: np.ndarray) -> np.ndarray:
        """A frame (H, W, 3) uint8 RGB at the network's size."""
        raise NotImplementedError

    def _detect(self, frames: np.ndarray, size: tuple[int, int]) -> list[Detections]:
        """What is on each of (n, ...) uint8 sized frames, which had height and width `size`."""
        raise NotImplementedError


def _section(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The text encoder of the sentence as a section of a study file; None without a sentence."""
    if params["sentence"] == "none":
        return None
    return {"use": params["sentence"], "model": params["sentence_model"] or None, "text": ["transcript"]}


def class_scores(found: Sequence[Detections], classes: int) -> np.ndarray:
    """(n, `classes`) float32: for each frame the highest confidence of each class, 0 where it was not seen."""
    scores = np.zeros((len(found), classes), np.float32)
    for row, one in zip(scores, found, strict=True):
        np.maximum.at(row, one.classes.astype(np.int64), one.scores.astype(np.float32))
    return scores


def boxes(found: Sequence[Detections], times: Sequence[float]) -> np.ndarray:
    """(K, 7) float32 frame time, class, confidence, x1, y1, x2, y2, in order of time and then of confidence.

    Of more than `base.MAX_RECORDS` boxes of a video the most confident ones are kept.
    """
    rows = [
        np.column_stack([np.full(len(one.scores), time), one.classes, one.scores, one.boxes])
        for one, time in zip(found, times, strict=True)
    ]
    records = np.concatenate([np.zeros((0, 7)), *rows]).astype(np.float32)
    kept = np.argsort(-records[:, 2], kind="stable")[: base.MAX_RECORDS]
    records = records[np.sort(kept)]
    return records[np.lexsort((-records[:, 2], records[:, 0]))]


def sentence(found: Sequence[Detections], names: Mapping[int, str]) -> str:
    """The names of what was seen, the most confident first; empty when nothing was (see the module's text)."""
    heard: dict[tuple[int, int], float] = {}
    for one in found:
        seen: dict[int, int] = defaultdict(int)
        for place in np.argsort(-one.scores, kind="stable"):
            number = int(one.classes[place])
            mention = (number, seen[number])
            seen[number] += 1
            heard[mention] = max(heard.get(mention, 0.0), float(one.scores[place]))
    order = sorted(heard, key=lambda mention: (-heard[mention], mention))[:SPOKEN]
    return " ".join(names[number] for number, _ in order)


def notes(found: Sequence[Detections], names: Mapping[int, str]) -> dict[str, list[list[Any]]]:
    """For the report: what was seen on most frames; and the class numbers of all that was seen."""
    shares: dict[int, float] = defaultdict(float)
    for one in found:
        for number in set(one.classes.tolist()):
            shares[int(number)] += 1 / len(found)
    if not shares:
        return {}
    most = sorted(shares, key=lambda number: (-shares[number], number))[:NOTED]
    return {
        SEEN: [[names[number], round(shares[number], 4)] for number in most],
        IDS: [[names[number], number] for number in sorted(shares)],
    }
