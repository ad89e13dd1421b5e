"""status.tsv: every row of the table at every stage, one line each, or a stop that names what is missing."""

from pathlib import Path

import pytest

from triptych.core.files import replace_json
from triptych.core.store import read_store, write_store
from triptych.core.units import by_shard
from triptych.report import status_table
from triptych.report.links import linkable, safe_source
from triptych.report.status_table import StatusError

STAGES = ["fetch", "probe", "audio", "keyframes", "transcripts:captions", "transcripts:text"]
STAGES += ["embed:picture", "embed:sound", "embed:objects", "task:topic"]


def test_every_stage_accounts_for_every_row(hostile):
    _, _, paths, rows = hostile
    totals = status_table.totals(status_table.read(paths.status))
    assert list(totals) == STAGES
    assert all(sum(states.values()) == len(rows) == 26 for states in totals.values())
    assert totals["probe"] == {"ok": 25, "absent": 0, "failed": 1, "refused": 0}


def test_reasons_messages_and_warnings_are_told(hostile):
    lines = {(line["video"], line["stage"]): line for line in status_table.read(hostile[2].status)}
    assert lines["broken", "probe"]["reason"] == "unreadable"
    assert lines["clip-004", "audio"]["status"] == "absent"
    assert lines["clip-003", "probe"]["warnings"] == "truncated: decodes to 60 % of what it declares"
    assert lines["unlabelled", "task:topic"]["reason"] == "no_label"


def test_lines_stay_lines_and_formulas_stay_text(hostile):
    text = Path(hostile[2].status).read_text(encoding="utf-8")
    assert {line.count("\t") for line in text.rstrip("\n").split("\n")} == {7}
    assert "\r" not in text and "\u2028" not in text
    lines = status_table.read(hostile[2].status)
    assert lines[0]["id"].startswith("'-=cmd") or any(line["id"].startswith("'-=cmd") for line in lines)
    assert "replace</b> it\\tor remove" in text
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))]


def test_a_lost_manifest_stops(hostile):
    _, study, paths, rows = hostile
    path = Path(paths.manifest("audio", "clip-002"))
    kept = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(StatusError, match=r"audio.*clip-002\.json is not there"):
            status_table.collect(paths, rows, study)
    finally:
        path.write_bytes(kept)


@pytest.mark.parametrize("left, told", [(None, "is not there"), (b'{"video": ', "was damaged and is removed")])
@pytest.mark.parametrize("stage", ["fetch", "audio"])
def test_a_lost_manifest_of_a_shard_makes_its_job_due(hostile, stage, left, told):
    _, study, paths, rows = hostile
    shards = by_shard([row["slug"] for row in rows], study["shards"])
    lost = next(row["slug"] for row in rows if row["source"].startswith("http")) if stage == "fetch" else "clip-002"
    for shard in shards:
        replace_json(paths.shard_manifest(stage, shard), {"videos": {}})
    path = Path(paths.manifest(stage, lost))
    kept = path.read_bytes()
    path.unlink() if left is None else path.write_bytes(left)
    try:
        with pytest.raises(StatusError, match=rf"{stage}.*{lost}\.json {told}; run snakemake again"):
            status_table.collect(paths, rows, {**study, "unit": "shard"})
        assert not path.exists()
        due = [shard for shard in shards if not Path(paths.shard_manifest(stage, shard)).exists()]
        assert due == [shard for shard, members in shards.items() if lost in members]
    finally:
        path.write_bytes(kept)
        for shard in shards:
            Path(paths.shard_manifest(stage, shard)).unlink(missing_ok=True)
    status_table.collect(paths, rows, {**study, "unit": "shard"})


def test_a_shard_that_lost_a_video_stops(hostile):
    _, study, paths, rows = hostile
    shard = next(Path(paths.embeddings("picture", "0")).parent.glob("*.h5"))
    kept, entries = shard.read_bytes(), read_store(shard)[0]
    lost = sorted(entries)[0]
    write_store(shard, [entry for video, entry in entries.items() if video != lost])
    try:
        with pytest.raises(StatusError, match=f"embed:picture lacks 1 of 26 videos \\({lost}\\)"):
            status_table.collect(paths, rows, study)
    finally:
        shard.write_bytes(kept)


def test_a_video_that_left_the_table_is_told(hostile):
    _, study, paths, rows = hostile
    with pytest.raises(StatusError, match="unlike the table"):
        status_table.collect(paths, rows[:-1], study)


@pytest.mark.parametrize(
    "source, shown",
    [
        ("https://u:p@host.example/a?v=1", "https://host.example/a?v=1"),
        ("https://host.example/a?v=1&X-Amz-Signature=abc#x", "https://host.example/a?v=1&X-Amz-Signature=..."),
        ("media/a b.mp4", "media/a b.mp4"),
        ("http://[broken?token=1", "http://[broken"),
    ],
)
def test_sources_are_shown_without_secrets(source, shown):
    assert safe_source(source) == shown


def test_only_web_addresses_are_linked():
    assert linkable("javascript:alert(1)") is None and linkable("media/a.mp4") is None and linkable("") is None
    assert linkable("HTTPS://host.example/a") == "https://host.example/a"
