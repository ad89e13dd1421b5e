"""Pipes, devices and files of terabytes in the place of small files: no reader waits for them or takes them in."""

import os

import pytest

from triptych.commands import begin, check, status, status_days, status_lines, status_running
from triptych.core import damage, digests, files, live, parquet, sealed
from triptych.core.config import Study
from triptych.core.corpus import CorpusError, read_corpus
from triptych.core.files import DamagedFile, NotPlain
from triptych.core.models_lock import WeightsError, read_lock
from triptych.core.paths import Paths
from triptych.core.study import StudyError, read_yaml
from triptych.evaluate.compute import seconds_of
from triptych.learn.pairs import read_pairs
from triptych.learn.relabel_files import Parts
from triptych.media.fetch_attempts import token
from triptych.report import status_table
from triptych.report.tables import read_rows
from triptych.speech.shelf import Shelf

#: What stands in the place of a file, and how it is told.
KINDS = {"pipe": "pipe", "device": "device", "huge": "bytes", "socket": "socket"}
pytestmark = pytest.mark.timeout(120)


def put(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        os.mknod(path, 0o140600)
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_other_things_than_files_are_not_read(tmp_path, kind):
    with pytest.raises(NotPlain, match=KINDS[kind]):
        files.read_plain(put(tmp_path / "a", kind))


def test_what_is_read_is_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    (tmp_path / "link").symlink_to(path)
    assert files.read_plain(tmp_path / "link") == path.read_bytes()
    assert files.read_dated(path)[1] == path.stat().st_mtime
    assert files.read_text(path, encoding="utf-8-sig") == path.read_text(encoding="utf-8-sig") == "one\ntwo\nthree\n"
    with pytest.raises(NotPlain, match="18 bytes, and at most 17"):
        files.read_plain(path, 17)
    with pytest.raises(IsADirectoryError):
        files.read_plain(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.read_plain(tmp_path / "none")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("read", "error"),
    [
        (files.read_json, DamagedFile),
        (sealed.read_json, DamagedFile),
        (sealed.read_lines, DamagedFile),
        (parquet.read_table, DamagedFile),
        (read_pairs, DamagedFile),
        (read_rows, DamagedFile),
        (status_table.read, DamagedFile),
        (read_corpus, CorpusError),
        (read_yaml, StudyError),
        (check.load_file, check.CheckError),
        (read_lock, WeightsError),
    ],
)
def test_each_reader_tells_it_as_damage(tmp_path, kind, read, error):
    path = put(tmp_path / "a", kind)
    with pytest.raises(error, match=rf"(?s){path}.*it (is|has) .*{KINDS[kind]}"):
        read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_lost_is_passed_over(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = Paths("s")
    put(tmp_path / "benchmarks" / "0.tsv", kind)
    assert seconds_of(tmp_path / "benchmarks") is None
    assert digests._read(put(tmp_path / "digests.json", kind)) == {}
    assert token(paths, "a", {"retry_after_hours": 1.0}) == 0
    put(tmp_path / paths.attempts("a"), kind)
    assert token(paths, "a", {"retry_after_hours": 1.0}) == 0
    put(tmp_path / begin.LOCKS / "0.output.lock", kind)
    assert begin.own_locks(tmp_path, paths) == []
    put(tmp_path / "captions" / "0.jsonl", kind)
    assert Shelf(tmp_path / "captions" / "0.jsonl", 1).find({"a": "k"}) == {}
    put(tmp_path / "probe" / "shards" / "0.json", kind)
    (tmp_path / "probe" / "a.json").write_text("{")
    assert len(damage.remove([tmp_path / "probe" / "a.json"], tmp_path)) == 1
    if kind != "device":  # lines are read back after a link is replaced
        parts = Parts(tmp_path / "zero.parquet")
        put(parts.path, kind)
        with pytest.raises(NotPlain):
            list(parts.read())


@pytest.mark.parametrize("kind", KINDS)
def test_the_status_tells_of_each(tmp_path, kind):
    table = tmp_path / "videos.csv"
    table.write_text("id,source\na,https://host.example/a\nb,x.mp4\n")
    named = [
        put(tmp_path / "results" / "s" / place, kind)
        for place in (
            *("fetch/a.json", "probe/b.json", "attempts/a.json", "attempts/.retry.json", "status.tsv", "history.jsonl"),
            *("transcripts/captions/0.jsonl", "transcripts/captions/0.parts/a.jsonl", "benchmarks/probe/a.tsv"),
            *(".live/run.json", f".live/jobs/{'0a' * 8}.n1.1.2.json", f".live/failed/{'0a' * 8}.json"),
        )
    ]
    study = Study.model_validate(
        {
            "study": "s",
            "corpus": str(table),
            "results": str(tmp_path / "results"),
            "shards": 1,
            "media_dir": str(tmp_path / "media"),
            "splits_dir": str(tmp_path / "splits"),
            "transcripts": {"captions": {"use": "captions"}},
        }
    )
    corpus = read_corpus(table)
    work = status_running.look(Paths.of(study))
    stages = status.collect(study, corpus, work)
    shown = [*status_lines.lines(study, corpus, work, stages), *status_days.lines(status_days.days(stages, 0.0, 3))]
    told = "\n".join(shown)
    for path in (named[0], named[1], named[6], named[7]):
        (why,) = [stage.damaged[str(path)] for stage in stages if str(path) in stage.damaged]
        assert KINDS[kind] in why and str(path) in told


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_run_says_that_its_record_is_no_file(tmp_path, kind, capsys):
    paths = Paths("s", results=str(tmp_path))
    path = put(tmp_path / "s" / ".live" / "run.json", kind)
    with pytest.raises(OSError, match=r"no plain file|No such device") as stopped:
        live.begin_run("results/s", paths.live)
    assert stopped.value.filename == str(path) and stopped.value.strerror
    with pytest.raises(SystemExit):
        begin._begin(paths, [], nolock=False)
    assert f"Nothing was run: {path}: " in capsys.readouterr().err
