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
    groups, n_delays, bins = plan.rows.shape
    for c, p, ell in [(0, 0, 0), (0, 3, 5), (1, 7, 2), (groups - 1, n_delays - 1, bins - 1)]:
        bits = ell >> np.arange(plan.bits) & 1
        expected = (plan.matrices[c].astype(int) @ bits + plan.offsets[c] + shifts[p]) % 2
        np.testing.assert_array_equal(coalitions[plan.rows[c, p, ell]], expected.astype(bool))


def test_uniform_ones_come_last_and_none_of_them_is_coded():
    plan = plan_spex(60, 3000, 5, rng())
    assert plan.n_uniform > 0
    assert plan.rows.max() < 3000 - plan.n_uniform
    assert 0.45 < plan.coalitions[-plan.n_uniform :].mean() < 0.55


def test_the_design_is_the_largest_that_fits():
    groups, bits, t = largest_design(60, 5000, 5)
    block = BCH(60, t).p + 1
    assert t == 5
    coded = 5000 - 1 - 250  # the full coalition, and a twentieth that no decoder sees
    assert groups * block * 2**bits <= coded
    assert (groups + 1) * block * 2**bits > coded  # not one group more
    assert 3 * block * 2 ** (bits + 1) > coded  # nor three groups of twice as many bins


def test_the_degree_is_lowered_for_small_budgets_only():
    degrees = [largest_design(60, budget, 5) for budget in (100, 300, 400, 800, 1000)]
    assert [d and d[2] for d in degrees] == [None, 1, 2, 5, 5]


def test_equal_seeds_plan_alike_and_others_do_not():
    one, same, other = (plan_spex(40, 900, 5, rng(seed)).coalitions for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_shorter_code_than_the_reference_saves_what_the_facts_say():
    # Published counts of delays without the zero one: dimension >= n needs 35 at n = 60 and 55
    # at n = 1,000; length >= n needs 27 and 50.
    assert [BCH(n, 5).p for n in (60, 1000)] == [27, 50]


@pytest.mark.parametrize(("n", "budget"), [(60, 3000), (200, 5000)])
def test_print_names_the_design(n, budget):
    plan = plan_spex(n, budget, 5, rng())
    text = str(plan)
    for part in (f"{budget} distinct", f"{n} players", f"b={plan.bits}", f"t={plan.code.t}"):
        assert part in text
