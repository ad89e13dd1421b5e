"""Records of processes that strangers may have written: nothing of them steers, hangs or ends a command."""

import json
import os

import pytest

from triptych.core import ended, files, live, records

ODD = {
    "writes of numbers": '{"what": "a", "when": 1.0, "writes": [5, {"a": 1}, "x\\u001b"]}',
    "writes of no list": '{"what": "a", "when": 1.0, "writes": true}',
    "large time": '{"what": "a", "when": 1' + "0" * 400 + "}",
    "no number": '{"what": "a", "when": NaN}',
    "deep": "[" * 30_000,
    "half a pair": '{"what": "\\ud800", "why": "\\ud800", "when": 1}',
    "escapes": r'{"what": "\u001b]0;own\u0007", "host": "h\u001b[5m", "pid": "1; rm -rf ~", "slurm_job": "7; halt"}',
    "binary": "\x00\ufffd\x9b",
    "list": "[1]",
    "paths": '{"ran_in": 5, "log": ["x"], "pid": true, "restart": -1}',
}


#: Names of records that are ours.
NAMES = {"jobs": f"{'0a' * 8}.n1.example.12.34.json", "failed": f"{'0a' * 8}.json"}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_what_is_read_is_of_its_type_and_steers_nothing(tmp_path, text):
    for folder, name in NAMES.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text, encoding="utf-8")
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    dead = live.recorded(str(tmp_path))
    told = [one.record for one in dead] + ended.recorded(str(tmp_path))
    for one in told:
        assert all(value.isprintable() for value in one.values() if isinstance(value, str))
        assert all(isinstance(path, str) and path.isprintable() for path in one.get("writes", []))
        json.dumps(one, allow_nan=False).encode("utf-8")
    for one in dead:
        assert one.line.isprintable() and ";" not in one.ending
    assert live.active_run(str(tmp_path)) is None
    live.begin_run("results", str(tmp_path)).end()


@pytest.mark.parametrize("kind", ["folder", "loop", "pipe", "link to a device"])
def test_other_things_than_files_are_no_records(tmp_path, kind):
    for folder, name in NAMES.items():
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / name
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(path if kind == "loop" else "/dev/zero")
    assert live.jobs(str(tmp_path)) == live.recorded(str(tmp_path)) == ended.recorded(str(tmp_path)) == []
    assert live.recorded_jobs(str(tmp_path))


@pytest.mark.parametrize("host", ["evil; rm -rf ~", "a b", "$(reboot)", "", "x" * 300, "n\u00e9"])
def test_a_host_that_is_none_is_in_no_command(tmp_path, host):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"host": host, "pid": 1}))
    with records.open_plain(path) as handle:
        told = records.read(handle)
    assert "host" not in told and live.Holder(path, told).ending == "kill 1 (on its host)"
    path.write_text(json.dumps({"host": "node-1.example", "pid": 1}))
    with records.open_plain(path) as handle:
        assert live.Holder(path, records.read(handle)).ending == "kill 1 (on node-1.example)"


def test_only_what_has_a_name_of_ours_is_removed(tmp_path):
    for folder, name in NAMES.items():
        (tmp_path / folder).mkdir()
        for one in (name, "package.json", f"x{name}"):
            (tmp_path / folder / one).write_text("{}")
    assert live.jobs(str(tmp_path), sweep=True) == []
    ended.forget(str(tmp_path))
    left = sorted(path.name for path in tmp_path.glob("*/*"))
    assert left == sorted(["package.json", "package.json", *(f"x{name}" for name in NAMES.values())])


def test_a_link_at_the_place_of_a_record_is_replaced_and_never_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    (tmp_path / "run.json").symlink_to(precious)
    run = live.begin_run("results", str(tmp_path))
    assert not (tmp_path / "run.json").is_symlink()
    run.end()
    (tmp_path / ".locks").mkdir()
    (tmp_path / ".locks" / "out.h5.lock").symlink_to(precious)
    with files.writer_lock(tmp_path / "out.h5"):
        pass
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / ".lock").symlink_to(precious)
    with live.working(str(tmp_path), "a job", ["out"]):
        assert [one.record["what"] for one in live.jobs(str(tmp_path))] == ["a job"]
    assert precious.read_text() == "as it was"


def test_a_record_is_read_to_a_bound(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"what": "x" * (records.MOST + 1)}))
    with records.open_plain(path) as handle:
        assert records.read(handle) == {}
