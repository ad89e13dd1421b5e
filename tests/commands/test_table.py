"""Tables made from folders and lists are tables that the strict reader takes."""

import os
import subprocess
import sys

import pytest

from triptych.commands.table import TableError, from_folder, from_list, make
from triptych.core.corpus import read_corpus


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows(table, *columns):
    return [tuple(row.get(column, "") for column in columns) for row in table.rows]


def read_back(table, folder):
    (folder / "videos.csv").write_text(table.csv(), encoding="utf-8")
    return read_corpus(folder / "videos.csv")


def test_a_folder(tmp_path):
    touch(
        tmp_path, "in/a.mp4", "in/B.MOV", "in/sub/c.wav", "in/d.jpg", "in/notes.txt", "in/.hidden.mp4", "in/.git/x.mp4"
    )
    table = from_folder(tmp_path / "in", tmp_path)
    assert table.columns == ["id", "source"]
    assert rows(table, "id", "source") == [
        ("B", "in/B.MOV"),
        ("a", "in/a.mp4"),
        ("d", "in/d.jpg"),
        ("c", "in/sub/c.wav"),
    ]
    assert table.notes == ["1 picture, 1 sound file, 2 videos"]
    corpus = read_back(table, tmp_path)
    assert all(corpus.source_path(row).is_file() for row in corpus.rows)


def test_captions_lie_beside(tmp_path):
    touch(
        tmp_path,
        "a.mp4",
        "a.srt",
        "a.vtt",
        "b.mp4",
        "b.de.vtt",
        "b.en-US.srt",
        "c.x.mp4",
        "c.x.vtt",
        "d.mp4",
        "d.long name.vtt",
    )
    table = from_folder(tmp_path, tmp_path)
    assert rows(table, "id", "captions") == [("a", "a.vtt"), ("b", "b.en-US.srt"), ("c.x", "c.x.vtt"), ("d", "")]


def test_labels_and_groups_from_folders(tmp_path):
    touch(tmp_path, "film1/cats/a.mp4", "film1/dogs/b.mp4", "film2/cats/c.mp4", "d.mp4")
    table = from_folder(tmp_path, tmp_path, label=True, group=True)
    assert set(rows(table, "id", "label", "group")) == {
        ("a", "cats", "film1"),
        ("b", "dogs", "film1"),
        ("c", "cats", "film2"),
        ("d", "", ""),
    }
    assert "1 row without a label: the files lie in no subfolder" in table.notes


def test_ids_are_one_each_and_do_not_depend_on_order(tmp_path):
    touch(
        tmp_path,
        "x/clip.mp4",
        "y/clip.mp4",
        "y/clip.wav",
        "Clip2.mp4",
        "clip2.mp4",
        "a b.mp4",
        "ü.mp4",
        "視頻.mp4",
        "-a.mp4",
    )
    corpus = read_back(from_folder(tmp_path, tmp_path), tmp_path)
    ids = {row.source: row.id for row in corpus.rows}
    assert len(set(ids.values())) == 9 and all(row.id == row.slug for row in corpus.rows)
    assert ids["x/clip.mp4"] == "x_clip" and ids["y/clip.wav"] == "y_clip.wav" and ids["a b.mp4"] == "a-b"
    assert ids["ü.mp4"] == "u" and ids["-a.mp4"] == "a" and ids["視頻.mp4"].startswith("v-")
    touch(tmp_path, "0.mp4")
    again = {row["source"]: row["id"] for row in from_folder(tmp_path, tmp_path).rows}
    assert all(again[source] == name for source, name in ids.items())


def test_names_that_do_not_print_are_left_out(tmp_path):
    touch(tmp_path, "a.mp4", "b\n.mp4")
    touch(tmp_path, os.fsdecode(b"\xff/c.mp4"))
    table = from_folder(tmp_path, tmp_path)
    assert rows(table, "id") == [("a",)] and sum("left out" in note for note in table.notes) == 2


def test_nothing_to_make_a_table_of(tmp_path):
    with pytest.raises(TableError, match="no videos"):
        from_folder(tmp_path, tmp_path)
    with pytest.raises(TableError, match="no such folder or list"):
        make(str(tmp_path / "none"))
    (tmp_path / "x.txt").write_bytes("ü".encode("latin-1"))
    with pytest.raises(TableError, match="not UTF-8"):
        make(str(tmp_path / "x.txt"))


def test_paths_start_from_the_table(tmp_path):
    touch(tmp_path, "in/a.mp4")
    (tmp_path / "tables").mkdir()
    assert rows(make(str(tmp_path / "in"), tmp_path / "tables" / "v.csv"), "source") == [("../in/a.mp4",)]
    command = [sys.executable, "-m", "triptych.cli", "table", str(tmp_path / "in")]
    with (tmp_path / "tables" / "v.csv").open("w") as out:
        subprocess.run(command, stdout=out, check=True, cwd=tmp_path)
    assert "../in/a.mp4" in (tmp_path / "tables" / "v.csv").read_text()


def test_a_list(tmp_path):
    table = from_list(
        "\ufeff# mine\n"
        "dQw4w9WgXcQ\n"
        "-abcdefghi_   # begins with a dash\n"
        "\n"
        "https://youtu.be/dQw4w9WgXcQ\n"
        "https://h.org/a/film.mp4?x=1\n"
        "https://g.org/b/film.mp4\n"
        "https://h.org/\n"
    )
    assert rows(table, "source")[:2] == [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ",),
        ("https://www.youtube.com/watch?v=-abcdefghi_",),
    ]
    corpus = read_back(table, tmp_path)
    ids = [row.id for row in corpus.rows]
    assert ids[:2] == ["dQw4w9WgXcQ", "-abcdefghi_"] and ids[4] == "h-org"
    assert ids[2].startswith("film-https") and ids[2] != ids[3]
    assert any("same video as line 2" in note for note in table.notes)


def test_a_list_with_faults_tells_them_all():
    with pytest.raises(TableError) as caught:
        from_list("dQw4w9WgXcQ\nshort\nftp://h/x\nhttps://h/a b\n", "ids.txt")
    told = str(caught.value)
    assert told.startswith("ids.txt: 3 faults\n") and "line 2: 'short'" in told and "line 4" in told
    with pytest.raises(TableError, match="no ids"):
        from_list("# nothing\n")


def test_an_address_that_is_none_is_a_fault_of_its_line():
    with pytest.raises(TableError, match=r"line 2: 'https://\[\]host\.example/a\.mp4'"):
        from_list("dQw4w9WgXcQ\nhttps://[]host.example/a.mp4\n")
