"""Two results folders for the tests of this folder, made once."""

import pytest
from report.results_folder import HOSTILE_CLASS, WORDS, make, rows_of

#: One learning curve too.
CURVED = {"bootstrap": 200, "permutations": 500, "curves": ["said"], "curve_shares": [0.5, 1.0], "curve_draws": 1}


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A study with hostile titles, names, ids, sources and transcripts: (folder, study, paths, rows)."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = rows_of(24, (HOSTILE_CLASS, *list(WORDS)[1:]), hostile=True)
    encoders = {name: {"use": f"classic-{what}"} for name, what in (("picture", "image"), ("sound", "audio"))}
    changes = {"encoders": encoders | {"objects": {"use": "detector", "model": "models/none"}}}
    changes |= {"evaluate": CURVED}
    return (folder, *make(folder, rows, **changes), rows)


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Two tasks, one not grouped, one with several labels; pictures of two videos embedded."""
    folder = tmp_path_factory.mktemp("plain")
    rows = rows_of(24)
    for number, row in enumerate(rows):
        row["fields"]["tags"] = ";".join(tag for tag, each in (("a", 2), ("b", 3), ("c", 4)) if number % each == 0)
    changes = {
        "tasks": {
            "topic": {"label": "topic", "group": "none", "folds": 2, "repeats": 2},
            "tags": {"label": "tags", "group": "film", "folds": 2, "multi_label": True, "min_groups": "allow"},
        },
        "models": {"seen": {"inputs": ["frames"], "head": "logistic"}, "heard": {"inputs": ["heard"], "head": "knn"}},
        "report": {"title": "Plain", "embed_videos": 2},
    }
    return (folder, *make(folder, rows, **changes), rows)
