"""Profiles of the fuzzing, and the count of its examples, told with the results of each test."""

import pytest
from hypothesis import HealthCheck, Phase, settings

#: All but the explanations of a failure, which cost minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)

#: `make test`: the same examples each time, few of them.
settings.register_profile(
    "fuzz", deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck], phases=PHASES
)
#: `make fuzz`: other examples each time, `FUZZ_EXAMPLES` of them; what failed is tried first the next time.
settings.register_profile(
    "fuzz-long", deadline=None, suppress_health_check=[*HealthCheck], phases=PHASES, print_blob=True
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The only folder that a target may write to."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(autouse=True)
def _counted(request):
    """Tell how many examples a test took; the summary at the end adds them up (`tests/conftest.py`)."""
    from fuzz.target import ENDED, EXAMPLES

    before, ended = EXAMPLES.copy(), ENDED.copy()
    yield
    for name, number in (EXAMPLES - before).items():
        request.node.user_properties.append(("examples", [name, number]))
    for name, number in (ENDED - ended).items():
        request.node.user_properties.append(("ended", [name, number]))
