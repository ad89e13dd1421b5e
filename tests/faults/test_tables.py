"""Faults of the table and of the study file, as `triptych check` tells them: all at once, each with its place."""

import pytest
import yaml

from triptych import cli

STUDY = {
    "study": "s",
    "corpus": "videos.csv",
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
    "models": {"sight": {"inputs": ["seen"]}},
}
ROWS = "".join(f"v{n},v{n}.mp4,{'ab'[n % 2]},f{n}\n" for n in range(8))
TABLE = f"id,source,topic,film\n{ROWS}"


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """`triptych check` on a table and a study: its exit status and its lines."""
    monkeypatch.chdir(tmp_path)

    def run(table: str | bytes = TABLE, study: str | bytes | dict = STUDY) -> tuple[int, list[str]]:
        for name, content in (("videos.csv", table), ("config.yaml", study)):
            text = yaml.safe_dump(content, sort_keys=False) if isinstance(content, dict) else content
            (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        monkeypatch.setattr("sys.argv", ["triptych", "check"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err and bool(ended.value.code) == bool(told.err)
        return int(ended.value.code or 0), (told.err or told.out).splitlines()

    return run


def line(number: int, fault: str) -> str:
    return f"  videos.csv: line {number}: {fault}"


#: File -> its content, and how the lines begin that tell its faults; none where it can be read as it is.
TABLES = {
    "byte order mark": (b"\xef\xbb\xbf" + TABLE.encode(), []),
    "lines end with CR LF": (TABLE.replace("\n", "\r\n"), []),
    "lines end with CR": (TABLE.replace("\n", "\r"), []),
    "numbers and NA": (TABLE.replace("v0,", "00123,").replace("v1,", "NA,").replace("v2,", "1e5,"), []),
    "latin-1": (
        TABLE.replace("v1.mp4", "ü.mp4").replace("v3.mp4", "é.mp4").encode("latin-1"),
        [line(3, "byte 39 (0xfc) is not UTF-8"), line(5, "byte 68 (0xe9) is not UTF-8")],
    ),
    "utf-16": (TABLE.encode("utf-16"), [line(1, "the file is UTF-16 (byte 0); save it as UTF-8")]),
    "utf-16 without mark": (TABLE.encode("utf-16-le"), [line(1, "the file looks like UTF-16")]),
    "utf-32": (TABLE.encode("utf-32"), [line(1, "the file is UTF-32")]),
    "semicolons": (TABLE.replace(",", ";"), [line(1, "the columns are separated by semicolons")]),
    "tabs": (TABLE.replace(",", "\t"), [line(1, "the columns are separated by tabs")]),
    "bars": (TABLE.replace(",", "|"), [line(1, "the columns are separated by bars")]),
    "no id": (TABLE.replace("id,", "video_id,", 1), [line(1, "there is no column `id`; rename 'video_id'?")]),
    "no header": (ROWS, [line(1, "there is no column `id`")]),
    "columns": (
        TABLE.replace("id,source,topic,film", "id ,source,source,"),
        [
            line(1, "column 'id ' begins or ends with a space"),
            line(1, "column 'source' is there twice (columns 2 and 3)"),
            line(1, "column 4 has no name"),
        ],
    ),
    "capitals": (TABLE.replace("id,", "ID,", 1), [line(1, "column 'ID': write it in small letters, `id`")]),
    "ragged rows": (
        TABLE.replace("v2.mp4,", "").replace("f5", "f5,more"),
        [line(4, "3 cells, the header has 4 columns"), line(7, "5 cells, the header has 4 columns; put quotes")],
    ),
    "a cell too much in each row": (
        TABLE.replace("\nv", "\nx,v"),
        [line(n, "5 cells, the header has 4 columns") for n in range(2, 10)],
    ),
    "open quote": (
        TABLE.replace("v1.mp4", '"v1.mp4').replace("v5,v5.mp4", "v5"),
        [line(3, "a quote that opens in this row is never closed"), line(7, "3 cells")],
    ),
    "quote in a cell": (TABLE.replace("v1.mp4", '"v"1.mp4'), [line(3, "text follows a closing quote")]),
    "empty": ("", ["  videos.csv: the file is empty"]),
    "header alone": ("id,source,topic,film\n", [line(2, "the table has a header and no rows")]),
    "NUL and line breaks": (
        TABLE.replace("v1,", "v\0,").replace("v2,", '"v\n2",').replace("v4,", '"v\t4",').replace("v5,", "v\u200b5,"),
        [
            line(3, "id 'v\\x00' holds a NUL character"),
            line(4, "id 'v\\n2' holds a line break"),
            line(7, "id 'v\\t4' holds a tab"),
            line(8, "id 'v\\u200b5' holds the invisible character U+200B"),
        ],
    ),
    "spaces and empty ids": (
        TABLE.replace("v1,", " v1,").replace("v2,", "v2 ,").replace("\nv3,", "\n,").replace("v4,", "x" * 501 + ","),
        [
            line(3, "id ' v1' begins or ends with a space"),
            line(4, "id 'v2 ' begins or ends with a space"),
            line(5, "the id is empty"),
            line(6, "id 'xxx"),
        ],
    ),
    "a cell without end": (TABLE.replace("v1.mp4", "x" * 200_000), [line(3, "a cell is longer than 131,072")]),
    "no text at all": (bytes(range(256)) * 4, [line(1, "")]),
    "sources": (
        TABLE.replace("v0.mp4", "file:///etc/passwd")
        .replace("v1.mp4", "https://u:p@h/x")
        .replace("v2.mp4", "ftp://h/x"),
        [
            line(2, "source 'file:///etc/passwd' is a `file:` address"),
            line(3, "source 'https://u:p@h/x' holds a name or password"),
            line(4, "source 'ftp://h/x' is a `ftp:` address"),
        ],
    ),
}


@pytest.mark.fault(23)
@pytest.mark.parametrize("name", TABLES)
def test_faults_of_tables(check, name):
    content, wanted = TABLES[name]
    code, lines = check(content)
    if not wanted:
        assert code == 0 and "no faults; 8 rows in videos.csv" in lines[-1]
        return
    assert code == 1
    for one in wanted:
        assert any(told.startswith(one) for told in lines), (one, lines)
    # One line a fault, and their number first.
    assert lines[0] == f"triptych: {len(lines) - 1} fault{'s' * (len(lines) > 2)}"
    assert all(told.startswith("  videos.csv: ") for told in lines[1:])
    if name != "no text at all":
        assert len(lines) - 1 == len(wanted), lines


@pytest.mark.fault(19)
def test_ids_that_have_no_safe_form_are_all_listed(check):
    bad = {
        "\0x": "a NUL",
        "a\nb": "a line break",
        "a\tb": "a tab",
        "\u202eexe": "U+202E",
        "y ": "a space",
        "": "is empty",
    }
    rows = ['"{}",v{}.mp4,a,f{}'.format(id.replace('"', '""'), n, n) for n, id in enumerate(bad)]
    code, lines = check(TABLE + "\n".join(rows) + "\n")
    assert code == 1 and len(lines) - 1 == len(bad)
    for told, says in zip(lines[1:], bad.values(), strict=True):
        assert told.startswith("  videos.csv: line ") and says in told


@pytest.mark.fault(21)
def test_names_of_the_study_lead_nowhere(check):
    names = {
        "study": "../x",
        "encoders": {"/abs": STUDY["encoders"]["picture"]},
        "tasks": {"a/b": STUDY["tasks"]["topic"]},
    }
    code, lines = check(study=STUDY | names)
    assert code == 1
    for place in ("study: ", "encoders./abs: ", "tasks.a/b: "):
        assert any(told.startswith(f"  config.yaml: {place}") for told in lines), lines


@pytest.mark.fault(22)
def test_ids_and_sources_that_are_there_twice(check):
    again = (
        "v0,other.mp4,b,f0\nV1,v9.mp4,b,f1\nv2,v2.mp4,a,f2\nv10,v3.mp4,b,f3\ncafe\u0301,c.mp4,a,f8\ncafé,d.mp4,b,f8\n"
    )
    code, lines = check(TABLE + again)
    assert code == 1 and lines[1:] == [
        line(10, "id 'v0' is on line 2 too, with another source, topic"),
        line(11, "id 'V1' differs from 'v1' on line 3 in case only"),
        line(15, "id 'café' differs from 'cafe\u0301' on line 14 in case only"),
    ]
    code, lines = check(TABLE + "v2,v2.mp4,a,f2\nv10,v3.mp4,b,f3\n")
    assert code == 0 and lines[:2] == [
        "note: line 10: the same row as line 4; kept once",
        "note: line 11: 'v10' has the same source as 'v3' on line 5",
    ]


@pytest.mark.fault(25)
def test_labels_from_which_nothing_can_be_learned(check):
    for topics, wanted in (
        ("        ", "no labelled videos: column 'topic' is empty for all 8 rows"),
        ("aaaaaaaa", "only the class 'a' is left; a classifier needs two"),
        ("aaaaaaab", "too few groups in 1 classes, 2 are needed: 'b' has 1 group. Choose: `min_groups: drop`"),
    ):
        rows = "".join(f"v{n},v{n}.mp4,{one.strip()},f{n}\n" for n, one in enumerate(topics))
        code, lines = check("id,source,topic,film\n" + rows)
        assert code == 1 and any(wanted in told for told in lines), lines
    some = TABLE.replace("v0.mp4,a", "v0.mp4,").replace("v2.mp4,a", "v2.mp4,A").replace("v4.mp4,a", "v4.mp4,A")
    allowed = STUDY["tasks"]["topic"] | {"min_groups": "drop"}
    code, lines = check(some, STUDY | {"tasks": {"topic": allowed}})
    assert code == 0
    assert "note: task topic: 1 of 8 rows unlabelled; they will be predicted" in lines
    assert "note: task 'topic': labels that differ in case or spaces only: 'A', 'a'" in lines
    assert "note: task 'topic': dropped classes with fewer than 2 groups: a" in lines


@pytest.mark.fault(24)
def test_every_fault_of_a_study_file_at_once(check):
    study = STUDY | {
        "shard": 3,
        "shards": 0,
        "min_ok_fraction": 1.5,
        "keyframes": {"cuont": 3, "count": "many"},
        "limits": None,
        "gpus": -1,
        "tasks": {"topic": {"label": "topic", "group": "film", "folds": 1}},
        "models": {"a b": {"inputs": ["seen"]}},
    }
    code, lines = check(study=study)
    assert code == 1
    for place in (
        "shard: unknown key; did you mean 'shards'?",
        "shards: must be greater than or equal to 1 (given: 0)",
        "min_ok_fraction: must be less than or equal to 1 (given: 1.5)",
        "keyframes.cuont: unknown key; did you mean 'count'?",
        "keyframes.count: must be a whole number",
        "limits: must be a mapping",
        "gpus: must be 'auto', or must be greater than or equal to 0",
        "tasks.topic.folds: ",
        "models.a b: ",
    ):
        assert any(told.startswith(f"  config.yaml: {place}") for told in lines), (place, lines)


@pytest.mark.fault(24)
def test_what_a_study_refers_to_and_is_not_there(check):
    study = STUDY | {
        "encoders": {"picture": {"use": "clasic-image"}},
        "features": {"seen": {"from": "pictrue.frame"}},
        "tasks": {"topic": {"label": "tpoic", "group": "film", "folds": 2}},
        "models": {"sight": {"inputs": ["sene"]}, "late": {"fusion": "late", "members": ["sight", "sigth"]}},
        "fetch": {"cookies": "nowhere.txt"},
    }
    told = "\n".join(check(study=study)[1])
    for near in ("'picture'", "'seen'", "'sight'"):
        assert f"did you mean {near}" in told
    # What refers is told first; the files and columns when all names are right.
    right = {"features": STUDY["features"], "models": STUDY["models"]}
    code, lines = check(study=study | right)
    assert code == 1 and [fault.split(": ")[1] for fault in lines[1:]] == [
        "encoders.picture.use",
        "fetch.cookies",
        "tasks.topic.label",
    ], lines
    code, lines = check(study=STUDY | {"corpus": "nowhere.csv"})
    assert code == 1 and lines[1].startswith("  nowhere.csv: cannot be read: No such file or directory")


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "study: a\nstudy: b\ncorpus: videos.csv\ncolour: red\n",
            ["line 2: 'study' is given twice", "colour: unknown key"],
        ),
        ("study: [\n", ["line 2: "]),
        ("- a\n- b\n", ["must be a mapping of keys to values"]),
        ("", ["must be a mapping of keys to values"]),
        ("study: ü\n".encode("latin-1"), ["is not UTF-8 (byte 7)"]),
        ("study: a\ncorpus: !!python/object/apply:os.system ['touch PWNED']\n", ["line 2: could not determine"]),
        ("study: a\ncorpus: videos.csv\nshards: 010\nunit: no\n", ["unit: must be "]),
    ],
    ids=["key twice", "no yaml", "list", "empty", "latin-1", "tag that runs", "numbers of YAML"],
)
def test_what_is_no_study_file(check, tmp_path, text, wanted):
    code, lines = check(study=text)
    assert code == 1
    for one in wanted:
        assert any(told.startswith(f"  config.yaml: {one}") for told in lines), lines
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.fault(24)
def test_a_study_file_that_is_not_there(check, tmp_path, monkeypatch, capsys):
    check()
    monkeypatch.setattr("sys.argv", ["triptych", "check", "--configfile", "mine.yaml"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "mine.yaml: there is no such study file; name one with --configfile" in told
