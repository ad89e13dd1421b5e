"""Text through the real Snakefile: tiny models of both kinds, text read from pictures, fields, masks."""

import csv
import json

import pytest
from harness import Workflow, demo_rows
from PIL import Image, ImageDraw, ImageFont
from tiny import text as tiny

from triptych.core.store import read_store
from triptych.encoders import pooling
from triptych.speech.transcript import read_transcripts

SHOWN = {"a": "BREAKING NEWS", "b": "Rain in Lyon"}


def picture(path, line):
    image = Image.new("RGB", (512, 288), (30, 60, 120))
    ImageDraw.Draw(image).text((20, 120), line, font=ImageFont.load_default(28), fill="white")
    image.save(path)


def rows(folder):
    """Four clips of the demo, and two pictures with text, which nothing is said in."""
    found = demo_rows()
    for row in found:
        row |= {"channel": row["film"], "title": f"{row['topic']} with {row['film']}"}
    for name, line in SHOWN.items():
        picture(folder / f"{name}.png", line)
        found.append({"id": name, "source": str(folder / f"{name}.png"), "topic": "", "film": name, "title": line})
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    sentence = str(tiny.build_sentence(folder / "sentence"))
    distilbert = str(tiny.build_distilbert(folder / "distilbert"))
    study = Workflow(
        folder / "run",
        rows(folder),
        transcripts={"captions": {"use": "captions"}, "screen": {"use": "ocr", "params": {"frames": 2}}},
        encoders={
            "joined": {
                "use": "sentence-transformers",
                "model": sentence,
                "text": ["title", "transcript"],
                "threads": 1,
                "params": {"mask": ["channel"]},
            },
            "apart": {
                "use": "text-transformers",
                "model": distilbert,
                "text": ["title", "transcript", "screen"],
                "threads": 1,
                "params": {"fields": "separate", "tokens": 16},
            },
        },
        features={
            "said": {"from": "joined.embedding", "pool": "wmean"},
            "titled": {"from": "apart.title"},
            "shown": {"from": "apart.screen", "pool": "wmean+max"},
        },
        min_ok_fraction=0.1,
        models={
            "words": {"inputs": ["said"], "head": "logistic"},
            "screen": {"text": ["screen"], "head": "logistic"},
        },
    )
    study.run()
    return study


def entries(study, encoder):
    found = {}
    for path in sorted(study.path("embeddings", encoder).glob("*.h5")):
        read, damaged = read_store(path)
        assert not damaged
        found |= read
    return found


def test_both_encoders_read_their_fields(finished):
    assert finished.unasked() == set()
    joined, apart = entries(finished, "joined"), entries(finished, "apart")
    assert len(joined) == len(apart) == 6 and {one.outcome.status for one in joined.values()} == {"ok"}
    clips = [row["id"] for row in finished.rows if row["id"] not in SHOWN]
    for slug in clips:
        arrays = joined[slug].arrays
        assert arrays["embedding"].shape[1] == tiny.WIDTH and len(arrays["embedding"]) >= 2
        assert arrays["embedding_weights"].shape == (len(arrays["embedding"]), 1)
        assert {"title", "transcript"} <= set(apart[slug].arrays)
        assert (apart[slug].arrays["transcript_weights"] <= 16).all()
    for slug in SHOWN:
        assert set(apart[slug].arrays) == {"title", "title_weights", "screen", "screen_weights"}
        assert (apart[slug].arrays["title"] == apart[slug].arrays["screen"]).all()  # the picture shows its title


def test_pictures_are_read_and_no_part_of_what_is_said(finished):
    shown, said = {}, {}
    for name, found in (("screen", shown), ("text", said)):
        for path in finished.path("transcripts", name).glob("*.jsonl"):
            found |= read_transcripts(path)
    assert {slug: shown[slug].text for slug in SHOWN} == SHOWN
    assert all(said[slug].outcome.status == "absent" and said[slug].source == "captions" for slug in SHOWN)
    status = list(csv.DictReader(finished.path("status.tsv").open(encoding="utf-8"), delimiter="\t", quoting=3))
    assert sum(row["stage"] == "transcripts:screen" for row in status) == 6


def test_features_are_weighted_and_masked(finished):
    ids, values, mask = pooling.read_feature(finished.path("features", "shown.h5"))
    assert values.shape == (6, 2 * tiny.WIDTH) and set(SHOWN) <= {
        one for one, there in zip(ids, mask, strict=True) if there
    }
    ids, values, mask = pooling.read_feature(finished.path("features", "said.h5"))
    one = entries(finished, "joined")[ids[0]].arrays
    assert mask.all() and values[0] == pytest.approx(
        (one["embedding"] * one["embedding_weights"]).sum(axis=0) / one["embedding_weights"].sum(), abs=1e-6
    )
    assert json.loads(finished.path("metrics", "topic", "words.json").read_text())["all"]["n"] == 4


def test_a_rerun_computes_nothing_and_a_change_only_itself(finished, tmp_path):
    assert finished.plan() == []
    picture(tmp_path / "c.png", "Snow")
    finished.rows.append({"id": "c", "source": str(tmp_path / "c.png"), "film": "c", "title": "Snow"})
    finished.write()
    (job,) = [one for one in finished.plan() if one.startswith("read_frames")]
    finished.run("embeddings")
    told = finished.path("logs").rglob("*.log")
    assert [path for path in told if "screen: 1 computed" in path.read_text()], job
    assert len(entries(finished, "apart")) == 7
    # The values of a masked column belong to what is read: of one encoder, and of one shard.
    assert finished.plan("embeddings") == []
    finished.rows[0]["channel"] = "rain"
    finished.write()
    (job,) = [one for one in finished.plan("embeddings") if one.strip() != "embeddings"]
    assert job.startswith("embed_shard") and "encoder=joined" in job
