"""Which masks the null control asks for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from approximators import sparse_game
from shapiq_spex import ProxySPEX
from shapiq_spex.simple import LeaveOneOut
from shapiq_spex.validation import nulls
from shapiq_spex.validation.standins import Drawn

N = 12


class Watched(Drawn):
    """Says which masks a null game was asked for."""

    asked: ClassVar[set[bytes]] = set()

    def __call__(self, coalitions):
        self.asked.update(map(bytes, coalitions))
        return super().__call__(coalitions)


@pytest.mark.parametrize(
    ("method", "how"), [(ProxySPEX, {}), (LeaveOneOut, {}), (ProxySPEX, {"tolerance": 0.02})]
)
def test_null_games_are_asked_for_as_many_masks_as_the_result(monkeypatch, method, how):
    result = method(n=N, random_state=4).recover(400, sparse_game, **how)
    assert (result.n_evaluations < 400) == bool(how)
    monkeypatch.setattr(Watched, "asked", set())
    monkeypatch.setattr(nulls, "Drawn", Watched)
    nulls.null_control(
        result,
        method(n=N, random_state=4),
        index="BII",
        max_order=2,
        repeats=1,
        rng=np.random.default_rng(0),
    )
    assert len(Watched.asked) == result.n_evaluations
    # The masks are those of the result, unless it stopped before its plan was used up.
    assert (Watched.asked == set(map(bytes, result.plan.coalitions))) == (not how)
