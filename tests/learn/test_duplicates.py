"""Near-duplicates: copies of real clips are found whatever was done to them, and other videos are not."""

import csv
from pathlib import Path

import numpy as np
import pytest
from media import clips

from triptych.core.config import Audio, Duplicates, Keyframes, Limits
from triptych.core.paths import Paths
from triptych.core.store import write_arrays
from triptych.learn import duplicates, duplicates_pictures, duplicates_sound
from triptych.learn.duplicates import find_duplicates
from triptych.learn.pairs import read_pairs
from triptych.media.prints import picture_print, sound_prints
from triptych.media.unit import run_stage

SECONDS, FPS = 5, 10


def pictures(seed: int) -> list[np.ndarray]:
    """A scene that changes each second, in pictures that the eye tells apart from those of other seeds."""
    return [one for second in range(SECONDS) for one in clips.moving(FPS, 128, 96, seed=100 * seed + second)]


def sound(seed: int, level: float = 0.3) -> np.ndarray:
    """(samples,) float32: chords that change eight times a second, over noise."""
    random = np.random.default_rng(seed)
    step = clips.RATE // 8
    time = np.arange(step) / clips.RATE
    chords = []
    for _ in range(8 * SECONDS):
        pitches, loud = random.uniform(200, 3500, 5), random.uniform(0.2, 1, 5)
        chords.append((loud[:, None] * np.sin(2 * np.pi * pitches[:, None] * time)).mean(axis=0))
    noise = random.normal(0, 0.02, step * 8 * SECONDS)
    return (level * (np.concatenate(chords) + noise)).astype(np.float32)


def cropped(images: list[np.ndarray]) -> list[np.ndarray]:
    """Without a fortieth of each side."""
    return [np.ascontiguousarray(one[2:-2, 4:-4]) for one in images]


def barred(images: list[np.ndarray]) -> list[np.ndarray]:
    """Lighter, and with black bars above and below."""
    return [np.pad(np.clip(one * 1.05 + 6, 0, 255).astype(np.uint8), ((16, 16), (0, 0), (0, 0))) for one in images]


WRITTEN = {
    "a": lambda path: clips.write(path, pictures(1), sound(1), FPS),
    "a-again": lambda path: clips.write(
        path, pictures(1), sound(1), FPS, codec="mpeg4", sound_codec="libmp3lame", options={}
    ),
    "a-crop-loud": lambda path: clips.write(path, cropped(pictures(1)), sound(1, 0.8), FPS),
    "a-bars-mute": lambda path: clips.write(path, barred(pictures(1)), None, FPS),
    "a-trim": lambda path: clips.write(path, pictures(1)[12:], sound(1)[int(1.2 * clips.RATE) :], FPS),
    "a-heard": lambda path: clips.write(path, [], sound(1)[clips.RATE :], sound_codec="libmp3lame"),
    "b": lambda path: clips.write(path, pictures(2), sound(2), FPS),
    "c": lambda path: clips.write(path, pictures(3), sound(3), FPS),
    "black": lambda path: clips.write(path, [clips.flat((0, 0, 0))] * 20, np.zeros(clips.RATE, np.float32), FPS),
    "black-too": lambda path: clips.write(path, [clips.flat((2, 2, 2))] * 30, np.zeros(clips.RATE, np.float32), FPS),
    "tone": lambda path: clips.write(path, [clips.flat((200, 30, 30))] * 20, clips.tone(3), FPS),
    "tone-too": lambda path: clips.write(path, [clips.flat((200, 30, 40))] * 20, clips.tone(4), FPS),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Paths, list[str]]:
    folder = tmp_path_factory.mktemp("duplicates")
    paths, names = Paths("s", str(folder / "results"), str(folder / "media")), sorted(WRITTEN)
    videos = []
    for name in names:
        source = WRITTEN[name](folder / f"{name}.{'mp3' if name == 'a-heard' else 'mkv'}")
        videos.append({"slug": name, "source": str(source), "url": False})
    limits = Limits().model_dump()
    for stage, params in (("probe", {}), ("audio", Audio().model_dump()), ("keyframes", {**Keyframes().model_dump()})):
        outcomes = run_stage(stage, videos, paths, params, limits)
        assert all(one.status != "failed" for one in outcomes.values()), outcomes
    return paths, names


def found(corpus, tmp_path, **section) -> dict[str, set[frozenset]]:
    """Way -> pairs."""
    paths, names = corpus
    ways: dict[str, set[frozenset]] = {}
    for pair in find_duplicates(Duplicates(**section), names, paths, tmp_path / "pairs.csv"):
        ways.setdefault(pair.by, set()).add(frozenset((pair.video, pair.other)))
    assert read_pairs(tmp_path / "pairs.csv") == sorted(read_pairs(tmp_path / "pairs.csv"))
    return ways


def among(names: list[str]) -> set[frozenset]:
    return {frozenset((one, other)) for one in names for other in names if one < other}


def test_copies_are_found_and_nothing_else(corpus, tmp_path):
    ways = found(corpus, tmp_path)
    seen = ["a", "a-again", "a-bars-mute", "a-crop-loud", "a-trim"]
    heard = ["a", "a-again", "a-crop-loud", "a-heard", "a-trim"]
    assert ways["sound"] == among(heard)
    assert ways["pictures"] <= among(seen), "other videos, black ones and those of one colour have no pictures alike"
    assert {frozenset(("a", other)) for other in seen[1:]} <= ways["pictures"]
    assert "content" not in ways, "silence is no content, and no two files are the same"


def test_prints_are_kept_and_taken_over(corpus, tmp_path, caplog):
    caplog.set_level("INFO", "triptych")
    paths, names = corpus
    find_duplicates(Duplicates(), names[:-2], paths, tmp_path / "pairs.csv")
    caplog.clear()
    find_duplicates(Duplicates(), names, paths, tmp_path / "pairs.csv")
    assert "prints: 4 computed, 18 taken over" in caplog.text
    kept, table = (tmp_path / "prints.h5").read_bytes(), (tmp_path / "pairs.csv").read_bytes()
    caplog.clear()
    find_duplicates(Duplicates(), names, paths, tmp_path / "pairs.csv")
    assert "prints: 0 computed, 22 taken over" in caplog.text
    assert (tmp_path / "prints.h5").read_bytes() == kept and (tmp_path / "pairs.csv").read_bytes() == table
    (tmp_path / "prints.h5").write_bytes(kept[: len(kept) // 2])
    find_duplicates(Duplicates(), names, paths, tmp_path / "pairs.csv")
    assert (tmp_path / "prints.h5").read_bytes() == kept and (tmp_path / "pairs.csv").read_bytes() == table


def test_ways_can_be_chosen_and_the_same_file_twice_is_content(corpus, tmp_path):
    assert found(corpus, tmp_path, use=[]) == {}
    assert not (tmp_path / "prints.h5").exists()
    paths, _ = corpus
    folder = tmp_path / "twice"
    again = Paths("s", str(folder / "results"), str(folder / "media"))
    source = Path(paths.media("a")).resolve()
    videos = [{"slug": name, "source": str(source), "url": False} for name in ("one", "two")]
    run_stage("probe", videos, again, {}, Limits().model_dump())
    run_stage("audio", videos, again, Audio().model_dump(), Limits().model_dump())
    assert found((again, ["one", "two"]), tmp_path, use=["content"]) == {"content": among(["one", "two"])}


def test_features_tie_what_has_the_wished_cosine(tmp_path):
    import json

    values = np.array([[1, 0, 0], [2, 0.01, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]], np.float32)
    index = np.frombuffer(json.dumps(list("cabdef")).encode(), np.uint8)
    mask = np.array([True] * 5 + [False])
    write_arrays(tmp_path / "seen.h5", {"values": values, "mask": mask, "index": index}, {"feature": "seen"})
    pairs = duplicates.by_feature("seen", tmp_path / "seen.h5", 0.99)
    assert [(one.video, one.other, one.by) for one in pairs] == [("a", "c", "feature seen")]
    assert pairs[0].score == pytest.approx(1, abs=1e-4)


def test_banded_lookup_finds_exactly_what_comparing_all_with_all_finds(monkeypatch):
    random = np.random.default_rng(1)
    codes = random.integers(0, 2**64, 600, dtype=np.uint64)
    near = codes[:300].copy()
    for row in range(300):
        for bit in random.choice(64, row % 14, replace=False).tolist():
            near[row] ^= np.uint64(1) << np.uint64(bit)
    codes = np.unique(np.concatenate([codes, near]))
    plain = {tuple(pair) for pair in duplicates_pictures.like_codes(codes, 10).tolist()}
    assert len(plain) > 200
    monkeypatch.setattr(duplicates_pictures, "FEW", 0)
    assert {tuple(pair) for pair in duplicates_pictures.like_codes(codes, 10).tolist()} == plain


def test_a_crowd_of_copies_stays_tied_together(monkeypatch):
    monkeypatch.setattr(duplicates_pictures, "CROWD", 6)
    monkeypatch.setattr(duplicates_sound, "RUN", 6)
    one = duplicates_pictures.Pictures(
        np.arange(5, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        np.random.default_rng(0).integers(0, 255, (5, 32, 32)).astype(np.uint8),
    )
    pairs = duplicates_pictures.like_pictures({f"v{k:03d}": one for k in range(40)}, 0, 0.6)
    words = np.random.default_rng(0).integers(0, 2**32, 60, dtype=np.uint64).astype(np.uint32)
    heard = duplicates_sound.Sound(words, np.ones(60, bool))
    sounds = duplicates_sound.like_sounds({f"v{k:03d}": heard for k in range(40)}, 0.5)
    for found_pairs in (pairs, sounds):
        assert len(found_pairs) < 40 * 39 / 2, "not each with each"
        tied = {"v000"}
        while True:
            more = tied | {other for pair in found_pairs for other in pair[:2] if tied & set(pair[:2])}
            if more == tied:
                break
            tied = more
        assert len(tied) == 40


def test_what_tells_nothing_has_no_print():
    assert not sound_prints(np.zeros(32_000, np.float32))[1].any()
    assert not sound_prints((0.4 * np.sin(np.arange(64_000) / 5)).astype(np.float32))[1].any()
    assert len(sound_prints(np.ones(100, np.float32))[0]) == 0
    assert sound_prints(sound(1)[::3])[1].mean() > 0.9

    def jpeg(picture):
        import io

        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=95)
        return out.getvalue()

    scene = clips.moving(1, 256, 144, seed=5)[0]
    plain, letterboxed = picture_print(jpeg(scene)), picture_print(jpeg(np.pad(scene, ((40, 40), (0, 0), (0, 0)))))
    assert np.bitwise_count(np.uint64(plain[0]) ^ np.uint64(letterboxed[0])) <= 4
    assert picture_print(jpeg(clips.flat((0, 0, 0), 256, 144))) is None
    assert picture_print(jpeg(clips.flat((90, 200, 90), 256, 144))) is None
    few = clips.flat((0, 0, 0), 256, 144)
    few[70:74] = scene[70:74]
    assert picture_print(jpeg(few)) is None, "bars but for a few rows"


def test_the_table_is_plain(corpus, tmp_path):
    found(corpus, tmp_path)
    with (tmp_path / "pairs.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows and list(rows[0]) == ["video", "other", "by", "score"]
    assert all(row["video"] < row["other"] and 0.5 <= float(row["score"]) <= 1 for row in rows)
