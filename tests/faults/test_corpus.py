"""One run over a table of broken, odd and hostile files under odd ids: what becomes of each, and of the good ones."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from harness import Workflow
from media import clips
from support import CHECKOUT

from faults import corpus
from triptych.core.corpus import SLUG, slug_of
from triptych.media import keyframes
from triptych.report import status_table as status

TASK = {"label": "topic", "group": "film", "folds": 2, "min_groups": "drop"}


def everything(folder: Path) -> set[str]:
    """Paths of all that lies in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class Ran:
    """The run and what it left, by the names of the files of the corpus."""

    def __init__(self, root: Path) -> None:
        folder = root / "run"
        folder.mkdir()
        self.root, self.files = root, corpus.make(folder)
        self.rows, self.ids = corpus.table(self.files)
        self.workflow = Workflow(
            folder,
            self.rows,
            unit="shard",
            shards=1,
            min_ok_fraction=0.2,
            # What a bomb would need is not there: it must be refused before it is decoded.
            limits={"max_frames": corpus.MAX_FRAMES, "memory_mb": 1000},
            tasks={"topic": TASK},
            models={
                "sight": {"inputs": ["seen"], "head": "logistic"},
                "sound": {"inputs": ["heard"], "head": "logistic"},
                "late": {"fusion": "late", "members": ["sight", "sound"], "head": "mean"},
            },
        )
        self.before = everything(root)
        self.said = self.workflow.run()
        self.lines = status.read(self.workflow.path("status.tsv"))
        self.told = {(line["stage"], line["video"]): line for line in self.lines}

    def slug(self, name: str) -> str:
        return slug_of(self.ids[name])

    def at(self, stage: str, name: str) -> dict[str, str]:
        """The line of the status table."""
        return self.told[stage, self.slug(name)]

    def ended(self, stage: str, *names: str) -> set[tuple[str, str]]:
        """Status and reason of some files at a stage."""
        return {(self.at(stage, name)["status"], self.at(stage, name)["reason"]) for name in names}

    def manifest(self, stage: str, name: str) -> dict:
        return json.loads(self.workflow.path(stage, f"{self.slug(name)}.json").read_text())

    def frames(self, name: str) -> keyframes.Keyframes:
        return keyframes.read(self.workflow.path("keyframes", f"{self.slug(name)}.h5"))

    def predictions(self, model: str):
        return pd.read_parquet(self.workflow.path("predictions", "topic", f"{model}.parquet"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    return Ran(tmp_path_factory.mktemp("faults"))


@pytest.mark.fault(6)
def test_broken_videos_stop_nothing_and_are_told(ran):
    counted = Counter((line["stage"], line["status"]) for line in ran.lines)
    stages = {stage for stage, _ in counted}
    assert {"fetch", "probe", "audio", "keyframes", "embed:picture", "embed:sound", "task:topic"} <= stages
    for stage in stages:
        assert sum(counted[stage, state] for state in ("ok", "absent", "failed", "refused")) == len(ran.rows)
    assert counted["probe", "failed"] == 6 and counted["probe", "refused"] == 3
    for line in ran.lines:
        assert (line["status"] == "ok") == (not line["reason"]) and (line["status"] == "ok" or line["message"])
    # What failed at first is told at each later stage too, and where it began.
    assert ran.at("keyframes", "text")["message"].startswith("after probe: ")
    for model in ("sight", "sound", "late"):
        metrics = json.loads(ran.workflow.path("metrics", "topic", f"{model}.json").read_text())
        assert metrics["n"] == 9, metrics
    assert ran.workflow.path("report", "index.html").is_file()


@pytest.mark.fault(6)
@pytest.mark.parametrize("name", ["no_sample", "cut_early", "deaf"])
def test_sound_of_which_nothing_can_be_decoded_is_told(ran, name):
    assert ran.at("probe", name)["status"] == "ok" and ran.manifest("probe", name)["data"]["audio"]
    assert ran.ended("audio", name) == ran.ended("embed:sound", name) == {("failed", "undecodable")}
    assert "no sound could be decoded" in ran.at("audio", name)["message"]
    # What the file has beside it is used.
    assert ran.at("keyframes", name)["status"] == ("absent" if name == "no_sample" else "ok")


@pytest.mark.fault(8)
@pytest.mark.parametrize("name", ["cut", "cut_mkv"])
def test_a_cut_video_is_used_and_told(ran, name):
    for stage, low, high in (("keyframes", 55, 65), ("audio", 50, 65)):
        line, manifest = ran.at(stage, name), ran.manifest(stage, name)
        assert line["status"] == "ok" and "truncated: the file ends after " in line["warnings"]
        share = int(manifest["warnings"]["truncated"].split("%")[0].rsplit(" ", 1)[1])
        assert low <= share <= high
    assert max(ran.frames(name).times) < 2.6 and ran.at("embed:picture", name)["status"] == "ok"


@pytest.mark.fault(9)
def test_corrupt_packets_are_counted_and_passed_over(ran):
    line = ran.at("keyframes", "flips")
    assert line["status"] == "ok" and "corrupt_packets: " in line["warnings"]
    # The rest of the file is there to its end.
    assert max(ran.frames("flips").times) > 3.5


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("text", "the file is text, not a video"),
        ("empty", "the file is empty (0 bytes)"),
        ("page", "the file is a web page (HTML)"),
        ("random", "no media file that the decoder knows"),
        ("no_index", "index (moov) is missing"),
    ],
)
def test_what_is_no_video_is_told_by_its_kind(ran, name, says):
    assert ran.ended("probe", name) == ran.ended("embed:picture", name) == {("failed", "unreadable")}
    assert says in ran.at("probe", name)["message"]


@pytest.mark.fault(11)
def test_what_is_not_there_is_absent_and_fusion_goes_on(ran):
    assert ran.ended("audio", "mute") == {("absent", "no_audio")}
    assert ran.ended("keyframes", "sound") == {("absent", "no_video")}
    assert ran.ended("audio", "no_source") == ran.ended("keyframes", "no_source") == {("absent", "no_source")}
    assert ran.at("embed:sound", "mute")["status"] == ran.at("embed:picture", "sound")["status"] == "absent"
    # The sound of silence is a file, and nothing to learn from.
    assert ran.at("audio", "silent")["status"] == "ok" and "silent: " in ran.at("audio", "silent")["warnings"]
    assert ran.ended("embed:sound", "silent") == {("absent", "silent")}
    has = {}
    for model in ("sight", "sound", "late"):
        found = ran.predictions(model)
        new = found[found["role"] == "new"]
        has[model] = set(new.loc[new["covered"], "video"])
        # Who is not covered has the prior, the same for all.
        assert new.loc[~new["covered"]].groupby("class")["probability"].nunique().eq(1).all()
    mute, sound, silent, nothing = (ran.slug(name) for name in ("mute", "sound", "silent", "no_source"))
    assert {mute, silent} <= has["sight"] and sound not in has["sight"]
    assert sound in has["sound"] and not {mute, silent} & has["sound"]
    assert has["sight"] | has["sound"] == has["late"] and nothing not in has["late"]


@pytest.mark.fault(12)
def test_a_cover_picture_is_no_video(ran):
    assert ran.ended("keyframes", "cover") == {("absent", "no_video")}
    assert ran.manifest("probe", "cover")["data"]["kind"] == "audio" and ran.at("audio", "cover")["status"] == "ok"


@pytest.mark.fault(13)
def test_few_or_equal_frames_give_as_many_keyframes(ran):
    # The study asks for four of each.
    for name, count in (("one", 1), ("three", 3), ("still", 1), ("mute", 4)):
        line = ran.at("keyframes", name)
        assert (line["status"], line["warnings"]) == ("ok", "")
        assert ran.manifest("keyframes", name)["data"]["count"] == count == len(ran.frames(name).frames)
        assert ran.at("embed:picture", name)["status"] == "ok"
    log = ran.workflow.path("logs", "keyframes", "0.log").read_text()
    assert "Warning" not in log + ran.said.stderr


@pytest.mark.fault(14)
def test_times_of_uneven_frames_are_those_of_the_file(ran):
    assert ran.manifest("probe", "uneven")["data"]["video"]["frame_rate"] == "variable"
    found = ran.frames("uneven")
    for time, frame in zip(found.times, found.frames, strict=True):
        shown = int(np.argmin(np.abs(np.subtract(corpus.UNEVEN, time))))
        assert abs(corpus.UNEVEN[shown] - time) < 0.002
        assert np.abs(frame.reshape(-1, 3).mean(axis=0) - clips.colours(len(corpus.UNEVEN))[shown]).max() < 12


@pytest.mark.fault(15)
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_videos_stand_upright(ran, turn):
    frame = ran.frames(f"turned{turn}").frames[0]
    wanted = np.rot90(clips.upright(), turn // 90)
    (high, wide), (rows, columns) = frame.shape[:2], wanted.shape[:2]
    red = [frame[y, x, 0] - frame[y, x, 1].astype(int) > 60 for y in (10, high - 10) for x in (10, wide - 10)]
    assert (high > wide) == (rows > columns)
    assert red == [wanted[y, x, 0] > 200 for y in (2, rows - 2) for x in (2, columns - 2)]


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("name", "reason", "limit"),
    [
        ("pixels", "too_many_pixels", "16000 x 16000 pixels, allowed are 33,177,600 (limits.max_pixels)"),
        ("long", "too_long", "800,000 s, allowed are 21,600 (limits.max_seconds)"),
        ("frames", "too_many_frames", "1,001 frames, allowed are 1,000 (limits.max_frames)"),
    ],
)
def test_bombs_are_refused_by_their_header(ran, name, reason, limit):
    """The child that looks at them has 1 GB; the picture alone would take that much."""
    assert ran.ended("probe", name) == ran.ended("keyframes", name) == {("refused", reason)}
    assert ran.at("probe", name)["message"] == limit


@pytest.mark.fault(19)
def test_odd_ids_have_safe_names_and_stay_what_they_are(ran):
    shown = {line["id"]: line["video"] for line in ran.lines}
    assert len(shown) == len(ran.rows) == len(set(shown.values()))
    # A cell that a spreadsheet would run, or that holds a backslash, is written so that it is text.
    plain = {id for id in corpus.ODD_IDS if not id.startswith("-") and "\\" not in id}
    assert plain <= set(shown)
    for id in plain:
        assert shown[id] == slug_of(id) and SLUG.fullmatch(shown[id]) and ".." not in shown[id]
    told = set(ran.predictions("late")["video"])
    assert told == {slug_of(id) for id in ran.ids.values()}


@pytest.mark.fault(20, 21)
def test_nothing_of_the_table_is_executed_or_leads_outside(ran):
    after = everything(ran.root)
    assert not {name for name in after if Path(name).name == "PWNED"}
    assert not (CHECKOUT / "PWNED").exists() and not (Path.home() / "PWNED").exists()
    made = after - ran.before
    assert {Path(name).parts[0] for name in made} == {"run"}
    assert {Path(name).parts[1] for name in made} == {"results", "data", ".snakemake"}
    names = {Path(name).name for name in made if Path(name).parts[1] != ".snakemake"}
    assert not [name for name in names if set(name) & set(" $`;|&{}()<>*'\"\\%#~\n")]
    assert not Path("/abs").exists()


@pytest.mark.fault(21)
def test_sources_elsewhere_are_read_and_left_alone(ran):
    assert ran.at("keyframes", "link")["status"] == ran.at("keyframes", "up")["status"] == "ok"
    film = ran.root / "outside" / "film.mp4"
    assert [path.name for path in film.parent.iterdir()] == ["film.mp4"]
    media = ran.workflow.folder / "data" / "media" / "small" / f"{ran.slug('up')}.media"
    assert media.is_symlink() and media.samefile(film)


@pytest.mark.fault(25)
def test_unlabelled_rows_are_predicted_and_small_or_lost_classes_are_told(ran):
    assert ran.ended("task:topic", "mute") == {("absent", "no_label")}
    # A class of one film cannot be tested: its video counts as unlabelled.
    assert ran.ended("task:topic", "still") == {("absent", "few_groups")}
    assert "its class has too few groups" in ran.at("task:topic", "still")["message"]
    assert "task 'topic': dropped classes with fewer than 2 groups: lonely" in ran.said.stderr
    found = ran.predictions("sight")
    assert set(found["class"]) == {"gone", *(row["topic"] for row in ran.rows[:4])}
    new = set(found.loc[found["role"] == "new", "video"])
    assert {ran.slug("mute"), ran.slug("still")} <= new and not new & {ran.slug("text"), ran.slug("good0")}
    # Of a class whose videos are all lost nothing was learned, and its videos get the prior.
    test = found[found["role"] == "test"]
    lost = test[test["video"].isin([ran.slug(name) for name in ("text", "empty", "page", "random", "no_index")])]
    assert len(lost) == 5 * 3 and not lost["covered"].any()
    assert test.loc[test["video"] == ran.slug("good0"), "covered"].all()
    gone = test[test["covered"] & (test["class"] == "gone")]
    assert (gone["probability"] < 0.5).all()
