from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """More than one only slows tiny models down."""
    if (torch := sys.modules.get("torch")) is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
