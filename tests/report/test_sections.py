"""Parts of the page that other stages write: shown where a study has them, and stopped where they are not inert."""

import pytest

from triptych.core.paths import Paths
from triptych.report import duplicates_section, mapping_section, match_section, page, sections

PATHS = Paths("t", "results")


def test_parts_are_asked_only_where_the_study_has_them(monkeypatch):
    for module in (duplicates_section, mapping_section, match_section):
        words = f'<section id="{module.__name__[-5:]}"><h2>A &amp; B</h2></section>'
        monkeypatch.setattr(module, "section", lambda study, paths, words=words: words)
    bare = {"duplicates": {"use": [], "features": {}}, "mapping": {}, "match": {}, "imagine": {}}
    assert sections.others(bare, PATHS) == ""
    assert sections.others({**bare, "duplicates": {"use": ["content"], "features": {}}}, PATHS).count("<section") == 1
    everything = {**bare, "mapping": {"m": {}}, "imagine": {"i": {}}, "duplicates": {"use": [], "features": {"f": 0.9}}}
    assert sections.others(everything, PATHS).count("A &amp; B") == 3


@pytest.mark.parametrize(
    "html",
    [
        "<script>1</script>",
        "<p onclick='x'>a</p>",
        '<img src="https://elsewhere.example/a.png" alt="">',
        '<img src="data:text/html;base64,AAAA">',
        '<a href="javascript:alert(1)">a</a>',
        '<a href="//elsewhere.example">a</a>',
        '<p style="color: red">a</p>',
        "<!-- a --><p>a</p>",
        "<iframe></iframe>",
        "<svg><script>1</script></svg>",
    ],
)
def test_what_could_run_or_load_stops_the_report(html):
    with pytest.raises(sections.SectionError):
        sections.inert(html)


def test_plain_parts_pass_as_they_are():
    html = (
        '<section id="x" aria-labelledby="h"><h2 id="h">A &lt;b&gt;</h2><div class="scroll"><table><tr><td>1</td></tr>'
        '</table></div><img src="data:image/png;base64,AAAA" alt="a"><a href="#videos">a</a>'
        '<img src="../crossmodal/a.svg" alt=""></section>'
    )
    assert sections.inert(html) == html
    rendered = page.render({"title": "t", "x": "{{others}}"}, html)
    assert rendered.count(html) == 1 and '<div id="others"><section' in rendered
