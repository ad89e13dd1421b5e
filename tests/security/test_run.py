"""A whole run over a hostile table: nothing executed, nothing written elsewhere, nothing secret kept."""

import csv
import json
from pathlib import Path

import pytest
from security.attack import COOKIE, IDS, TOKEN, content
from support import CHECKOUT

from triptych.core.corpus import SLUG


def status_of(attacked):
    path = attacked.workflow.path("status.tsv")
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_nothing_of_the_table_is_executed(attacked):
    assert len(IDS) >= 28
    assert not [path for path in attacked.outside.rglob("*") if path.name.startswith("CANARY")]
    assert not any(Path(place, "CANARY").exists() for place in (Path.cwd(), Path.home(), "/tmp", CHECKOUT))
    assert "CANARY: command not found" not in attacked.ran.stderr


def test_nothing_is_written_outside_of_the_run(attacked):
    assert content(attacked.outside, attacked.workflow.folder) == attacked.before


def test_every_name_of_a_file_is_a_slug_or_our_own(attacked):
    folder = attacked.workflow.folder
    strange = [
        path
        for path in attacked.files()
        if ".snakemake" not in path.parts
        and not all(SLUG.fullmatch(part.lstrip(".")) for part in path.relative_to(folder).parts)
    ]
    assert not strange, strange[:5]


def test_every_row_is_accounted_for_at_every_stage(attacked):
    rows = status_of(attacked)
    stages = {row["stage"] for row in rows}
    assert {stage: sum(row["stage"] == stage for row in rows) for stage in stages} == dict.fromkeys(
        stages, len(attacked.workflow.rows)
    )


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("list.mp4", "failed", "unreadable"),
        ("play.mp4", "failed", "unreadable"),
        ("local.m3u8", "failed", "unreadable"),
        ("passwd.mp4", "failed", "unreadable"),
        ("zero.mp4", "failed", "missing_source"),
        ("loop.mp4", "failed", "missing_source"),
        ("pipe.mp4", "failed", "missing_source"),
        ("concat", "failed", "missing_source"),
        ("subfile,,start,0,end,9,,", "failed", "missing_source"),
        ("crypto", "failed", "missing_source"),
        ("pipe", "failed", "missing_source"),
        ("a", "ok", ""),
        ("link.mp4", "ok", ""),
    ],
)
def test_media_that_lead_elsewhere_end_as_outcomes(attacked, name, status, reason):
    (row,) = [row for row in status_of(attacked) if row["stage"] == "probe" and row["id"] == f"media {name}"]
    assert (row["status"], row["reason"]) == (status, reason), row


def test_no_playlist_is_followed(attacked):
    assert attacked.asked
    assert not [path for path, _ in attacked.asked if "hit-by-playlist" in path]


@pytest.mark.fault(40)
def test_secrets_are_used_and_occur_nowhere(attacked):
    assert COOKIE in attacked.asked[-1][1]
    (row,) = [row for row in status_of(attacked) if row["stage"] == "fetch" and row["source"].startswith("http")]
    assert row["status"] == "ok"
    seen = [attacked.ran.stdout.encode(), attacked.ran.stderr.encode()]
    files = [path for path in attacked.files() if path.is_file() and not path.is_symlink()]
    assert any(".snakemake" in path.parts and "metadata" in path.parts for path in files)
    assert any("logs" in path.parts for path in files)
    for text in (*seen, *(path.read_bytes() for path in files), *(str(path).encode() for path in attacked.files())):
        assert COOKIE.encode() not in text
        assert TOKEN.encode() not in text


def test_no_cell_of_a_table_runs_in_a_spreadsheet(attacked):
    tables = [path for path in attacked.workflow.path().rglob("*") if path.suffix in (".csv", ".tsv")]
    tables = [path for path in tables if "benchmarks" not in path.parts]
    assert len(tables) >= 4
    for path in tables:
        with path.open(encoding="utf-8", newline="") as handle:
            quoting = csv.QUOTE_NONE if path.suffix == ".tsv" else csv.QUOTE_MINIMAL
            for row in csv.reader(handle, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=quoting):
                for cell in row:
                    assert not cell.startswith(("=", "+", "@", "\t", "\r")), (path, cell)
                    if cell.startswith("-"):
                        float(cell)


def test_the_page_holds_hostile_words_as_data(attacked):
    page = attacked.workflow.path("report", "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2
    assert "<img src=x" not in page
    assert "</script><script>x" not in page


def test_what_a_manifest_tells_is_json_of_this_video(attacked):
    for path in attacked.workflow.path("probe").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["video"] == path.stem
