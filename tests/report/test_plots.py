"""The picture of a comparison."""

import xml.etree.ElementTree as ET

from PIL import Image

from triptych.report import plots


def test_forest_names_every_model_with_its_score(hostile, tmp_path):
    paths = hostile[2]
    plots.forest(paths.comparison("topic"), tmp_path / "a.svg", "Demo $x$ <b>")
    plots.forest(paths.comparison("topic"), tmp_path / "b.svg", "Demo $x$ <b>")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    texts = {"".join(one.itertext()) for one in ET.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"majority", "prior", "seen", "heard", "said", "late", "Demo $x$ <b>"} <= texts
    assert any("n = 24" in text for text in texts)


def test_forest_as_png_and_with_several_labels(plain, tmp_path):
    plots.forest(plain[2].comparison("tags"), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 900 and image.height > 250
