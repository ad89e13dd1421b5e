"""The report's part on mappings: all numbers, nothing that becomes mark-up, and nothing where there is nothing."""

import html.parser
import json
from pathlib import Path

import pytest
from crossmodal.world import World, linked

from triptych.core.paths import Paths
from triptych.crossmodal import picture
from triptych.report.mapping_section import section


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def paths(tmp_path):
    paths, world = Paths("s", str(tmp_path)), World(tmp_path, films=12)
    for name, values in zip(("one", "two"), linked(world), strict=True):
        world.feature(name, values)
    told = world.run("one", "two", methods=["ridge"])
    told["pairs"].append({"source": "a", "target": "b", "n": 0, "note": "<script>x</script>", "methods": {}})
    (tmp_path / "s" / "crossmodal" / "mapping").mkdir(parents=True)
    Path(paths.mapping("panels", "json")).write_text(json.dumps(told))
    picture.draw(paths.mapping("panels", "svg"), {**told, "pairs": told["pairs"][:2]}, "<b>title</b>")
    return paths


def test_a_row_for_each_null_and_method(paths):
    found = Tags(section({"mapping": {"panels": {}, "not_made": {}}}, paths))
    assert found.names.count("tr") == 1 + 2 * 3 + 1 and found.names.count("img") == 1
    assert found.words.count("class centroid") == found.words.count("mean vector") == found.words.count("ridge") == 2
    assert "script" not in found.names and "<script>x</script>" in found.words


def test_nothing_where_there_is_nothing(tmp_path):
    assert section({"mapping": {"panels": {}}}, Paths("s", str(tmp_path))) == ""
    assert section({}, Paths("s", str(tmp_path))) == ""
