"""Fine-tuned text: learns a planted word, gives the same bytes twice, takes over finished fits, leaves a checkpoint."""

import itertools
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from learn.world import World, accuracy, table
from tiny import text as tiny

from triptych.core.config import Model
from triptych.learn import params
from triptych.learn.networks import checkpoint, finetune, spill
from triptych.learn.networks.finetune import FineTuned
from triptych.learn.text import TextRows

TASK = {"label": "topic", "group": "film", "folds": 3}
PLANTED = {"sea": "ships", "zoo": "dog", "bank": "shares"}
#: Of the tokenizer's own sentences, and none that tells a class.
FILL = "in the and a of on after was calm to late because".split()
#: A random body has all to learn.
QUICK = {"epochs": 12, "learning_rate": 5e-3, "batch": 8, "validation": 0.2, "patience": 4, "max_length": 16}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.build_distilbert(tmp_path_factory.mktemp("base") / "distilbert", longest=32)


def sentences(rows: list[dict], words: int = 6, seed: int = 0) -> dict[str, str]:
    """Filler, and in a labelled row the word of its class somewhere."""
    random = np.random.default_rng(seed)
    found = {}
    for number, row in enumerate(sorted(rows, key=lambda row: row["slug"])):
        said = random.choice(FILL, words).tolist()
        labels = [one for one in row["fields"]["topic"].split(";") if one] or [sorted(PLANTED)[number % 3]]
        for label in labels:
            said.insert(int(random.integers(len(said) + 1)), PLANTED[label])
        found[row["slug"]] = " ".join(said)
    return found


def world(folder, sizes=None, unlabelled=0, **task) -> World:
    rows = table(sizes or {name: [2] * 6 for name in PLANTED}, unlabelled)
    one = World(folder, rows, {**TASK, **task}).prepare()
    one.texts = sentences(rows)
    return one


def section(base, seeds=1, **changes) -> dict:
    return {
        "text": ["words"],
        "head": "finetune",
        "seeds": seeds,
        "params": {"model": str(base), **QUICK, **changes},
    }


def test_a_planted_word_is_learned_out_of_fold_and_the_same_bytes_come_twice(tmp_path, base):
    one = world(tmp_path, unlabelled=3)
    found = one.run("m", section(base))
    assert accuracy(found) > 0.9
    first = (tmp_path / "m.parquet").read_bytes()
    one.run("m", section(base))
    assert (tmp_path / "m.parquet").read_bytes() == first
    assert not (tmp_path / "m.parquet.parts").exists()
