"""What the tests over the table of approximators share."""

from __future__ import annotations

from functools import partial

import pytest

from approximators import ADAPTIVE, APPROXIMATORS, named


@pytest.fixture(params=APPROXIMATORS | ADAPTIVE)
def make(request):
    """One approximator after the other."""
    return partial(named, request.param)
