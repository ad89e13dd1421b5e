"""The table of videos: every fault of a file in one list, with its line; cells stay the strings they are."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.corpus import FORM_FAULTS, SHOWN, SLUG, CorpusError, read_corpus, slug_of, source_key

HEAD = b"id,source,label\n"


@pytest.fixture
def table(tmp_path):
    def write(content: bytes | str):
        path = tmp_path / "videos.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def faults(path) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        read_corpus(path)
    return caught.value.faults


def test_cells_stay_as_they_are(table):
    corpus = read_corpus(table(HEAD + b"00123,a.mp4,NA\n1e5,b.mp4,null\nnan,c.mp4,010\nTrue,d.mp4,1_000\n"))
    assert [row.id for row in corpus.rows] == ["00123", "1e5", "nan", "True"]
    assert [row.fields["label"] for row in corpus.rows] == ["NA", "null", "010", "1_000"]
    assert corpus.columns == ["id", "source", "label"] and corpus.notes == []
    assert [row.line for row in corpus.rows] == [2, 3, 4, 5]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_byte_order_mark(table, ending, mark):
    corpus = read_corpus(table(mark + ending.join(["id,source", "a,x.mp4", "", "ä,y.mp4", ""]).encode()))
    assert [(row.line, row.id) for row in corpus.rows] == [(2, "a"), (4, "ä")]


def test_text_may_span_lines(table):
    corpus = read_corpus(table('id,description,title\na,"one\ntwo, ""three""",t\nb,x,\n'))
    assert corpus.rows[0].description == 'one\ntwo, "three"' and corpus.rows[0].title == "t"
    assert [row.line for row in corpus.rows] == [2, 4]


def test_latin1_names_byte_and_line(table):
    found = faults(table("id,source\na,x\nb,ü.mp4\nc\nd,é\n".encode("latin-1")))
    assert found[0].startswith("line 3: byte 16 (0xfc) is not UTF-8; as Latin-1 it would be 'ü'")
    assert found[1].startswith("line 4: 1 cell") and "0xe9" in found[2]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_encodings_are_named(table, encoding):
    (found,) = faults(table("id,source\nabc,x.mp4\n".encode(encoding)))
    assert encoding[:6].upper() in found and "UTF-8" in found


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_delimiters_are_named(table, mark, name):
    assert faults(table(f"id{mark}source\na{mark}b\n")) == [
        f"line 1: the columns are separated by {name}; save the table with commas"
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"   \n"])
def test_empty_file(table, content):
    assert any("empty" in fault or "no name" in fault for fault in faults(table(content)))


def test_header_only(table):
    assert faults(table("id,source\n")) == ["line 2: the table has a header and no rows"]


def test_no_such_file(tmp_path):
    assert "triptych table" in faults(tmp_path / "none.csv")[0]
    assert "cannot be read" in faults(tmp_path)[0]


def test_header_faults_all_at_once(table):
    found = faults(table("id ,source,source,,Fold\n1,2,3\n"))
    assert [fault.split(": ", 1)[1].split(":")[0] for fault in found] == [
        "column 'id ' begins or ends with a space",
        "column 'source' is there twice (columns 2 and 3)",
        "column 4 has no name; name it, or delete the column",
        "column 'Fold'",
        "3 cells, the header has 5 columns",
    ]


def test_missing_id_column_names_the_likely_one(table):
    assert "rename 'video_id'?" in faults(table("video_id,source\na,b\n"))[0]
    assert "first line must name" in faults(table("a,https://x.org/b\n"))[0]


def test_ragged_rows(table):
    found = faults(table(HEAD + b"a,b\nb,c,d\nc,d,e,f\n"))
    assert found == [
        "line 2: 2 cells, the header has 3 columns",
        "line 4: 4 cells, the header has 3 columns; put quotes around cells that hold commas",
    ]


def test_unclosed_quote_names_its_row_and_the_rest_is_still_read(table):
    found = faults(table('id,source\na,"x\nb,y\nc,z,1\n'))
    assert found[0] == "line 2: a quote that opens in this row is never closed"
    assert found[1].startswith("line 4: 3 cells")
    found = faults(table('id,source\na,"x\nb,"y"\n,z\n'))
    assert found[0].startswith("line 2: text follows a closing quote (the quoted cell ends on line 3")
    assert found[1] == "line 4: the id is empty"


def test_overlong_cell(table):
    found = faults(table("id,note\na," + "x" * 200_000 + "\nb\n"))
    assert "longer than 131,072" in found[0] and found[1].startswith("line 3: 1 cell")


def test_a_file_that_is_no_table_ends(table):
    found = faults(table("id,source\n" + '"a"b,c\n' * (FORM_FAULTS + 50)))
    assert len(found) == FORM_FAULTS + 1 and "not read" in found[-1]


def test_control_characters(table):
    found = faults(
        table('id,source,captions,fold\n"a\nb",x,,\nb\0,x,,\nc,"x\ty",,\nd,x,"y\x1b",\n e,x,,\nf\u200b,x,,\n')
    )
    assert [fault.rsplit(" holds ", 1)[-1] for fault in found[:4]] == [
        "a line break",
        "a NUL character",
        "a tab",
        "the invisible character U+001B",
    ]
    assert "begins or ends with a space" in found[4] and "U+200B" in found[5]
    assert faults(table("id,note\na,x\0y\n")) == ["line 2: note 'x\\x00y' holds a NUL character"]


def test_duplicates(table):
    found = faults(table("id,source,label\na,x.mp4,1\na,x.mp4,1\na,x.mp4,2\nA,y.mp4,1\n"))
    assert found == [
        "line 4: id 'a' is on line 2 too, with another label",
        "line 5: id 'A' differs from 'a' on line 2 in case only",
    ]


def test_unicode_forms_of_one_id(table):
    assert "in case only" in faults(table("id\ncafe\u0301\ncaf\u00e9\n"))[0]


def test_same_row_twice_is_a_note(table):
    corpus = read_corpus(table("id,source\na,x.mp4\nb,y.mp4\na,x.mp4\n"))
    assert [row.id for row in corpus.rows] == ["a", "b"]
    assert corpus.notes == ["line 4: the same row as line 2; kept once"]


def test_same_source_twice_is_a_note(table):
    corpus = read_corpus(
        table(
            "id,source\na,https://youtu.be/dQw4w9WgXcQ\nb,https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3\nc,x\nd,x\n"
        )
    )
    assert corpus.notes == [
        "line 3: 'b' has the same source as 'a' on line 2",
        "line 5: 'd' has the same source as 'c' on line 4",
    ]
    assert source_key("https://youtube.com/shorts/dQw4w9WgXcQ") == "youtube:dQw4w9WgXcQ"
    assert source_key("https://notyoutube.org/x") == "https://notyoutube.org/x"


def test_slug_collision(table):
    taken = slug_of("a b")
    (found,) = faults(table(f"id\na b\n{taken}\n"))
    assert found == f"line 2: id 'a b' becomes {taken!r} in file names, as {taken!r} on line 3"


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc/passwd",
        "FILE:x",
        "data:text/plain",
        "ftp://h/x",
        "javascript:1",
        "rtsp://h/x",
        "www.a.org/b",
        "youtube.com/watch?v=x",
        "http:///x",
        "https://",
        "https://u:p@h/x",
        "https://h h/x",
        "https://h\u00a0h/x",
        "http://[::1/x",
        "http://h:99999999/x",
    ],
)
def test_addresses_that_are_not_read(table, source):
    assert faults(table(f"id,source\na,{source}\n"))[0].startswith("line 2: source ")


def test_passwords_in_urls_are_refused_without_being_needed(table):
    assert "fetch.cookies" in faults(table("id,source\na,https://u:p@h/x\n"))[0]


@pytest.mark.parametrize(
    "source", ["../x.mp4", "/abs/x.mp4", "-a.mp4", "a:b.mp4", "x y.mp4", "ünï.mp4", "~root", "%s", "$(touch P)", "{x}"]
)
def test_paths_are_absolute_and_only_read(table, source, tmp_path):
    corpus = read_corpus(table(f"id,source,captions\na,{source},{source}\n"))
    path = corpus.source_path(corpus.rows[0])
    assert path.is_absolute() and path == corpus.captions_path(corpus.rows[0])
    assert path == (tmp_path / source).absolute() or ".." in source
    assert not corpus.rows[0].is_url


def test_urls(table):
    corpus = read_corpus(table("id,source\na,https://h.org/x?q=1\nb,HTTP://h.org:80/y\nc,\n"))
    assert [row.is_url for row in corpus.rows] == [True, True, False]
    assert [corpus.source_path(row) for row in corpus.rows] == [None, None, None]


def test_captions_are_paths(table):
    assert "must be a path" in faults(table("id,captions\na,https://h/x.vtt\n"))[0]


@pytest.mark.parametrize("fold", ["a b", "ü", "x" * 40, "1;2"])
def test_folds_are_short_words(table, fold):
    assert faults(table(f"id,fold\na,{fold}\n"))[0].startswith("line 2: fold ")


def test_many_faults_are_all_kept_and_some_shown(table):
    with pytest.raises(CorpusError) as caught:
        read_corpus(table("id,source\n" + "a\n" * 500))
    assert len(caught.value.faults) == 500
    assert str(caught.value).count("\n") == SHOWN + 1 and "400 more" in str(caught.value)


def test_odd_ids_become_slugs(table):
    odd = [
        "-abc",
        "a/b",
        "../x",
        "a b",
        "ü",
        "$(touch P)",
        "a;b",
        "`x`",
        "*",
        "..",
        ".",
        "~r",
        "a{b}",
        "x" * 200,
        "視頻",
    ]
    corpus = read_corpus(table("id\n" + "\n".join(odd) + "\n"))
    assert [row.id for row in corpus.rows] == odd
    assert len(corpus.by_slug) == len(odd) and all(corpus.by_slug[row.slug] is row for row in corpus.rows)


@pytest.mark.fault(19)
@given(st.text(min_size=1))
def test_slugs_are_safe_names(id):
    slug = slug_of(id)
    assert SLUG.fullmatch(slug) and ".." not in slug and len(slug) <= 100
    if slug != id:
        assert slug.endswith(hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:8])
    assert slug_of(slug) == slug


@pytest.mark.fault(23)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_its_faults(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(b"id,source\n" + content)
        try:
            corpus = read_corpus(path)
        except CorpusError as error:
            assert error.faults
        else:
            assert corpus.rows and len(corpus.by_slug) == len(corpus.rows)
