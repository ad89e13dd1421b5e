"""The report's section on near-duplicates: what was found, what was left out, and nothing that runs."""

import json

from report.results_folder import HOSTILE

from triptych.core.paths import Paths
from triptych.learn.pairs import Pair, write_pairs
from triptych.report import sections
from triptych.report.duplicates_section import LISTED, section

STUDY = {"tasks": {"topic": {"duplicates": "refuse"}, "mood": {"duplicates": "ignore"}}}


def test_refusals_and_contradictions_are_told_and_escaped(tmp_path):
    paths = Paths("s", str(tmp_path))
    assert section(STUDY, paths) == ""
    pairs = [Pair("a", f"b{number:04d}", "pictures", 0.8) for number in range(LISTED + 5)]
    write_pairs(paths.duplicates, [*pairs, Pair("c", "d", "sound", 1.0)])
    folder = tmp_path / "s" / "tasks" / "topic"
    folder.mkdir(parents=True)
    (folder / "refused.json").write_text(
        json.dumps({"refused": {"d": {"duplicate_of": "c", "by": "sound", "score": 1.0}}})
    )
    head = "video,other,by,score,group,other_group,labels,other_labels,contradiction,outcome\n"
    hostile = HOSTILE[0].replace('"', "'")
    (folder / "duplicates.csv").write_text(head + f'c,d,sound,1.0000,g,h,"{hostile}",\'=y,yes,refused d\n')
    text = section(STUDY, paths)
    assert "<td>d</td><td>c</td><td>sound</td><td>1.00</td>" in text
    assert "1 pair of labelled videos; 1 video left out" in text
    assert (
        sections.inert(text) == text
        and "<script>" not in text
        and "&lt;script&gt;" in text
        and "different labels" in text
    )
    assert "<td>=y</td>" in text  # the table guards spreadsheets, the page runs no formulas
    assert f"The first {LISTED} of {LISTED + 6}" in text and "listed only" in text


def test_nothing_found_is_told(tmp_path):
    paths = Paths("s", str(tmp_path))
    write_pairs(paths.duplicates, [])
    assert "No two videos are the same" in section({"tasks": {}}, paths)
