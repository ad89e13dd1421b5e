"""Frames of a tiny CLIP held against texts: by the numbers of the tower itself, what is absent, and what is kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tiny import diffusion

from triptych.core.config import Match, Study
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, Entry, write_store
from triptych.crossmodal import match
from triptych.encoders import registry
from triptych.encoders.clip_text import ClipText
from triptych.speech.transcript import Segment, Transcript, write_transcripts

WORDS = ["a boat at sea", "two cooks fry fish", "sparks in the shop", "mint in a field", "rain " * 30]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return diffusion.build_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def tower(clip):
    made = ClipText(registry.weights_of(registry.made_from({"use": "clip", "model": str(clip)})))
    made.load("cpu")
    return made


class World:
    """Five videos whose frames lie near to the vectors of their texts, one without frames, one without text."""

    def __init__(self, folder, clip, tower):
        self.study = {
            "study": "small",
            "corpus": "videos.csv",
            "results": str(folder),
            "shards": 1,
            "transcripts": {"captions": {"use": "captions"}},
            "encoders": {"clip": {"use": "clip", "model": str(clip)}},
            "match": {
                "fit": {"encoder": "clip", "text": ["description", "transcript"], "permutations": 200, "shown": 4}
            },
        }
        self.paths = Paths("small", str(folder))
        self.rows = [{"slug": f"v{n}", "fields": {"description": text}} for n, text in enumerate(WORDS)]
        self.rows += [
            {"slug": "blind", "fields": {"description": "a boat"}},
            {"slug": "mute", "fields": {"description": " "}},
        ]
        random = np.random.default_rng(0)
        self.frames = {}
        entries = [Entry("blind", "k", Outcome("absent", "no_frames", "none"))]
        for row in self.rows[:5] + self.rows[6:]:
            texts = tower.chunks([(0.0, 0.0, row["fields"]["description"])])
            vector = tower.encode(texts).mean(axis=0) if texts else np.ones(12)
            values = vector / np.linalg.norm(vector) + random.normal(0, 0.05, (3, 12))
            self.frames[row["slug"]] = values.astype(np.float32)
            times = np.repeat([[1.0], [2.0], [3.0]], 2, axis=1)
            entries.append(
                Entry(row["slug"], "k", arrays={"embedding": values.astype(np.float32)}, times={"embedding": times})
            )
        write_store(self.paths.embeddings("clip", "0"), entries)
        lines = [Transcript("v0", "captions", segments=(Segment(0, 1, "a boat"), Segment(1, 2, "at sea")))]
        lines += [Transcript(row["slug"], "", Outcome("absent", "no_captions", "none")) for row in self.rows[1:]]
        write_transcripts(self.paths.transcripts("text", "0"), lines)

    def run(self):
        study = Study.model_validate(self.study).model_dump(by_alias=True, mode="json")
        match.match_videos("fit", study, self.rows)
        return json.loads(Path(self.paths.match("fit", "json")).read_text())

    def table(self):
        rows = csv.DictReader(Path(self.paths.match("fit", "csv")).read_text().splitlines())
        return {(row["video"], row["field"]): row for row in rows}


@pytest.fixture
def world(tmp_path, clip, tower):
    return World(tmp_path, clip, tower)


def test_each_field_is_held_against_its_null_and_everything_is_counted(world):
    told = world.run()
    assert list(told["fields"]) == ["description", "transcript"]
    described = told["fields"]["description"]
    assert described["used"] == 5 and described["without"] == {"no_frames": 1, "no_text": 1}
    mean = described["mean"]
    assert mean["matched"] > 0.9 > mean["mismatched"] and mean["p"] < 0.05 and mean["d_prime"] > 1
    assert mean["row_to_column"]["r1"] == mean["column_to_row"]["r1"] == 1.0
    assert described["max"]["matched"] > mean["matched"]
    spoken = told["fields"]["transcript"]
    assert spoken["used"] == 1 and spoken["mean"]["p"] is None and spoken["without"]["no_captions"] == 5
    table = world.table()
    assert len(table) == 14 and table["blind", "description"]["reason"] == "no_frames"
    assert table["v0", "transcript"]["status"] == "ok" and table["v0", "transcript"]["mean_matched"] == ""
    assert "matched" in Path(world.paths.match("fit", "svg")).read_text()


def test_long_text_is_read_in_parts_of_the_towers_own_tokens(world, tower):
    world.run()
    table = world.table()
    assert int(table["v4", "description"]["parts"]) > 5 and table["v0", "description"]["parts"] == "1"
    parts = tower.chunks([(0.0, 0.0, WORDS[4])])
    # Nothing is cut: all words are there, and with both ends each part fits into the 20 positions.
    assert " ".join(parts).split() == WORDS[4].split()
    assert all(len(tower.tokenizer(part)["input_ids"]) <= 20 for part in parts)
    vectors = tower.encode(parts)
    mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    frames = world.frames["v4"] / np.linalg.norm(world.frames["v4"], axis=1, keepdims=True)
    cosines = frames @ mean / np.linalg.norm(mean)
    row = table["v4", "description"]
    assert float(row["mean_matched"]) == pytest.approx(cosines.mean(), abs=1e-5)
    assert float(row["max_matched"]) == pytest.approx(cosines.max(), abs=1e-5)
    assert float(row["best_time"]) == 1.0 + cosines.argmax() and float(row["worst_time"]) == 1.0 + cosines.argmin()


def test_unchanged_texts_are_taken_over(world, caplog):
    caplog.set_level("INFO", "triptych")
    first = world.run()
    assert "7 texts, 0 taken over, 7 to embed" in caplog.text
    caplog.clear()
    assert world.run() == first and "taken over, 0 to embed" in caplog.text
    world.rows[1]["fields"]["description"] = "<b>another</b>"
    caplog.clear()
    changed = world.run()
    assert "1 to embed" in caplog.text and changed != first
    assert {one["video"]: one for one in changed["shown"]}["v1"]["text"] == "<b>another</b>"


def test_groups_are_kept_apart(world):
    from triptych.learn.tasks import make_labels

    world.study["tasks"] = {"topic": {"label": "topic", "group": "film", "folds": 2}}
    world.study["match"]["fit"]["group"] = "topic"
    fields = [{"topic": "x" if n % 2 else "y", "film": f"film {n // 2}"} for n in range(7)]
    table = [{"slug": row["slug"], "line": 1, "fields": one} for row, one in zip(world.rows, fields, strict=True)]
    task = Study.model_validate(world.study).tasks["topic"]
    make_labels("topic", task.model_dump(), table, world.paths.labels("topic"), {}, {})
    told = world.run()["fields"]["description"]["mean"]
    assert told["groups"] == 3 and told["row_to_column"]["gallery"] == pytest.approx((4 * 4 + 5) / 5)


def test_damaged_embeddings_are_set_aside(world):
    path = world.paths.embeddings("clip", "0")
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2] ^= 0xFF
    Path(path).write_bytes(data)
    with pytest.raises(DamagedStore, match="run snakemake again"):
        world.run()


def test_faults_of_the_encoder(clip):
    def faults(**encoder):
        return match.faults(Match(encoder="e"), {"e": encoder})

    assert faults(use="clip", model=str(clip)) == []
    assert "embeds no text beside pictures" in faults(use="classic-image")[0]
    assert "use `pool: auto`" in faults(use="clip", model=str(clip), params={"pool": "cls"})[0]
