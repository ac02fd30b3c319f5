from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from shapiq_spex.proxyspex.plan import plan_masks


def draw(n, budget, seed=0):
    return plan_masks(n, budget, np.random.default_rng(seed)).coalitions


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
        row.tobytes() for _ in range(3000) for row in plan_masks(3, 4, rng).coalitions[2:]
    )
    assert len(drawn) == 6
    assert max(abs(count - 1000) for count in drawn.values()) < 5 * 26


def test_nearly_all_of_many_coalitions_can_be_drawn():
    coalitions = draw(15, 2**15 - 1)
    assert len(np.unique(coalitions, axis=0)) == 2**15 - 1


# ---------------------------------------------------------------------- near the ends
@pytest.mark.parametrize(
    ("n", "budget", "n_near"),
    [(3, 7, 0), (4, 15, 0), (6, 47, 0), (6, 48, 12), (6, 63, 14), (21, 300, 74), (130, 1040, 260)],
)
def test_a_quarter_is_near_the_ends_once_these_have_room_for_the_border(n, budget, n_near):
    plan = plan_masks(n, budget, np.random.default_rng(0), near=True)
    near, sizes = plan.coalitions[2 : 2 + n_near], plan.coalitions.sum(axis=1)
    assert plan.n_near == n_near
    assert len(np.unique(plan.coalitions, axis=0)) == budget
    assert plan.near == (slice(2, 2 + n_near) if n_near else None)
    assert sizes[:2].tolist() == [0, n]
    if n_near:
        border = Counter(near[: 2 * n].sum(axis=1).tolist())
        assert border == {1: n, n - 1: n}
        assert set(sizes[2 + 2 * n : 2 + n_near]) <= set(range(2, n - 1))
        np.testing.assert_array_equal(near[2 * n :: 2], ~near[2 * n + 1 :: 2])


def test_pairs_have_the_sizes_of_the_shapley_kernel():
    """10,000 pairs; few sets of three players and more come twice and are drawn anew."""
    n, budget = 200, 4 * 20400
    plan = plan_masks(n, budget, np.random.default_rng(0), near=True)
    drawn = plan.coalitions[2 + 2 * n : 2 + plan.n_near : 2]
    sizes = np.arange(2, n - 1)
    shares = 1 / (sizes * (n - sizes)) / (1 / (sizes * (n - sizes))).sum()
    found = np.bincount(drawn.sum(axis=1), minlength=n)[2 : n - 1] / len(drawn)
    assert len(drawn) == 10_000
    # Of the sizes 2 and n - 2 with a share of 0.05 each, one in forty comes twice.
    assert np.abs(found - shares)[1:-1].max() < 5 * np.sqrt(0.035 / len(drawn)) + 0.1 / 40


def test_uniform_plans_do_not_depend_on_what_is_said_of_the_ends():
    few = [plan_masks(30, 100, np.random.default_rng(0), near=near) for near in (False, True)]
    np.testing.assert_array_equal(few[0].coalitions, few[1].coalitions)


def test_a_plan_prints_itself_and_stays():
    plan = plan_masks(5, 9, np.random.default_rng(0))
    assert str(plan) == (
        "9 distinct coalitions of 5 players: empty, full and 7 uniform ones, 3 of them moved apart"
    )
    with pytest.raises(FrozenInstanceError):
        plan.coalitions = plan.coalitions
    near = plan_masks(10, 100, np.random.default_rng(0), near=True)
    assert str(near) == (
        "100 distinct coalitions of 10 players: empty, full, 20 next to them, 4 in complementary "
        "pairs of the Shapley kernel's sizes and 74 uniform ones, 37 of them moved apart"
    )
