"""What the tests of this folder share."""

import pytest


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side."""
    import torch

    torch.set_num_threads(1)
