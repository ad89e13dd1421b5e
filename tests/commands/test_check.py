"""Study file and table together: every fault of both in one list, each with its file."""

import textwrap

import pytest
import yaml

from triptych.commands.check import CheckError, load, load_file, load_or_exit

TABLE = "id,source,topic,film,fold,note\n" + "".join(
    f"v{n},v{n}.mp4,{'ab'[n % 2]},f{n // 2 % 4}{'ab'[n % 2]},{n // 2 % 4},x\n" for n in range(16)
)
STUDY = {
    "study": "s",
    "corpus": "videos.csv",
    "text_fields": ["title", "note"],
    "transcripts": {"captions": {"use": "captions"}},
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
    "models": {"sight": {"inputs": ["seen"]}, "words": {"text": ["transcript", "note"]}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos.csv").write_text(TABLE)
    return tmp_path


def faults(**changes) -> list[str]:
    with pytest.raises(CheckError) as caught:
        load({**STUDY, **changes})
    return [fault.strip() for fault in caught.value.faults]


def test_a_study_without_faults(folder):
    checked = load(STUDY)
    assert checked.study.study == "s" and len(checked.corpus.rows) == 16
    assert checked.notes == [
        "16 of 16 local sources are not there (line 2: v0, line 3: v1, line 4: v2, line 5: v3, line 6: v4, ...): "
        "these videos will be `failed: missing_source`"
    ]


def test_faults_of_both_files_in_one_list(folder):
    (folder / "videos.csv").write_text("id,source\na,file:///x\na\n")
    (folder / "study.yaml").write_text("study: s\nstudy: t\ncorpus: videos.csv\n")
    with pytest.raises(CheckError) as caught:
        load({"study": "t", "corpus": "videos.csv", "shard": 3}, ["study.yaml"])
    assert [fault.strip().split(" is a")[0] for fault in caught.value.faults] == [
        "study.yaml: line 2: 'study' is given twice (first on line 1)",
        "study.yaml: shard: unknown key; did you mean 'shards'?",
        "videos.csv: line 2: source 'file:///x'",
        "videos.csv: line 3: 1 cell, the header has 2 columns",
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"corpus": "none.csv"}, "none.csv: cannot be read"),
        (
            {"tasks": {"t": {"label": "tpoic", "group": "film"}}},
            "tasks.t.label: the table has no column 'tpoic'; did you",
        ),
        ({"tasks": {"t": {"label": "topic", "group": "channel"}}}, "tasks.t.group: the table has no column 'channel'"),
        (
            {"tasks": {"t": {"label": "topic", "group": "film", "folds": 9}}},
            "tasks.t: the labelled videos form 8",
        ),
        ({"tasks": {"t": {"label": "topic", "group": "film", "folds": 5}}}, "tasks.t: too few groups in 2 classes"),
        ({"tasks": {"t": {"label": "note", "group": "film"}}}, "tasks.t: "),
        ({"tasks": {"t": {"label": {"metadata": "x"}, "group": "film"}}}, "tasks.t.label: platform metadata come with"),
        ({"models": {"m": {"text": ["titel"]}}}, "models.m.text: the table has no column 'titel'"),
        ({"models": {"m": {"text": ["note"], "params": {"zz": 1}}}}, "models.m.params.zz"),
        ({"transcripts": {}}, "models.words.text: reads `transcript`, but the study has no `transcripts`"),
        ({"transcripts": {"w": {"use": "telepathy"}}}, "transcripts.w.use: there is no transcriber 'telepathy'"),
        (
            {"encoders": {"picture": {"use": "clasic-image"}}},
            "encoders.picture.use: there is no encoder 'clasic",
        ),
        ({"encoders": {"picture": {"use": "classic-image", "params": {"zz": 1}}}}, "encoders.picture.params.zz"),
        ({"encoders": {"picture": {"use": "no.such:Thing"}}}, "encoders.picture.use: no.such:Thing: cannot import"),
        ({"features": {"seen": {"from": "picture.fram"}}}, "features.seen.from: picture gives no array 'fram'"),
        ({"fetch": {"cookies": "none.txt"}}, "fetch.cookies: there is no file 'none.txt'"),
    ],
)
def test_what_does_not_fit(folder, changes, fault):
    found = faults(**changes)
    assert any(fault in one for one in found), found


def test_predefined_folds_need_their_column(folder):
    (folder / "videos.csv").write_text(TABLE.replace("fold", "part"))
    task = {"label": "topic", "group": "film", "folds": "predefined"}
    assert any("tasks.t.folds: the table has no column 'fold'" in one for one in faults(tasks={"t": task}))


def test_labels_must_print(folder):
    (folder / "videos.csv").write_text(TABLE.replace("v3.mp4,b", 'v3.mp4,"b\nc"'))
    assert any("tasks.topic: line 5: topic 'b\\nc' holds a line break" in one for one in faults())


def test_the_table_is_held_against_the_split_file(folder):
    data = [line.split(",") for line in TABLE.splitlines()[1:]]
    groups = sorted({row[3] for row in data})
    lines = [f"{row[0]},{row[3]},0,{groups.index(row[3]) // 4}" for row in data]
    path = folder / "data" / "splits" / "s" / "topic.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["video,group,repeat,fold", *lines]) + "\n")
    load(STUDY)
    (folder / "videos.csv").write_text(TABLE.replace("v3.mp4,b,f1b", "v3.mp4,b,f0b"))
    (told,) = faults()
    assert "tasks.topic: data/splits/s/topic.csv: the group of 1 of 16 videos is another one now (v3: 'f1b'" in told
    (folder / "videos.csv").write_text(TABLE)
    path.write_bytes(b"\xff\n")
    assert "tasks.topic: data/splits/s/topic.csv cannot be read" in faults()[0]
    path.write_text("video,group\n")
    assert "line 1 must be video,group,repeat,fold" in faults()[0]


def test_text_encoders_read_columns_that_are_there(folder):
    found = faults(encoders={"picture": {"use": "classic-image"}, "m": {"use": "minilm", "text": ["ntoe"]}})
    assert any("encoders.m.text: the table has no column 'ntoe'; did you mean 'note'?" in one for one in found)


def test_only_columns_on_the_allow_list_are_read_as_text(folder):
    (told,) = faults(text_fields=["title"])
    assert told.startswith("config: models.words.text: 'note' is not among `text_fields`: a column such as a channel's")
    assert told.endswith("allow it by text_fields: [title, note]")
    encoder = {"use": "minilm", "text": ["note", "transcript"]}
    found = faults(text_fields=[], models={}, encoders={"picture": {"use": "classic-image"}, "m": encoder})
    assert len(found) == 1 and found[0].startswith("config: encoders.m.text: 'note' is not among `text_fields`")


def test_a_models_text_must_not_hold_its_answer(folder):
    study = {"text_fields": ["topic", "film", "note"], "models": {"m": {"text": ["topic", "note"]}}}
    assert faults(**study) == [
        "config: models.m.text: reads 'topic', the label of task 'topic', which tells the answer; leave it out, or "
        "name other `tasks` for this model"
    ]
    encoders = {"picture": {"use": "classic-image"}, "e": {"use": "minilm", "text": ["film"]}}
    features = {"seen": {"from": "picture.frame"}, "said": {"from": "e.embedding"}}
    changes = {"encoders": encoders, "features": features, "text_fields": ["film", "note"]}
    (told,) = faults(**changes, models={"m": {"inputs": ["said"]}})
    assert "models.m: its feature 'said' (encoder 'e'): reads 'film', the group of task 'topic'" in told
    # A model of another task may read it.
    tasks = {**STUDY["tasks"], "part": {"label": "fold", "group": "none", "folds": 2}}
    load({**STUDY, **changes, "tasks": tasks, "models": {"m": {"inputs": ["said"], "tasks": ["part"]}}})


def test_text_that_is_shown_is_no_transcript_of_what_is_said(folder):
    shown = {"screen": {"use": "ocr"}}
    assert "the study has no `transcripts` of what is said" in faults(transcripts=shown)[0]
    assert load({**STUDY, "transcripts": shown, "models": {"m": {"text": ["screen"]}}}).study.shown == ["screen"]
    assert (
        "transcripts.screen.params.x: unknown" in faults(transcripts={"screen": {"use": "ocr", "params": {"x": 1}}})[0]
    )


def test_masked_columns_must_be_there(folder):
    encoder = {"use": "minilm", "text": ["note"], "params": {"mask": ["flim"]}}
    (told,) = faults(encoders={"picture": {"use": "classic-image"}, "m": encoder})
    assert "encoders.m.params.mask: the table has no column 'flim'; did you mean 'film'?" in told
    encoder["params"] = {"mask": ["film"]}
    load({**STUDY, "encoders": {"picture": {"use": "classic-image"}, "m": encoder}})


def test_notes(folder):
    (folder / "v0.mp4").write_text("x")
    rows = [line.split(",") for line in TABLE.splitlines()]
    rows[3][2] = ""
    rows[4][1] = ""
    rows[5][0] = "a b"
    (folder / "videos.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    notes = load({**STUDY, "tasks": {"topic": {"label": "topic", "group": "none", "folds": 2}}}).notes
    for wanted in (
        "14 of 15 local sources are not there",
        "1 row without a source (line 5: v3)",
        "1 id changed for file names, such as 'a b'",
        "task topic: 1 of 16 rows unlabelled",
        "task topic: no groups",
    ):
        assert any(note.startswith(wanted) for note in notes), (wanted, notes)


def test_quick_reads_both_and_checks_no_more(folder):
    checked = load({**STUDY, "encoders": {"picture": {"use": "none"}}}, quick=True)
    assert checked.notes == [] and len(checked.corpus.rows) == 16
    with pytest.raises(CheckError):
        load({**STUDY, "shard": 1}, quick=True)


def test_files(folder):
    (folder / "s.yaml").write_text(yaml.safe_dump(STUDY))
    assert load_file("s.yaml").study.study == "s"
    with pytest.raises(CheckError, match="no such study file"):
        load_file("none.yaml")
    with pytest.raises(CheckError, match="must be a mapping"):
        (folder / "list.yaml").write_text("- a\n")
        load_file("list.yaml")


def test_the_snakefile_gets_an_exit_and_no_traceback(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        load_or_exit({**STUDY, "shard": 1})
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told == textwrap.dedent("""\
        Nothing was run: 1 fault
          config: shard: unknown key; did you mean 'shards'?
        """)


def test_a_key_given_twice_does_not_hide_the_other_faults(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: a\nstudy: b\ncorpus: nowhere.csv\ncolour: red\n")
    with pytest.raises(CheckError) as told:
        load_file(path)
    text = str(told.value)
    assert "line 2: 'study' is given twice" in text and "colour: unknown key" in text and "nowhere.csv" in text


def test_one_round_tells_keys_references_parameters_and_columns(folder):
    found = faults(
        shard=3,
        features={"seen": {"from": "picture.frame", "pool": "meen"}},
        models={
            "sight": {"inputs": ["seen"], "head": "svc", "params": {"C": -1}},
            "sound": {"inputs": ["heard"], "head": "svc"},
        },
        tasks={"t": {"label": "tpoic", "group": "film"}},
    )
    assert sorted(one.strip().removeprefix("config: ").split(":")[0] for one in found) == [
        "features.seen.pool",
        "models.sight.params.C",
        "models.sound",
        "shard",
        "tasks.t.label",
    ]


def test_neither_masks_nor_zero_shot_labels_may_hold_the_answer(folder):
    """A word that is missing tells as much as one that is there."""
    picture = {"use": "classic-image"}
    masking = {"use": "minilm", "text": ["note"], "params": {"mask": ["topic"]}}
    changes = {"encoders": {"picture": picture, "m": masking}, "features": {"f": {"from": "m.embedding"}}}
    (told,) = faults(**changes, models={"m": {"inputs": ["f"]}})
    assert "models.m: its feature 'f' (encoder 'm'): masks 'topic', the label of task 'topic'" in told
    reading = {"use": "minilm", "text": ["topic"]}
    section = {"use": "similarity", "encoder": "m", "labels": {"column": "topic"}, "against": "topic"}
    found = faults(text_fields=["topic", "note"], encoders={"picture": picture, "m": reading}, relabel={"r": section})
    assert any("relabel.r.against: the labels are made from 'topic' itself" in one for one in found)


def test_a_source_of_transcripts_named_like_a_column(tmp_path):
    (tmp_path / "videos.csv").write_text("id,source,title\na,,One\n")
    study = {"study": "s", "corpus": str(tmp_path / "videos.csv"), "transcripts": {"title": {"use": "captions"}}}
    with pytest.raises(CheckError, match=r"transcripts.title: the table has a column of this name"):
        load(study)
    study["transcripts"] = {"transcript": {"use": "captions"}}
    with pytest.raises(CheckError, match=r"transcripts.transcript: this name belongs to the resolved text"):
        load(study)
