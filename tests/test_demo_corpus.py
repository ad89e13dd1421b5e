"""The committed demo corpus is what its page says: structure, sizes, cues, and faults of the odd rows."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"
DEMO = DATA / "demo"
ODD = {"no-audio", "cut", "text", "portrait", "one-frame"}
TOPICS = {"harbour", "kitchen", "meadow", "workshop"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (DEMO / "videos.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def well(rows) -> list[dict[str, str]]:
    return [row for row in rows if row["id"] not in ODD]


@pytest.fixture
def makers(monkeypatch):
    """The modules of the script, which imports its neighbours as a script does."""
    monkeypatch.setattr(sys, "path", [str(DATA), *sys.path])
    import demo_scenes
    import demo_sounds
    import demo_words

    return demo_words, demo_scenes, demo_sounds


def parse_captions(path: Path) -> list[tuple[float, float, str]]:
    """Cues of a WebVTT file, strictly: every block is the header, a note or a cue."""
    head, *blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    assert head == "WEBVTT"
    cues = []
    for block in blocks:
        if block.startswith("NOTE"):
            continue
        match = re.fullmatch(
            r"(?:\d+\n)?00:(\d\d):(\d\d\.\d{3}) --> 00:(\d\d):(\d\d\.\d{3})(?: [a-z]+:\S+)*\n(.+)", block
        )
        assert match, block
        m1, s1, m2, s2, text = match.groups()
        cues.append((60 * int(m1) + float(s1), 60 * int(m2) + float(s2), re.sub(r"<[^>]+>", "", text)))
    return cues


def spoken(row: dict[str, str]) -> str:
    return " ".join(text for _, _, text in parse_captions(DEMO / row["captions"]))


def decode(row: dict[str, str], kind: str = "video") -> tuple[list, Exception | None]:
    """All frames that can be decoded, and the error that ended it."""
    found: list = []
    with av.open(str(DEMO / row["source"])) as container:
        try:
            found.extend(container.decode(**{kind: 0}))
        except av.FFmpegError as error:
            return found, error
    return found, None


def test_table(rows, well):
    assert list(rows[0]) == ["id", "source", "topic", "film", "fold", "title", "description", "captions"]
    assert len(rows) == 53 and len(well) == 48
    assert {row["id"] for row in rows} - {row["id"] for row in well} == ODD
    assert len({row["id"].lower() for row in rows}) == 53
    for row in rows:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", row["id"])
        assert (DEMO / row["source"]).is_file()
        assert row["captions"] == "" or (DEMO / row["captions"]).is_file()
        assert all(row[name] for name in row if name != "captions")
    assert Counter(row["topic"] for row in well) == dict.fromkeys(TOPICS, 12)


def test_nothing_lies_beside_the_table(rows):
    named = {row["source"] for row in rows} | {row["captions"] for row in rows if row["captions"]}
    files = {path.relative_to(DEMO).as_posix() for path in DEMO.rglob("*") if path.is_file()}
    assert files == named | {"videos.csv", "README.md"}
    assert sum((DEMO / name).stat().st_size for name in files) < 6_000_000


def test_films_and_folds(rows, well):
    clips = Counter(row["film"] for row in well)
    assert len(clips) == 16 and set(clips.values()) == {3}
    of_film = defaultdict(set)
    for row in rows:
        of_film[row["film"]].add((row["topic"], row["fold"]))
    assert len(of_film) == 16  # the odd rows belong to films of the corpus
    assert all(len(found) == 1 for found in of_film.values())
    pairs = sorted(next(iter(found)) for found in of_film.values())
    assert pairs == [(topic, str(fold)) for topic in sorted(TOPICS) for fold in range(1, 5)]


def test_table_agrees_with_the_script(rows, makers):
    words, _, _ = makers
    films = {film.slug: film for film in words.films()}
    assert {(row["film"], row["topic"], int(row["fold"])) for row in rows} == {
        (film.slug, film.topic, film.fold) for film in films.values()
    }
    for row in rows:
        assert row["title"].startswith(films[row["film"]].title)
    for trait in ("voice", "hue", "hum", "place", "who", "refrain"):
        assert len({getattr(film, trait) for film in films.values()}) == 16, trait


def test_no_two_topics_share_all_cues_and_every_cue_is_shared(makers):
    words, _, _ = makers
    assert set(words.CUES) == TOPICS
    for cue in zip(*words.CUES.values(), strict=True):
        assert sorted(Counter(cue).values()) == [1, 1, 2]
    assert len(set(words.CUES.values())) == 4


def test_titles_exercise_escaping_and_no_text_names_a_topic(rows):
    titles = "".join(row["title"] for row in rows)
    assert "<b>" in titles and '"' in titles and "'" in titles and "&" in titles
    assert any(ord(letter) > 0x3000 for letter in titles)
    for row in rows:
        text = row["title"] + row["description"] + row["id"] + row["film"] + (spoken(row) if row["captions"] else "")
        assert not any(topic in text.lower() for topic in TOPICS), row["id"]


def test_clips_have_picture_and_sound_of_5_to_8_seconds(well):
    sizes, rates = set(), set()
    for row in well:
        with av.open(str(DEMO / row["source"])) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert len(container.streams) == 2
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert audio.codec_context.channels == 1
            assert 5.0 <= container.duration / av.time_base <= 8.0
            assert abs(float(video.duration * video.time_base) - float(audio.duration * audio.time_base)) < 0.2
            assert video.frames == pytest.approx(float(video.duration * video.time_base * video.average_rate), abs=1)
            sizes.add((video.width, video.height))
            rates.add(video.average_rate)
    assert len(sizes) >= 3 and len(rates) >= 3


def test_captions_lie_in_their_clip_at_speaking_pace(well):
    for row in well:
        cues = parse_captions(DEMO / row["captions"])
        with av.open(str(DEMO / row["source"])) as container:
            duration = container.duration / av.time_base
        assert len(cues) == 2
        for (start, end, text), after in zip(cues, [*(cue[0] for cue in cues[1:]), duration], strict=True):
            assert 0 <= start < end <= after
            assert 2 <= len(text.split()) / (end - start) <= 6, row["id"]
            assert text[0].isupper() and text.endswith(".")


def test_same_film_same_words_other_topic_other_words(well):
    """Boats, iron and herbs are said where they should be: herbs in two topics alike."""
    kinds = {"boats": "tide|crew|waves|salt|skipper", "iron": "iron|sparks|steel|smith|metal"}
    expected = {"harbour": "boats", "workshop": "iron", "kitchen": "herbs", "meadow": "herbs"}
    for row in well:
        said = parse_captions(DEMO / row["captions"])[1][2].lower()
        found = [kind for kind, pattern in kinds.items() if re.search(pattern, said)] or ["herbs"]
        assert found == [expected[row["topic"]]], said


def test_no_audio(rows):
    row = next(row for row in rows if row["id"] == "no-audio")
    with av.open(str(DEMO / row["source"])) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    frames, error = decode(row)
    assert error is None and len(frames) > 40
    assert row["captions"]


def test_cut_decodes_in_part(rows):
    row = next(row for row in rows if row["id"] == "cut")
    with av.open(str(DEMO / row["source"])) as container:
        declared = container.streams.video[0].frames
        assert 5.0 <= container.duration / av.time_base <= 8.0
    frames, error = decode(row)
    assert 0.3 < len(frames) / declared < 0.9
    assert error is None or isinstance(error, av.InvalidDataError)
    assert len(decode(row, "audio")[0]) > 40


def test_text_is_no_video(rows):
    row = next(row for row in rows if row["id"] == "text")
    assert (DEMO / row["source"]).read_text(encoding="utf-8").startswith("This is no video")
    with pytest.raises(av.InvalidDataError):
        av.open(str(DEMO / row["source"]))


def test_portrait_is_rotated_and_of_variable_rate(rows):
    row = next(row for row in rows if row["id"] == "portrait")
    frames, error = decode(row)
    assert error is None
    assert {frame.rotation for frame in frames} == {90}
    assert all(frame.width > frame.height for frame in frames)
    steps = np.diff([frame.time for frame in frames])
    assert steps.min() > 0 and steps.max() > 2.5 * steps.min()
    # Upright again, the light sky is above the dark water.
    upright = np.rot90(frames[0].to_ndarray(format="gray"), 1)
    assert upright[: len(upright) // 4].mean() > upright[-len(upright) // 4 :].mean() + 30


def test_one_frame(rows):
    row = next(row for row in rows if row["id"] == "one-frame")
    frames, error = decode(row)
    assert error is None and len(frames) == 1
    with av.open(str(DEMO / row["source"])) as container:
        assert not container.streams.audio


def test_pictures_are_drawn_alike_for_alike_seeds_and_without_espeak(makers):
    words, scenes, sounds = makers
    film = words.films()[0]
    times = np.array([0.0, 0.5])
    drawn = {
        (kind, seed, again): list(scenes.frames(film, kind, times, np.random.default_rng(seed)))
        for kind, seed, again in [("sea", 1, 0), ("sea", 1, 1), ("sea", 2, 0), ("grass", 1, 0), ("hearth", 1, 0)]
    }
    assert all(np.array_equal(a, b) for a, b in zip(drawn["sea", 1, 0], drawn["sea", 1, 1], strict=True))
    assert not np.array_equal(drawn["sea", 1, 0][0], drawn["sea", 2, 0][0])
    for first, later in drawn.values():
        assert first.shape == (film.size[1], film.size[0], 3) and first.dtype == np.uint8
        assert np.abs(first.astype(int) - later).mean() > 1, "nothing moves"
    assert set(sounds.SOUNDS) == {cues[1] for cues in words.CUES.values()}
    for sound in sounds.SOUNDS.values():
        assert np.isfinite(sound(np.random.default_rng(0), sounds.RATE * 5)).all()


def test_script_says_when_espeak_is_missing(makers, monkeypatch, tmp_path):
    _, _, sounds = makers
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="espeak-ng is needed"):
        sounds.require_espeak()


def look(row: dict[str, str]) -> np.ndarray:
    """Colour shares, edge directions and movement: a plain picture feature, for the next test only."""
    found = []
    with av.open(str(DEMO / row["source"])) as container:
        kept = [
            # Every eighth frame of the first half and the next but one: this takes most of the time here.
            frame.to_ndarray(format="rgb24", width=96, height=64, interpolation="AREA")
            for number, frame in enumerate(islice(container.decode(video=0), 36))
            if number % 8 in (0, 2)
        ]
    for picture, after in zip(kept[::2], kept[1::2], strict=False):
        light = picture.mean(axis=2)
        dy, dx = np.gradient(light)
        direction = np.histogram(np.arctan2(dy, dx) % np.pi, 12, (0, np.pi), weights=np.hypot(dx, dy))[0]
        shares = [np.histogram(picture[..., c], 8, (0, 256))[0] / light.size for c in range(3)]
        thirds = np.abs(after.mean(axis=2) - light)[:63].reshape(3, 21, 96).mean(axis=(1, 2))
        found.append(np.concatenate([direction / direction.sum(), *shares, thirds]))
    return np.concatenate([np.mean(found, axis=0), np.std(found, axis=0)])


def test_a_split_that_ignores_films_flatters(well):
    """Words and pictures alone: far from perfect when films are kept together, far better when they are not."""
    # Imported here, as it takes longer than all other tests together.
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    topic = np.array([row["topic"] for row in well])
    honest = PredefinedSplit([int(row["fold"]) for row in well])
    careless = StratifiedKFold(4, shuffle=True, random_state=0)
    head = LogisticRegression(C=30, max_iter=300)
    for given, model in (
        (np.array([spoken(row) for row in well]), make_pipeline(TfidfVectorizer(), head)),
        (np.array([look(row) for row in well]), make_pipeline(StandardScaler(), head)),
    ):
        kept, ignored = ((cross_val_predict(model, given, topic, cv=cv) == topic).mean() for cv in (honest, careless))
        assert kept <= 0.8 and ignored >= kept + 0.1, (kept, ignored)
