"""Names that would become paths: of studies and their parts, of captions and artefacts, of lists."""

import os
from pathlib import Path

import pytest
import yaml

from triptych.commands.table import from_list
from triptych.core.corpus import SLUG, CorpusError, read_corpus, slug_of
from triptych.core.files import digest_bytes
from triptych.core.paths import Paths, within
from triptych.core.status import OK, Manifest
from triptych.core.study import StudyError, parse_study
from triptych.media import fetch, fetch_info
from triptych.media.playlist import _entry

NAMES = (
    "../x",
    "..",
    ".",
    "/abs",
    "a/b",
    "a\\b",
    "$(touch x)",
    "`x`",
    "a b",
    "a;b",
    "{x}",
    "-x",
    "ü",
    "a\n",
    "a.b",
    "*",
    "",
)
NAMES += ("x" * 65,)
SECTIONS = {
    "encoders": {"use": "classic-image"},
    "features": {"from": "picture.frame"},
    "tasks": {"label": "topic", "group": "none"},
    "models": {"inputs": ["seen"]},
    "transcripts": {"use": "captions"},
    "relabel": {"use": "similarity", "labels": ["a", "b"], "encoder": "picture"},
    "summaries": {"use": "extractive"},
    "mapping": {"features": ["seen"], "task": "topic"},
    "match": {"encoder": "picture"},
    "imagine": {"encoder": "picture"},
}
BASE = {
    "study": "s",
    "corpus": "v.csv",
    "encoders": {"picture": {"use": "classic-image"}},
    "features": {"seen": {"from": "picture.frame"}},
    "tasks": {"topic": {"label": "topic", "group": "none"}},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("section", SECTIONS)
def test_names_of_parts_are_words(section, name):
    data = {**BASE, section: {**BASE.get(section, {}), name: SECTIONS[section]}}
    with pytest.raises(StudyError, match="a name has letters, digits"):
        parse_study(data)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_study_is_a_word(name):
    with pytest.raises(StudyError, match="study: a name has letters"):
        parse_study({**BASE, "study": name})


@pytest.mark.parametrize("cell", ["../x", "a/b", "a b", "$(x)", "x" * 33, "\u202e"])
def test_a_fold_is_a_word(tmp_path, cell):
    (tmp_path / "v.csv").write_text(f"id,fold\na,{cell}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="fold"):
        read_corpus(tmp_path / "v.csv")


@pytest.mark.parametrize("title", ["../../x", "/etc/passwd", "$(touch x)", "a\0b", "..\\..\\x", "x" * 5000])
def test_titles_and_ids_of_a_playlist_are_no_paths(title):
    row = _entry({"id": title, "title": title}, "https://host.example/a")
    assert SLUG.fullmatch(slug_of(row["id"] or "v"))
    assert "\n" not in row["title"]


def test_addresses_of_a_list_give_plain_ids():
    text = "https://host.example/%2e%2e/%2e%2e/etc/passwd\nhttps://host.example/a%00b%2F..%2Fc.mp4\nhttps://host.example/..\n"
    for row in from_list(text).rows:
        assert SLUG.fullmatch(slug_of(row["id"])) and "/" not in row["id"]


@pytest.mark.parametrize("language", ["../x", "en/../../x", "en.sh", "en x", "", "en\n"])
def test_languages_of_a_site_are_no_paths(language):
    track = [{"ext": "vtt", "url": "https://host.example/x"}]
    assert fetch_info.choose_captions({"subtitles": {language: track}}, [language]) == []
    assert fetch_info.choose_captions({"subtitles": {"en": [{"ext": "../../x", "url": "https://x"}]}}, ["en"]) == []


def test_a_manifest_cannot_name_files_of_others(tmp_path):
    """Who changes a manifest changes what is kept; neither is read nor removed what lies elsewhere."""
    paths = Paths("s", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))
    foreign = tmp_path / "foreign.vtt"
    foreign.write_bytes(b"WEBVTT\n")
    artefact = {"path": "../../../foreign.vtt", "sha256": digest_bytes(b"WEBVTT\n"), "bytes": 7}
    params = {"format": "b", "captions": [], "keep_sources": True, "max_bytes": 10**9}
    made = Manifest("a", "fetch", OK, fetch._key("https://x", params), {"media": artefact, "captions": artefact})
    made.write(paths.manifest("fetch", "a"))
    assert fetch._kept(paths, "a", "https://x", params) is None
    fetch._remove_files(paths, "a", Manifest.read(paths.manifest("fetch", "a")))
    assert foreign.is_file()


def test_captions_of_a_manifest_are_files_of_its_video(tmp_path):
    """All downloads of a study lie in one folder: what is named there may be another's."""
    paths = Paths("s", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))
    media = Path(paths.media("a"))
    media.parent.mkdir(parents=True)
    Path(paths.manifest("fetch", "a")).parent.mkdir(parents=True)
    own = [media.with_name(name) for name in ("a.en.vtt", "a.en-GB.srt")]
    others = [media.with_name(name) for name in ("b.media", "b.en.vtt", "a.b.en.vtt", "a.media", "a.en.mp4")]
    artefacts = {}
    for number, path in enumerate((*own, *others)):
        path.write_bytes(b"x")
        told = os.path.relpath(path, Path(paths.manifest("fetch", "a")).parent)
        artefacts[f"captions.{number}"] = {"path": told, "sha256": digest_bytes(b"x"), "bytes": 1}
    fetch._remove_captions(paths, "a", Manifest("a", "fetch", OK, "", artefacts), set())
    assert sorted(media.parent.iterdir()) == sorted(others)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "link/x"])
def test_within_is_kept(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    with pytest.raises(ValueError, match="leads outside"):
        within(root, root / path)
    assert within(root, root / "a" / "b") == root / "a" / "b"


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch canary']",
        "!!python/name:os.system",
        "!!python/object/new:os.system [touch canary]",
        "!!python/module:os",
        "!include /etc/passwd",
        "!ENV ${HOME}",
    ],
)
def test_tags_of_yaml_make_nothing(tmp_path, tag, monkeypatch):
    from triptych.commands.check import CheckError, load_file

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(f"{yaml.safe_dump(BASE)}report:\n  title: {tag}\n")
    with pytest.raises(CheckError, match="could not determine a constructor"):
        load_file(path)
    assert not (tmp_path / "canary").exists()


def levels(line, first, each):
    """Lines that repeat the line before them many times over."""
    return first + "".join(line.format(i=i, many=", ".join([f"*a{i - 1}"] * each)) for i in range(1, 12))


BOMBS = {
    "lists": levels("a{i}: &a{i} [{many}]\n", "a0: &a0 [x, x, x]\n", 9),
    "merges": levels("a{i}: &a{i} {{<<: [{many}]}}\n", "a0: &a0 {x: 1}\n", 20),
    "circle": "study: s\ncorpus: v.csv\nencoders: {a: {use: classic-image, params: {a: &a [*a]}}}\n",
    "depth": "a: " + "{a: " * 2000,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_few_lines_do_not_fill_the_memory(tmp_path, kind):
    from triptych.commands.check import CheckError, load_file

    path = tmp_path / "study.yaml"
    path.write_text(BOMBS[kind])
    with pytest.raises(CheckError, match=r"repeat more than|nested too deeply"):
        load_file(path)
