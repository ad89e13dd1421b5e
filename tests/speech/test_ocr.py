"""Text in keyframes: reading order, lines that stay, real pictures through the real models, and what is taken over."""

import numpy as np
import pytest

from triptych.core.config import Keyframes, Limits
from triptych.core.paths import Paths
from triptych.media import unit
from triptych.speech import ocr
from triptych.speech.transcript import Segment, read_transcripts


def box(left, top, width=100, height=20):
    return np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]], float)


def test_lines_are_read_from_top_to_bottom_and_left_to_right():
    lines = [
        ("right", 1.0, box(300, 12)),
        ("below", 1.0, box(10, 60)),
        ("left  of it", 1.0, box(10, 18)),
        (" ", 1, box(0, 0)),
    ]
    assert ocr.reading_order(lines) == ["left of it", "right", "below"]
    assert ocr.reading_order([]) == []


def test_a_line_that_stays_is_one_segment():
    frames = [["Channel 5", "Snow in Lyon"], ["CHANNEL 5", "Rain in Nice"], [], ["Channel 5"]]
    assert ocr.segments_of(frames, [0.0, 1.0, 2.0, 3.0]) == (
        Segment(0.0, 0.0, "Snow in Lyon"),
        Segment(0.0, 1.0, "Channel 5"),
        Segment(1.0, 1.0, "Rain in Nice"),
        Segment(3.0, 3.0, "Channel 5"),
    )


def test_lines_that_come_and_go_together_are_joined():
    frames = [["one", "two", "one"], ["one", "two", "one"]]
    assert ocr.segments_of(frames, [4.0, 8.0]) == (Segment(4.0, 8.0, "one two one"),)
    assert ocr.segments_of([[], []], [0.0, 1.0]) == ()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"params": {"confidence": 2}}, "params.confidence: must be a number from 0 to 1 (given: 2)"),
        ({"params": {"frames": 1.5}}, "params.frames: must be a whole number from 1 to 64"),
        ({"params": {"confidnce": 0.5}}, "params.confidnce: unknown parameter; did you mean 'confidence'?"),
        ({"model": "small"}, "model: ocr has its models in a package"),
        ({"when": "no_text"}, "when: ocr reads what is shown"),
    ],
)
def test_faults_are_told_before_any_job(section, told):
    (fault,) = ocr.validate("screen", section)
    assert fault.startswith("transcripts.screen.") and told in fault


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(ocr, "PACKAGES", ("no_such_package",))
    (fault,) = ocr.validate("screen", {})
    assert "needs no_such_package" in fault and 'pip install "triptych[ocr]"' in fault


def picture(path, *lines):
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (512, 288), (30, 60, 120))
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((20, 20 + 60 * number), line, font=ImageFont.load_default(28), fill="white")
    image.save(path)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """Two pictures, one with text, and a row without a file, through the real media stages."""
    folder = tmp_path_factory.mktemp("frames")
    picture(folder / "news.png", "BREAKING NEWS", "Trains run late in Lyon")
    picture(folder / "plain.png")
    paths = Paths("small", str(folder / "results"), str(folder / "media"), str(folder / "splits"))
    videos = [{"slug": one, "source": str(folder / f"{one}.png"), "url": False} for one in ("news", "plain")]
    videos.append({"slug": "words", "source": "", "url": False})
    for stage, params in (("probe", {}), ("keyframes", Keyframes(count=2).model_dump())):
        unit.run_stage(stage, videos, paths, params, Limits().model_dump())
    return paths


def test_pictures_are_read_once(studio, tmp_path, monkeypatch):
    out = tmp_path / "0.jsonl"
    videos = ["words", "plain", "news"]
    counts = ocr.read_shard(videos, "screen", {}, studio, out, language="en")
    assert counts == {"computed": 2, "taken_over": 0, "ok": 1, "absent": 2}
    found = read_transcripts(out)
    assert found["news"].text == "BREAKING NEWS Trains run late in Lyon" and found["news"].language == "en"
    assert (
        found["plain"].outcome.reason == "no_text_shown" and found["plain"].outcome.message == "no text in 1 keyframe"
    )
    assert found["words"].outcome.reason == "no_source"
    before = out.read_bytes()
    loads = []
    real = ocr.reader
    monkeypatch.setattr(ocr, "reader", lambda *told: loads.append(told) or real(*told))
    assert ocr.read_shard(videos, "screen", {}, studio, out, language="en")["taken_over"] == 3
    assert out.read_bytes() == before and not loads
    # Another threshold reads again, and what a killed job kept is taken over.
    out.rename(out.with_suffix(".part"))
    assert ocr.read_shard(videos, "screen", {}, studio, out, language="en")["computed"] == 0
    assert out.read_bytes() == before and not out.with_suffix(".part").exists() and not loads
    counts = ocr.read_shard(videos, "screen", {"confidence": 1.0}, studio, out, language="en")
    assert counts["computed"] == 2 and counts["absent"] == 3 and len(loads) == 1
    with pytest.raises(ocr.OcrError, match="from 1 to 64"):
        ocr.read_shard(videos, "screen", {"frames": 0}, studio, out)
