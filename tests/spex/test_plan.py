from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapiq_spex.coding.bch import BCH
from shapiq_spex.spex.plan import delays, largest_design, plan_spex


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(3, 80),
    extra=st.integers(0, 2000),
    degree=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_every_coalition_is_paid_once_and_the_budget_is_used_up(n, extra, degree, seed):
    budget = min(n + 2 + extra, 2**n)
    plan = plan_spex(n, budget, degree, rng(seed))
    if plan is None:
        assert largest_design(n, budget, degree) is None
        return
    rows = plan.coalitions
    assert len(rows) == budget == len(np.unique(rows, axis=0))
    assert not rows[0].any()
    assert rows.all(axis=1).sum() == 1
    assert plan.code.t <= degree


def test_coded_coalitions_are_those_of_the_formula():
    plan = plan_spex(30, 2500, 3, rng())
    coalitions, shifts = plan.coalitions, delays(plan.code)
    assert len(set(plan.bits)) > 1  # groups of several sizes
    for rows, matrix in zip(plan.rows, plan.matrices, strict=True):
        for p, ell in [(0, 0), (0, 5), (7, 2), (len(rows) - 1, rows.shape[1] - 1)]:
            bits = ell >> np.arange(matrix.shape[1]) & 1
            expected = (matrix.astype(int) @ bits + shifts[p]) % 2
            np.testing.assert_array_equal(coalitions[rows[p, ell]], expected.astype(bool))


def test_uniform_ones_come_last_and_none_of_them_is_coded():
    plan = plan_spex(60, 3000, 5, rng())
    assert plan.n_uniform > 0
    assert max(rows.max() for rows in plan.rows) < 3000 - plan.n_uniform
    assert 0.45 < plan.coalitions[-plan.n_uniform :].mean() < 0.55


@pytest.mark.parametrize("budget", [750, 1000, 2000, 5000, 20_000])
def test_the_design_leaves_no_room_for_another_group(budget):
    bits, t = largest_design(60, budget, 5)
    assert t == 5
    block = BCH(60, t).p + 1
    coded = budget - 1 - min(max(budget // 20, 20), 100)  # the full one, and some no decoder sees
    cost = block * (sum(2**b for b in bits) - len(bits) + 1)
    assert coded - block * 2**3 < cost <= coded
    assert list(bits) == sorted(bits, reverse=True)
    assert bits[0] - bits[2] <= 1


def test_the_published_design_at_ten_thousand_players_fits_its_budget():
    # 3 x 2^8 x 71 masks, of which the groups share 2 x 71.
    assert largest_design(10_000, 54_528, 5) == ((8, 8, 8), 5)


def test_the_degree_is_lowered_for_small_budgets_only():
    degrees = [largest_design(60, budget, 5) for budget in (100, 400, 500, 800, 1000)]
    assert [d and d[1] for d in degrees] == [None, None, 3, 5, 5]
    assert largest_design(60, 300, 1)[1] == 1


def test_equal_seeds_plan_alike_and_others_do_not():
    one, same, other = (plan_spex(40, 900, 5, rng(seed)).coalitions for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("n", "saved"), [(12, 0.54), (15, 0.46), (37, 0.22), (60, 0.22), (93, 0.12), (1000, 0.09)]
)
def test_a_code_as_long_as_there_are_players_saves_delays(n, saved):
    # The published design takes players for information bits, a code of dimension >= n.
    codes = (BCH(2**m - 1, 5) for m in range(4, 12))
    published = next(code.p for code in codes if code.n - code.p >= n)
    assert round(1 - (BCH(n, 5).p + 1) / (published + 1), 2) == saved


@pytest.mark.parametrize(("n", "budget"), [(60, 3000), (200, 5000)])
def test_print_names_the_design(n, budget):
    plan = plan_spex(n, budget, 5, rng())
    text = str(plan)
    for part in (
        f"{budget} distinct",
        f"{n} players",
        f"{2 ** plan.bits[0]} +",
        f"t={plan.code.t}",
    ):
        assert part in text
