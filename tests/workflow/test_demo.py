"""`make demo` as a newcomer runs it, and one video more in its 53."""

import csv
import json
import re
import shutil

import pytest
from support import in_checkout

from triptych.core.units import shard_of

ODD = {
    "text": {("probe", "failed", "unreadable")},
    "no-audio": {("audio", "absent", "no_audio")},
    "one-frame": {("audio", "absent", "no_audio")},
}


def status(copy):
    with (copy / "results/demo/status.tsv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def rows(demo):
    return status(demo)


def test_it_tells_the_command_and_where_the_report_is(demo):
    log = (demo / "make-demo.log").read_text()
    assert "+ snakemake --cores" in log
    assert "results/demo/report/index.html" in log
    assert (demo / "results/demo/report/index.html").is_file()


def test_every_row_is_accounted_for_at_every_stage(demo, rows):
    with (demo / "data/demo/videos.csv").open(encoding="utf-8", newline="") as handle:
        table = {row["id"] for row in csv.DictReader(handle)}
    stages = dict.fromkeys(row["stage"] for row in rows)
    assert {"fetch", "probe", "audio", "keyframes", "transcripts:text", "embed:picture", "task:topic"} <= set(stages)
    for stage in stages:
        assert sorted(row["video"] for row in rows if row["stage"] == stage) == sorted(table)


def test_the_odd_rows_end_with_their_reasons_and_all_others_are_ok(rows):
    found = {}
    for row in rows:
        if row["status"] != "ok" and row["stage"] in ("fetch", "probe", "audio", "keyframes"):
            found.setdefault(row["video"], set()).add((row["stage"], row["status"], row["reason"]))
    assert set(found) == set(ODD)
    for video, expected in ODD.items():
        assert expected <= found[video]
    cut = [row["warnings"] for row in rows if row["video"] == "cut" and row["stage"] == "keyframes"]
    assert cut and "truncated" in cut[0]


def test_the_portrait_clip_is_upright_with_true_times(demo):
    probe = json.loads((demo / "results/demo/probe/portrait.json").read_text())["data"]
    assert probe["video"]["rotation"] % 180 == 90 and probe["video"]["frame_rate"] == "variable"
    from triptych.media import keyframes

    frames = keyframes.read(demo / "results/demo/keyframes/portrait.h5").frames
    assert all(frame.shape[0] > frame.shape[1] for frame in frames)


def test_fusion_reads_all_three_panels_and_no_single_panel_tells_all_classes(demo):
    with (demo / "results/demo/comparison/topic.csv").open(encoding="utf-8", newline="") as handle:
        scores = {row["model"]: float(row["macro_f1"]) for row in csv.DictReader(handle)}
    single = max(scores[name] for name in ("seen", "heard", "said"))
    assert single < 0.9
    assert max(scores["early"], scores["late_mean"]) > single + 0.1
    assert scores["majority"] < 0.3


def test_the_report_says_that_the_corpus_is_synthetic(demo):
    page = (demo / "results/demo/report/index.html").read_text()
    assert "synthetic" in page and "Content-Security-Policy" in page


def test_a_second_run_has_nothing_to_do_and_leaves_every_file_alone(demo):
    files = [path for path in (demo / "results/demo").rglob("*") if path.is_file() and ".live" not in path.parts]
    before = {path: path.stat().st_mtime_ns for path in files}
    ran = in_checkout(demo, "make demo")
    assert ran.returncode == 0, ran.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "Installing" not in ran.stdout + ran.stderr


def test_one_video_more_is_computed_alone(demo, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(demo, copy, symlinks=True)
    media = copy / "data/demo/media"
    first = next(row for row in csv.DictReader((copy / "data/demo/videos.csv").open(encoding="utf-8")))
    shutil.copy(media / f"{first['id']}.mp4", media / "newcomer.mp4")
    with (copy / "data/demo/videos.csv").open("a", encoding="utf-8", newline="") as handle:
        csv.DictWriter(handle, list(first)).writerow(
            {**first, "id": "newcomer", "source": "media/newcomer.mp4", "title": "One more"}
        )
    before = {
        path: path.stat().st_mtime_ns
        for stage in ("probe", "audio", "keyframes")
        for path in (copy / f"results/demo/{stage}").iterdir()
        if path.is_file()
    }
    planned = in_checkout(copy, "triptych plan")
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"1 new video\b", planned.stdout), planned.stdout
    ran = in_checkout(copy, "snakemake --cores 2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    shard = shard_of("newcomer", 4)
    for encoder in ("picture", "sound"):
        logs = sorted((copy / f"results/demo/logs/embed-{encoder}").glob("*.log"))
        told = {path.stem: re.search(r": (\d+) computed, (\d+) taken_over", path.read_text()) for path in logs}
        assert told[shard][1] == "1"
        old = (demo / f"results/demo/logs/embed-{encoder}").glob("*.log")
        assert all((logs[0].parent / path.name).read_bytes() == path.read_bytes() for path in old if path.stem != shard)
    assert sum(row["stage"] == "probe" for row in status(copy)) == 54
