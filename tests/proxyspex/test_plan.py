from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from shapiq_spex.proxyspex.plan import plan_uniform


def draw(n, budget, seed=0):
    return plan_uniform(n, budget, np.random.default_rng(seed)).coalitions


@pytest.mark.parametrize(
    ("n", "budget"),
    [
        (1, 2),
        (2, 2),
        (2, 4),
        (5, 7),
        (5, 31),
        (5, 32),
        (20, 3000),
        (21, 3000),
        (64, 66),
        (1100, 1102),
    ],
)
def test_the_ends_come_first_and_everything_is_distinct(n, budget):
    coalitions = draw(n, budget)
    assert coalitions.dtype == bool
    assert coalitions.shape == (budget, n)
    assert not coalitions[0].any()
    assert coalitions[1].all()
    assert len(np.unique(coalitions, axis=0)) == budget


@pytest.mark.parametrize("n", [12, 20, 21, 70])
def test_equal_generators_give_equal_plans_and_others_do_not(n):
    np.testing.assert_array_equal(draw(n, 50), draw(n, 50))
    assert (draw(n, 50) != draw(n, 50, seed=1)).any()


@pytest.mark.parametrize("n", [20, 21, 40])
def test_players_come_and_go_as_fair_coins(n):
    """4,000 fair coins have a mean within five standard deviations, 5 / (2 sqrt(4000)) = 0.04."""
    signs = 1.0 - 2.0 * draw(n, 4002)[2:]
    products = signs.T @ signs / 4000
    assert np.abs(signs.mean(axis=0)).max() < 2 * 0.04
    assert np.abs(products - np.eye(n)).max() < 2 * 0.04


def test_every_other_coalition_is_equally_likely():
    """Two of six: in 3,000 draws each about 1,000 times, standard deviation 26."""
    rng = np.random.default_rng(0)
    drawn = Counter(
        row.tobytes() for _ in range(3000) for row in plan_uniform(3, 4, rng).coalitions[2:]
    )
    assert len(drawn) == 6
    assert max(abs(count - 1000) for count in drawn.values()) < 5 * 26


def test_nearly_all_of_many_coalitions_can_be_drawn():
    coalitions = draw(15, 2**15 - 1)
    assert len(np.unique(coalitions, axis=0)) == 2**15 - 1


def test_a_plan_prints_itself_and_stays():
    plan = plan_uniform(5, 9, np.random.default_rng(0))
    assert str(plan) == "9 distinct coalitions of 5 players: empty, full and 7 uniform ones"
    with pytest.raises(FrozenInstanceError):
        plan.coalitions = plan.coalitions
