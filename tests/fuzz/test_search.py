"""The argument of `triptych search`, through the command, over planted embeddings and a real tokenizer."""

import json

import numpy as np
import pytest
from fuzz.damage import words
from fuzz.target import target
from hypothesis import strategies as st
from typer.testing import CliRunner

from triptych import cli
from triptych.core.cells import printable
from triptych.core.store import Entry, write_store
from triptych.crossmodal import search as crossmodal
from triptych.encoders import registry

TITLES = 'id,title\na,"A \x1b[31mred \u202etitle"\nb,=cmd()\n'
SECTION = {"use": "minilm", "text": ["title"]}
query = st.text(max_size=60).filter(lambda one: not one.startswith("-")) | words


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two videos with planted embeddings; words are embedded by MiniLM itself, loaded once."""
    place = tmp_path_factory.mktemp("search")
    (place / "videos.csv").write_text(TITLES, encoding="utf-8")
    (place / "study.yaml").write_text(
        json.dumps(
            {
                "study": "s",
                "corpus": str(place / "videos.csv"),
                "results": str(place / "results"),
                "shards": 1,
                "encoders": {"mini": SECTION},
            }
        )
    )
    generator = np.random.default_rng(0)
    entries = [
        Entry(
            video,
            video,
            arrays={"embedding": generator.normal(size=(1, 384)).astype(np.float32)},
            times={"embedding": np.zeros((1, 2))},
        )
        for video in "ab"
    ]
    write_store(place / "results/s/embeddings/mini/0.h5", entries)
    made = registry.made_from({**SECTION, "params": {}})
    made.load("cpu")
    made.load = lambda device: None
    known, crossmodal.registry.made_from = registry.made_from, lambda section: made
    yield place
    crossmodal.registry.made_from = known


@target(share=0.1, text=query, as_json=st.booleans())
def test_any_words_are_searched_for(study, folder, text, as_json):
    arguments = ["search", "--configfile", str(study / "study.yaml"), *(["--json"] if as_json else []), "--", text]
    ran = CliRunner().invoke(cli.app, arguments)
    assert ran.exit_code in (0, 1), ran.output
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert "\x1b" not in ran.output and "\u202e" not in ran.output
    if ran.exit_code == 0 and as_json:
        told = json.loads(ran.stdout)
        assert len(told["results"]) == 2 and told["query"] == text
    if ran.exit_code:
        assert ran.output.startswith("triptych: ")


@target(share=3, text=words, longest=st.integers(1, 90))
def test_what_a_terminal_is_shown_steers_nothing(folder, text, longest):
    shown = printable(text, longest)
    assert shown.isprintable() and len(shown) <= longest
