"""docs/networks.md holds the tables of the code."""

from support import CHECKOUT

from triptych.learn.networks.params import NETWORK_PARAMS, TRAINING
from triptych.learn.params import markdown


def test_the_docs_hold_the_tables_of_the_code():
    page = (CHECKOUT / "docs" / "networks.md").read_text()
    # What all heads share has one table.
    own = {
        head: {key: one for key, one in known.items() if key not in TRAINING} for head, known in NETWORK_PARAMS.items()
    }
    tables = {name: known for name, known in (own | {"training": TRAINING}).items() if known}
    for name, lines in markdown(tables).items():
        assert lines in page, f"docs/networks.md: the table of {name} differs; print it with params.markdown()"
