"""history.jsonl: a line a run, none for a run that changed nothing."""

from triptych.report.history import append_history, read_history
from triptych.report.results import runs


def metrics(value: float) -> dict:
    one = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {"topic": {"seen": {"n": 10, "primary": "accuracy", "all": {"n": 10, "accuracy": one, "macro_f1": one}}}}


def test_one_line_a_run_and_none_for_the_same_again(tmp_path):
    path = tmp_path / "history.jsonl"
    assert append_history(path, "a" * 64, metrics(0.5))
    once = path.read_bytes()
    assert not append_history(path, "a" * 64, metrics(0.5)) and path.read_bytes() == once
    assert append_history(path, "a" * 64, metrics(0.6))
    assert append_history(path, "b" * 64, metrics(0.6))
    assert append_history(path, "a" * 64, metrics(0.5)), "going back is a run of its own"
    assert path.read_bytes().startswith(once)
    lines = read_history(path)
    assert [line["config"][0] for line in lines] == ["a", "a", "b", "a"]
    assert lines[0]["metrics"]["topic"]["seen"]["accuracy"] == [0.5, 0.4, 0.6]
    assert [run["number"] for run in runs(path)] == [4, 3, 2, 1]
    assert runs(path)[0]["best"] == [{"task": "topic", "metric": "accuracy", "model": "seen", "value": 0.5, "n": 10}]


def test_a_torn_line_is_kept_and_passed_over(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"run": "x"}\n{"torn')
    assert append_history(path, "c", metrics(0.5))
    assert path.read_text().startswith('{"run": "x"}\n{"torn\n{"config":"c"')
    assert len(read_history(path)) == 2
    assert read_history(tmp_path / "none.jsonl") == []
