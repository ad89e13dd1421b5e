"""Plans are Snakemake's own dry runs of the real Snakefile, said by rule and reason; they change nothing."""

from pathlib import Path

import pytest
import yaml
from support import CHECKOUT

from triptych.commands.check import load_file
from triptych.commands.plan import FOLLOWS, PlanError, lines, plan, reasons
from triptych.core.paths import Paths
from triptych.core.status import OK, Manifest


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    media = sorted((CHECKOUT / "data" / "demo" / "media").glob("*.mp4"))[:3]
    Path("videos.csv").write_text("id,source\n" + "".join(f"{path.stem},{path}\n" for path in media))
    file = {
        "study": "s",
        "corpus": "videos.csv",
        "shards": 1,
        "encoders": {"picture": {"use": "classic-image"}},
        "features": {"seen": {"from": "picture.frame"}},
    }
    Path("study.yaml").write_text(yaml.safe_dump(file))
    return load_file("study.yaml")


def test_a_first_run(study):
    found = plan(study.study, study.corpus, "study.yaml", [])
    assert found.jobs["probe_media"] == found.jobs["pick_keyframes"] == 3 and found.jobs["embed_shard"] == 1
    assert "all" not in found.jobs and found.cached == 0 and len(found.new) == 3
    assert found.summary() == f"3 new videos, 0 cached; {found.total} jobs"
    assert found.why["probe_media"] == {"not made yet": 3}
    assert "not made yet" in "\n".join(lines(found))
    assert sorted(path.name for path in Path().iterdir() if path.name != ".snakemake") == ["study.yaml", "videos.csv"]


def test_targets_and_cached_videos(study):
    paths = Paths.of(study.study)
    row = study.corpus.rows[0]
    Manifest(row.slug, "probe", OK).write(paths.manifest("probe", row.slug))
    found = plan(study.study, study.corpus, "study.yaml", ["features"])
    assert "build_report" not in found.jobs and found.jobs["pool_feature"] == 1
    assert row.slug not in found.new and found.again == [row.slug] and found.cached == 0
    assert found.summary().startswith("2 new videos, 1 again, 0 cached; ")


def test_snakemakes_message_comes_through_without_its_header(study):
    with pytest.raises(PlanError) as caught:
        plan(study.study, study.corpus, "study.yaml", ["nonsense"])
    assert "nonsense" in str(caught.value) and "Snakemake version" not in str(caught.value)


def test_reasons_in_words():
    told = "Missing output files: a, b; Input files updated by another job: c"
    assert reasons(told) == ["not made yet"]
    assert reasons("Input files updated by another job: c; d.txt") == [FOLLOWS]
    assert reasons("Params have changed since last execution: before: x; now: y") == [
        "a setting, a table cell or the stage's version changed"
    ]
    assert reasons("Updated input files: x; Set of input files has changed since last execution") == [
        "an input file changed",
        "other inputs than before",
    ]
