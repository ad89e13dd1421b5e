"""Tables that people and programs write: the corpus, lists, split files, pairs, sheets, cookies."""

import csv
import io

from fuzz.damage import damaged, words
from fuzz.target import target, told, tried
from hypothesis import strategies as st
from support import CHECKOUT

from triptych.commands.export import guarded
from triptych.commands.table import TableError, from_list
from triptych.core.cells import KEY_COLUMNS
from triptych.core.corpus import SLUG, CorpusError, read_corpus
from triptych.core.files import DamagedFile
from triptych.evaluate.guard import formula_safe, one_line
from triptych.learn.pairs import Pair, read_pairs, write_pairs
from triptych.learn.relabel_files import RelabelError
from triptych.learn.review import filled
from triptych.learn.splits import Split, SplitError, read_splits, write_splits
from triptych.media.fetch_client import read_cookies
from triptych.report.status_table import read as read_status
from triptych.report.tables import read_cells, read_rows, unguarded

DEMO = (CHECKOUT / "data" / "demo" / "videos.csv").read_bytes()[:3000]
SPLITS = b"video,group,repeat,fold\na,film one,0,1\nb,film two,0,0\na,film one,1,0\n"
PAIRS = b"video,other,by,score\na,b,content,1.0000\na,c,feature seen,0.9731\n"
#: Groups hold no returns: labels and groups of a table must print, and what a platform tells is cleaned.
NAMES = words.filter(lambda one: "\r" not in one)
SHEET = b"\xef\xbb\xbfvideo,title,text,picture,label,score,likeliest,correct?,right label\r\na,A,x,,boat,0.9,,yes,\r\n"
COMPARISON = b"model,kind,n,accuracy,low\nsight,model,8,0.5,\nprior,baseline,8,0.25,0.1\n"
STATUS = b"video\tid\tsource\tstage\tstatus\treason\tmessage\twarnings\na\ta\t\tprobe\tok\t\t\t\n"
COOKIES = (
    b"# Netscape HTTP Cookie File\n.host.example\tTRUE\t/\tFALSE\t0\tname\tvalue\n"
    b"#HttpOnly_a\tFALSE\t/\tFALSE\t1.5\ta\tb\n"
)


@target(share=3, content=damaged(DEMO, b"id,source,captions,fold\na,x.mp4,,1\n"))
def test_a_damaged_table_is_read_or_its_faults_are_told(folder, content):
    path = folder / "videos.csv"
    path.write_bytes(content)
    corpus = tried(CorpusError, (path,), read_corpus, path)
    if corpus:
        assert corpus.rows and len(corpus.by_slug) == len(corpus.rows)
        assert all(SLUG.fullmatch(row.slug) for row in corpus.rows)


@target(
    share=2,
    columns=st.lists(st.one_of(st.sampled_from([*KEY_COLUMNS, "title", "topic"]), words), min_size=1, max_size=6),
    rows=st.lists(st.lists(words, min_size=1, max_size=6), max_size=5),
)
def test_any_cells_come_back_as_they_were(folder, columns, rows):
    path = folder / "cells.csv"
    text = io.StringIO()
    csv.writer(text).writerows([["id", *columns], *rows])
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    corpus = tried(CorpusError, (path,), read_corpus, path)
    if corpus:
        given = [["", *row][1:] for row in rows]
        assert [row.id for row in corpus.rows] == list(dict.fromkeys(row[0] for row in given))
        first = {row[0]: row for row in reversed(given)}
        assert all(list(row.fields.values()) == first[row.id] for row in corpus.rows)


@target(
    text=st.one_of(
        words, damaged(b"dQw4w9WgXcQ\nhttps://host.example/a.mp4 # comment\n").map(lambda one: one.decode("latin-1"))
    )
)
def test_a_list_gives_rows_or_its_faulty_lines(folder, text):
    table = tried(TableError, ("list",), from_list, text)
    if table:
        path = folder / "list.csv"
        path.write_text(table.csv(), encoding="utf-8", newline="")
        tried(CorpusError, (path,), read_corpus, path)
        assert all(row["source"].lower().startswith("http") for row in table.rows)


@target(content=damaged(SPLITS))
def test_a_damaged_split_file_is_refused_or_means_what_it_says(folder, content):
    path = folder / "splits.csv"
    path.write_bytes(content)
    rows = tried(SplitError, (path,), read_splits, path)
    if rows:
        assert all(row.fold >= 0 and row.repeat >= 0 for row in rows)
        assert len({(row.video, row.repeat) for row in rows}) == len(rows)


@target(rows=st.lists(st.builds(Split, NAMES, NAMES, st.integers(0, 9), st.integers(0, 9)), max_size=5))
def test_split_files_come_back(folder, rows):
    path = folder / "written.csv"
    rows = list({(row.video, row.repeat): row for row in rows}.values())
    try:
        write_splits(path, rows)
    except UnicodeEncodeError:
        return  # half of a pair: no table holds it
    assert read_splits(path) == sorted(rows, key=lambda row: (row.video, row.repeat))


@target(content=damaged(PAIRS))
def test_a_damaged_table_of_pairs_is_refused(folder, content):
    path = folder / "pairs.csv"
    path.write_bytes(content)
    pairs = tried(DamagedFile, (path,), read_pairs, path)
    if pairs:
        write_pairs(path, pairs)
        assert [one.video for one in read_pairs(path)] == [one.video for one in pairs]
        assert all(isinstance(one, Pair) and 0 <= one.score <= 1.00005 for one in pairs)


@target(content=damaged(SHEET))
def test_a_damaged_sheet_is_refused(folder, content):
    path = folder / "sheet.csv"
    path.write_bytes(content)
    tried(RelabelError, (path,), filled, path)


@target(content=damaged(COOKIES))
def test_a_cookie_file_never_tells_its_content(folder, content):
    path = folder / "cookies.txt"
    path.write_bytes(content)
    try:
        text = read_cookies(str(path))
    except ValueError as error:
        told(error, path)
        assert "value" not in str(error)
    else:
        assert text is None or all(line.startswith("#") or line.count("\t") == 6 for line in text.split("\n") if line)


@target(content=damaged(COMPARISON, STATUS))
def test_damaged_tables_of_results_are_named(folder, content):
    path = folder / "results.csv"
    path.write_bytes(content)
    for read in (read_rows, read_cells, read_status):
        rows = tried(DamagedFile, (path,), read, path)
        assert rows is None or all(isinstance(row, dict) for row in rows)


@target(share=2, cell=words)
def test_no_cell_of_an_exported_table_is_a_formula(folder, cell):
    for safe in (formula_safe(cell), one_line(cell), guarded(cell)):
        assert safe[:1] not in ("=", "+", "-", "@", "\t", "\r"), safe
    assert not set("\t\n\r\0\x1b") & set(one_line(cell))
    assert unguarded({"a": formula_safe(cell)})["a"] == cell
