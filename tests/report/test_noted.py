"""What encoders noted of videos: read from their files, kept as text, and frames with boxes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from report.results_folder import HOSTILE, picture
from report.test_page import opened

from triptych.core.paths import Paths
from triptych.core.status import OK
from triptych.core.store import Entry, write_arrays, write_store
from triptych.encoders.detect import IDS, SEEN
from triptych.report import boxes, noted
from triptych.report.noted import Noted

ROWS = np.array(
    [
        [0, 0, 0.9, 0.1, 0.1, 0.5, 0.9],
        [1, 0, 0.7, 0.2, 0.2, 0.6, 0.6],
        [1, 1, 0.6, 0, 0, 1, 1],
        [5, 0, 0.99, 0, 0, 0.5, 0.5],
    ],
    np.float32,
)


def test_the_page_holds_notes_as_text(hostile):
    text, _, data = opened(hostile)
    with_notes = [video for video in data["videos"] if video["notes"]]
    assert 10 < len(with_notes) < len(data["videos"])
    assert with_notes[0]["notes"] == [["objects", SEEN, [[HOSTILE[0], 0.75], ["person", 0.5]]]]
    assert "<script>document" not in text


def store(paths, encoder, shard, **videos):
    entries = []
    for video, (notes, rows) in videos.items():
        arrays = {"classes": np.zeros((1, 2), np.float32)} | ({"boxes": rows} if rows is not None else {})
        times = {name: np.zeros((len(values), 2)) for name, values in arrays.items()}
        entries.append(Entry(video, "k", OK, arrays, times, {"notes": notes}))
    write_store(paths.embeddings(encoder, shard), entries)


STUDY = {"shards": 1, "encoders": {"eye": {"use": "detector"}, "picture": {"use": "classic-image"}}}


def test_notes_and_boxes_are_read_of_the_videos_that_are_shown(tmp_path):
    paths = Paths("s", str(tmp_path))
    names = {SEEN: [["dog", 1.0]], IDS: [["dog", 0], ["cat", 1]]}
    store(paths, "eye", "0", a=(names, ROWS), b=(names, ROWS), gone=(names, ROWS), none=({}, None))
    found = noted.read(STUDY, paths, ["a", "b", "none"], ["a"])
    assert set(found) == {"a", "b"} and found["a"].lines == [["eye", SEEN, [["dog", 1.0]]]]
    assert (found["a"].boxes == ROWS).all() and found["a"].names == {0: "dog", 1: "cat"}
    assert found["b"].boxes is None


def test_odd_notes_and_lost_files_do_no_harm(tmp_path, caplog):
    paths = Paths("s", str(tmp_path))
    odd = {SEEN: [["x" * 500, float("inf")], ["y"], [], 7, "z", [None, "n"], *[["w", 1]] * 50], IDS: [["dog", None]]}
    store(paths, "eye", "0", a=(odd, ROWS), b=({SEEN: {"no": "list"}}, None))
    found = noted.read(STUDY, paths, ["a", "b"], ["a", "b"])
    lines = found["a"].lines[0][2]
    assert len(lines) == noted.LINES and lines[0][0] == "x" * 80 and lines[1] == ["y", None] and "b" not in found
    assert found["a"].names == {}
    paths = Paths("other", str(tmp_path))
    assert noted.read(STUDY, paths, ["a"]) == {} and "left out of the page" in caplog.text


def test_frames_with_most_objects_are_chosen():
    chosen = boxes.choose(ROWS, np.array([0.0, 1.0, 2.0, 3.0]))
    assert [place for place, _ in chosen] == [0, 1]
    assert chosen[1][1][:, 2] == pytest.approx([0.7, 0.6])
    many = np.array([[time, 0, 0.5 + time / 100, 0, 0, 1, 1] for time in range(10) for _ in range(20)], np.float32)
    chosen = boxes.choose(many, np.arange(10.0))
    assert [place for place, _ in chosen] == [6, 7, 8, 9] and all(len(rows) == boxes.DRAWN for _, rows in chosen)


def keyframes(path, times, shade=90):
    jpegs = [picture((shade, 130, 220), number) for number in range(len(times))]
    arrays = {
        "frames/bytes": np.frombuffer(b"".join(jpegs), np.uint8),
        "frames/offsets": np.cumsum([0] + [len(one) for one in jpegs]).astype(np.int64),
        "times": np.asarray(times, np.float64),
    }
    write_arrays(path, arrays, {})
    return path


def test_a_strip_shows_boxes(tmp_path):
    path = keyframes(tmp_path / "a.h5", [0.0, 1.0004, 5.0])
    names = {0: HOSTILE[0] + "\nünï 名", 1: "cat"}
    address = boxes.strip(path, Noted(boxes=ROWS, names=names))
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    plain = boxes.strip(path, Noted(boxes=ROWS * np.array([1, 1, 1, 0, 0, 0, 0], np.float32), names={0: "", 1: ""}))
    with Image.open(io.BytesIO(data)) as image:
        assert image.width == 6 + 3 * (216 + 6) and len(data) < boxes.MOST
    assert address != plain
    again = boxes.strip(path, Noted(boxes=ROWS, names=names))
    assert again == address


def test_without_keyframes_or_boxes_there_is_no_strip(tmp_path):
    path = keyframes(tmp_path / "a.h5", [0.25, 0.75])
    assert boxes.strip(path, Noted(boxes=ROWS)) is None  # frames at other times
    assert boxes.strip(path, Noted(boxes=ROWS[:0])) is None and boxes.strip(path, Noted()) is None
    assert boxes.strip(None, Noted(boxes=ROWS)) is None and boxes.strip(tmp_path / "gone.h5", Noted(boxes=ROWS)) is None
