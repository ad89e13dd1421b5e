"""JSON, JSON lines and parquet: what is read back is what was written, or the file is named as damaged."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triptych.core import parquet, sealed
from triptych.core.files import DamagedFile
from triptych.core.status import Manifest, Outcome

VALUE = {"video": "a", "data": {"times": [0.1, 1e-9, 12345678.5], "ü": None}, "status": "ok", "n": 3}
LINES = [{"video": f"v{n}", "text": f"words {n} \u2028 ü", "at": n / 7} for n in range(7)]
TABLE = {"video": [f"v{n}" for n in range(50)], "probability": [n / 50 for n in range(50)], "truth": [True, None] * 25}

KINDS = {
    "x.json": (lambda path: sealed.write_json(path, VALUE), sealed.read_json, VALUE),
    "x.jsonl": (lambda path: sealed.write_lines(path, LINES), sealed.read_lines, LINES),
    "x.parquet": (
        lambda path: parquet.write_table(path, pa.table(TABLE)),
        lambda path: parquet.read_table(path).to_pydict(),
        TABLE,
    ),
}


@pytest.fixture(params=KINDS)
def written(request, tmp_path):
    write, read, value = KINDS[request.param]
    path = tmp_path / request.param
    write(path)
    return path, read, value


def test_round_trip_and_equal_bytes(written):
    path, read, value = written
    before = path.read_bytes()
    assert read(path) == value
    KINDS[path.name][0](path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_other_programs_read_them(tmp_path):
    for name, (write, _, _) in KINDS.items():
        write(tmp_path / name)
    found = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert len(found.pop("seal")) == 8 and found == VALUE
    lines = (tmp_path / "x.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["video"] for line in lines if line] == [one["video"] for one in LINES]
    assert pq.read_table(tmp_path / "x.parquet", filters=[("video", "=", "v7")]).to_pydict()["probability"] == [0.14]


def test_columns_and_filters(tmp_path):
    KINDS["x.parquet"][0](tmp_path / "x.parquet")
    found = parquet.read_table(tmp_path / "x.parquet", {"truth": "truth?"}, only=("video", "v1"))
    assert found.column("truth").to_pylist() == [None]


def same_or_damaged(path, read, value) -> bool:
    """Whether the damage was seen; what is read in spite of it must be what was written."""
    try:
        found = read(path)
    except DamagedFile as error:
        assert str(path) in str(error)
        return True
    if path.suffix == ".json":  # its seal may be a word like any other now
        found = {name: found[name] for name in found if name in value or len(name) != len("seal")}
    assert found == value
    return False


@pytest.mark.fault(3)
def test_a_flipped_bit_never_gives_a_wrong_value(written):
    path, read, value = written
    content = path.read_bytes()
    generator = np.random.default_rng(3)
    places = generator.integers(0, len(content), 400).tolist()
    seen = 0
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(changed)
        seen += same_or_damaged(path, read, value)
    # What is not seen is a change of the seal's own name, which leaves the content as it was.
    assert seen > 350


@pytest.mark.fault(3)
@pytest.mark.parametrize("block", [1, 16, 64])
def test_a_zeroed_block_is_seen(written, block):
    path, read, value = written
    content = path.read_bytes()
    for start in range(0, len(content) - block, max(1, len(content) // 80)):
        if any(content[start : start + block]):
            path.write_bytes(content[:start] + bytes(block) + content[start + block :])
            assert same_or_damaged(path, read, value) or (path.suffix == ".parquet" and block < 16)


@pytest.mark.fault(3)
def test_a_cut_file_is_seen(written):
    path, read, value = written
    content = path.read_bytes()
    lengths = {0, 1, len(content) // 2, len(content) - 2}
    lengths |= {place + 1 for place, byte in enumerate(content[:-1]) if byte == ord("\n")}
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        assert same_or_damaged(path, read, value), length


@pytest.mark.fault(3)
def test_lines_that_are_missing_doubled_or_exchanged_are_seen(tmp_path):
    path = tmp_path / "x.jsonl"
    sealed.write_lines(path, LINES)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    for wrong in (lines[1:], lines[:-1], [*lines, lines[0]], [lines[1], lines[0], *lines[2:]]):
        path.write_text("\n".join(wrong) + "\n", encoding="utf-8")
        assert same_or_damaged(path, sealed.read_lines, LINES)
    # A line that is taken to another file keeps its check.
    assert [sealed.read_line(line) for line in lines] == LINES


def test_files_without_a_seal_are_read(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(VALUE), encoding="utf-8")
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(one) + "\n" for one in LINES), encoding="utf-8")
    pq.write_table(pa.table(TABLE), tmp_path / "x.parquet")
    for name, (_, read, value) in KINDS.items():
        assert read(tmp_path / name) == value
    sealed.write_json(tmp_path / "empty.json", {})
    assert sealed.read_json(tmp_path / "empty.json") == {}
    for name in KINDS:
        with pytest.raises(FileNotFoundError):
            KINDS[name][1](tmp_path / "none" / name)


@pytest.mark.fault(3)
def test_a_manifest_with_a_flipped_digit_is_damaged(tmp_path):
    path = tmp_path / "a.json"
    Manifest("a", "audio", Outcome("ok"), key="k", data={"rate": 16000}).write(path)
    path.write_text(path.read_text().replace("16000", "16001"))
    with pytest.raises(DamagedFile, match=r"a\.json is damaged"):
        Manifest.read(path)
