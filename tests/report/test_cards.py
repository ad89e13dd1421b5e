"""Files that the page shows are had back where their source allows it, and left out otherwise."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import CHECKOUT

from triptych.core.config import Audio, Decide, Limits
from triptych.core.files import replace_text
from triptych.core.paths import Paths
from triptych.core.status import Manifest
from triptych.evaluate.predictions import read
from triptych.learn import decide
from triptych.learn.table import Part, write_predictions
from triptych.media import unit
from triptych.report import cards


@pytest.fixture
def paths(tmp_path):
    """A study of one clip with sound, probed and with its audio."""
    source = tmp_path / "clip.mp4"
    shutil.copy(sorted((CHECKOUT / "data" / "demo" / "media").glob("*.mp4"))[0], source)
    paths = Paths("s", str(tmp_path / "results"), str(tmp_path / "media"))
    limits = Limits().model_dump()
    replace_text(paths.config, yaml.safe_dump({"limits": limits}))
    for stage in ("probe", "audio"):
        video = {"slug": "clip", "source": str(source), "url": False}
        unit.run_stage(stage, [video], paths, Audio().model_dump() if stage == "audio" else {}, limits)
    return paths


def shown(paths):
    videos = cards.video_cards([{"slug": "clip", "id": "clip", "source": ""}], {}, {}, {}, paths, paths.root, 1)
    return videos[0]["audio"]


@pytest.mark.parametrize("cut", [False, True])
def test_a_lost_or_cut_sound_file_is_made_again(paths, cut):
    told = Manifest.read(paths.manifest("audio", "clip")).artefacts["mp3"]
    path = Path(paths.manifest("audio", "clip")).with_name(told["path"])
    path.write_bytes(path.read_bytes()[:50]) if cut else path.unlink()
    assert shown(paths) == "audio/clip.mp3" and path.stat().st_size == told["bytes"]


def test_one_that_cannot_be_had_is_left_out(paths, tmp_path, caplog):
    Path(paths.manifest("audio", "clip")).with_name("clip.mp3").unlink()
    (tmp_path / "clip.mp4").unlink()
    assert shown(paths) is None and "clip.mp3 is left out of the page: failed: artefact_lost" in caplog.text


def test_unlabelled_videos_show_what_the_model_decided(tmp_path):
    p, truth = np.array([[0.4, 0.3], [0.1, 0.2]]), np.array([[True, False], [False, True]])
    covered = np.ones(2, dtype=bool)
    tested = [Part("test", k, 0, 0, [f"v{k}"], p[[k]], covered[:1], truth[[k]]) for k in range(2)]
    new = decide.decided_new(Decide(rule="top_k", k=1), Part("new", -1, 0, 0, ["u", "w"], p, covered, None), tested)
    write_predictions(tmp_path / "p.parquet", [*tested, new], ["a", "b"], True)
    found = cards.new_predictions(tmp_path / "p.parquet", ["a", "b"])
    assert {video: decided.tolist() for video, (_, decided) in found.items()} == {"u": [1, 0], "w": [0, 1]}
    told = cards.task_predictions({"m": read(tmp_path / "p.parquet", True)}, {"m": found}, {}, False)
    assert [told[video]["models"][0][0] for video in ("u", "w", "v0")] == [[0], [1], []]
