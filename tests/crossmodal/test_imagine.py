"""Pictures by a tiny random pipeline: the same each time, taken over, scored; folders that are none are refused."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import diffusion

from triptych.commands import catalogue, models
from triptych.core import sealed
from triptych.core.config import Imagine, Study
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, Entry, read_store, write_store
from triptych.crossmodal import imagine, imagine_scores, painter
from triptych.encoders.vision import PICTURE


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return diffusion.build_pipeline(tmp_path_factory.mktemp("models") / "pipeline")


@pytest.fixture
def world(tmp_path, pipeline):
    """Four videos: one whose text is long, one without text, one that is left out; frames of the first two."""
    section = {
        **{"model": str(pipeline), "encoder": "plain", "array": "frame", "text": "description"},
        **{"images": 2, "steps": 1, "size": 16, "permutations": 100},
    }
    study = {
        "study": "small",
        "corpus": "videos.csv",
        "results": str(tmp_path),
        "shards": 1,
        "encoders": {"plain": {"use": "classic-image"}},
        "imagine": {"dream": section},
    }
    texts = {"a": "a boat", "b": "a very long story " * 5, "c": " ", "d": "a field"}
    rows = [{"slug": video, "fields": {"description": text}} for video, text in texts.items()]
    return study, Paths("small", str(tmp_path)), rows


def paint(world, painted="abc"):
    study, _, rows = world
    study = Study.model_validate(study).model_dump(by_alias=True, mode="json")
    return imagine.paint_shard("dream", study, rows, "0", painted=set(painted))


def stored(world):
    entries, damaged = read_store(world[1].imagined("dream", "0"))
    assert not damaged
    return entries


def test_every_video_has_its_pictures_or_a_reason(world):
    counts = paint(world)
    assert counts == {"computed": 2, "taken_over": 0, "cut": 1, "ok": 2, "absent": 2}
    made = stored(world)
    assert made["c"].outcome.reason == "no_text" and made["d"].outcome.reason == "not_chosen"
    pictures = [imagine.decoded(one) for one in imagine.pictures(made["a"])]
    assert len(pictures) == 2 and all(one.shape == (16, 16, 3) and one.std() > 1 for one in pictures)
    assert (pictures[0] != pictures[1]).any() and "prompt_cut" not in made["a"].outcome.warnings
    assert "tokens" in made["b"].outcome.warnings["prompt_cut"]


def test_pictures_are_the_same_each_time_and_unchanged_ones_are_taken_over(world):
    paint(world)
    first = Path(world[1].imagined("dream", "0")).read_bytes()
    counts = paint(world, "abcd")
    assert (counts["computed"], counts["taken_over"]) == (1, 2)
    made = stored(world)
    world[0]["imagine"]["dream"]["shown"] = 1  # is no reason to paint anew
    assert paint(world)["computed"] == 0 and Path(world[1].imagined("dream", "0")).read_bytes() == first
    shutil.rmtree(world[1].root)
    world[2].pop()  # other videos play no part in a picture
    assert paint(world, "a")["computed"] == 1
    assert imagine.pictures(stored(world)["a"]) == imagine.pictures(made["a"])
    world[0]["imagine"]["dream"]["seed"] = 1
    assert paint(world, "a")["computed"] == 1
    assert imagine.pictures(stored(world)["a"]) != imagine.pictures(made["a"])


def test_a_killed_job_goes_on_where_it_was(world, monkeypatch):
    real = painter.Painter.paint

    def killed(self, prompt, seed):
        if prompt.startswith("a very"):
            raise KeyboardInterrupt
        return real(self, prompt, seed)

    monkeypatch.setattr(painter.Painter, "paint", killed)
    with pytest.raises(KeyboardInterrupt):
        paint(world)
    monkeypatch.undo()
    assert (paint(world)["computed"], paint(world)["computed"]) == (1, 0)


def test_pictures_are_held_against_keyframes_by_the_encoder_itself(world):
    paint(world, "abd")
    study, paths, rows = world
    from triptych.encoders.classic_image import ClassicImage

    entries = []
    for number, (video, entry) in enumerate(stored(world).items()):
        if entry.outcome.ok and video != "d":
            # Keyframes that are the pictures themselves are nearest to them.
            made = ClassicImage({}).encode([imagine_scores._item(entry)])[0]
            arrays = {"frame": made.arrays["frame"].astype(np.float32)}
            assert arrays["frame"].shape == (2, PICTURE)
            entries.append(Entry(video, str(number), arrays=arrays, times={"frame": np.array([[4.0, 4], [5, 5]])}))
        else:
            entries.append(Entry(video, str(number), Outcome("absent", "no_picture", "none")))
    write_store(paths.embeddings("plain", "0"), entries)
    complete = Study.model_validate(study).model_dump(by_alias=True, mode="json")
    told = imagine_scores.score_pictures("dream", complete, [row["slug"] for row in rows])
    assert told == sealed.read_json(paths.imagined_scores("dream", "json"))
    assert (told["used"], told["pictures"], told["cut"]) == (2, 4, 1)
    assert told["without"] == {"no_picture": 1, "no_text": 1}
    assert told["max"]["matched"] == pytest.approx(1.0) and told["max"]["row_to_column"]["r1"] == 1.0
    assert told["mean"]["matched"] > told["mean"]["mismatched"] and told["mean"]["n"] == 2
    table = {
        row["video"]: row
        for row in csv.DictReader(Path(paths.imagined_scores("dream", "csv")).read_text().splitlines())
    }
    assert table["b"]["cut"] == "yes" and table["d"]["reason"] == "no_picture" and len(table) == 4
    assert (table["a"]["nearest_picture"], table["a"]["nearest_time"]) in (("0", "4"), ("1", "5"))
    data = bytearray(Path(paths.imagined("dream", "0")).read_bytes())
    data[len(data) // 2] ^= 0xFF
    Path(paths.imagined("dream", "0")).write_bytes(data)
    with pytest.raises(DamagedStore, match="run snakemake again"):
        imagine_scores.score_pictures("dream", complete, [row["slug"] for row in rows])


def section(folder, **more):
    return Imagine(model=str(folder), encoder="plain", array="frame", **more)


ENCODERS = {"plain": {"use": "classic-image"}, "words": {"use": "minilm"}}


def test_folders_that_are_no_pipeline_are_refused_before_any_job(pipeline, tmp_path):
    def told(folder):
        return " ".join(imagine.faults(section(folder), ENCODERS))

    def copy(name):
        return shutil.copytree(pipeline, tmp_path / name)

    assert told(pipeline) == ""
    assert "there is no such folder" in told("./nowhere")
    bare = copy("bare")
    (bare / "model_index.json").unlink()
    assert "holds no model_index.json" in told(bare)
    pickled = copy("pickled")
    (pickled / "unet" / "diffusion_pytorch_model.safetensors").rename(pickled / "unet" / "diffusion_pytorch_model.bin")
    assert "unet holds no safetensors" in told(pickled)
    cut = copy("cut")
    weights = cut / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert "is not whole" in told(cut)
    lacking = copy("lacking")
    shutil.rmtree(lacking / "vae")
    assert "lacks the folder vae" in told(lacking)
    for name, change in (("own", {"_class_name": ["pipeline", "Own"]}), ("part", {"unet": ["my_unet", "Own"]})):
        folder = copy(name)
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | change))
        (folder / "unet" / "my_unet.py").write_text("raise SystemExit('executed')")
        assert "own" in told(folder) and "not run" in told(folder)


def test_faults_of_the_encoder_are_told(pipeline):
    assert (
        "take an encoder of pictures"
        in imagine.faults(section(pipeline).model_copy(update={"encoder": "words"}), ENCODERS)[0]
    )
    assert "gives no array 'embedding'" in imagine.faults(Imagine(model=str(pipeline), encoder="plain"), ENCODERS)[0]


def test_a_missing_package_names_the_extra_that_brings_it(pipeline, monkeypatch):
    monkeypatch.setattr(painter, "PACKAGES", ("torch", "no_diffusers_here"))
    assert 'pip install "triptych[diffusion]"' in painter.faults(section(pipeline))[0]
    # Jobs may have environments of their own.
    assert painter.faults(section(pipeline), installed=False) == []


def test_weights_that_are_missing_are_never_made_up(pipeline, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(pipeline, tmp_path / "holed")
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors.pop("conv_in.weight")
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(painter.ImagineError, match="lacks weights"):
        painter.Painter(section(folder)).load("cpu", 1)


def test_half_precision_alone_is_read_in_full(pipeline, tmp_path):
    folder = shutil.copytree(pipeline, tmp_path / "half")
    assert painter.variant(folder) is None
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
    assert painter.variant(folder) == "fp16" and imagine.faults(section(folder), ENCODERS) == []
    made = painter.Painter(section(folder, steps=1, size=16))
    made.load("cpu", 1)
    assert str(made.pipe.unet.dtype) == "torch.float32" and made.paint("a boat", 1).shape == (16, 16, 3)


def test_the_list_of_models_tells_of_pipelines_and_summarisers(pipeline):
    summary = {"use": "transformers", "model": "./nowhere"}
    given = {"dream": {"model": str(pipeline), "encoder": "plain", "array": "frame"}}
    study = {"study": "s", "corpus": "c", "encoders": {"plain": {"use": "classic-image"}}, "imagine": given}
    parts, faults = catalogue.parts_of(Study.model_validate(study | {"summaries": {"short": {}, "gist": summary}}))
    told = {one.name: models.describe(one) for one in parts}
    assert not faults and list(told) == ["plain", "gist", "dream"]
    assert told["dream"]["extra"] == "diffusion" and told["dream"]["weights"][0]["here"]
    assert told["gist"]["extra"] == "models" and not told["gist"]["weights"][0]["here"]
    text = "\n".join(models.lines(list(told.values())))
    assert "pictures" in text and "short texts" in text and str(pipeline) in text


def test_seeds_belong_to_a_picture():
    seeds = {painter.seed_of(seed, video, number) for seed in (0, 1) for video in ("a", "b") for number in (0, 1)}
    assert len(seeds) == 8 and max(seeds) < 2**63 and painter.seed_of(0, "a", 0) == painter.seed_of(0, "a", 0)
