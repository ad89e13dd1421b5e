"""The page on transcripts names every recogniser and parameter with its default."""

import pytest
from support import CHECKOUT

from triptych.speech import base, quality

PAGE = (CHECKOUT / "docs" / "transcripts.md").read_text()


def row(name, param):
    default = str(param.default).lower() if isinstance(param.default, bool) else param.default
    return f"| `{name}` | {'none' if default == '' else default} | {param.help} |"


@pytest.mark.parametrize("use", base.RECOGNISERS)
def test_every_parameter_is_explained(use):
    card = base.find(use).card
    assert f"| `{use}` |" in PAGE and f'"triptych[{card.extra}]"' in PAGE
    part = PAGE.partition(f"\n## {use}\n")[2].partition("\n## ")[0]
    for name, param in card.parameters.items():
        assert row(name, param) in (PAGE if name in quality.PARAMETERS else part), f"docs/transcripts.md: {use}.{name}"
