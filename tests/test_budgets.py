"""What a budget buys, to every approximator: how much is asked for, and what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import naive
from approximators import (
    ADAPTIVE,
    APPROXIMATORS,
    PARTIAL,
    STOPPING,
    N,
    Recorder,
    as_dict,
    named,
    random_table,
    seen,
    sparse_game,
)


@pytest.mark.parametrize("budget", PARTIAL)
def test_the_budget_is_spent_to_the_last_row_on_distinct_coalitions(make, budget):
    rows = seen(make(), budget)
    assert rows.dtype == bool
    assert rows.shape == (budget, N)
    assert len(np.unique(rows, axis=0)) == budget
    assert (~rows).all(axis=1).sum() == rows.all(axis=1).sum() == 1


@pytest.mark.parametrize("budget", [2**N, 2**N + 1, 5000])
def test_more_than_all_coalitions_are_never_asked_for(make, budget):
    rows = seen(make(), budget)
    assert len(rows) == len(np.unique(rows, axis=0)) == 2**N


def test_one_coalition_less_than_all_is_no_problem(make):
    rows = seen(make(n=5), 31, lambda x: x.sum(axis=1))
    assert len(np.unique(rows, axis=0)) == len(rows) == 31


def test_a_budget_beyond_all_coalitions_pays_each_once_and_is_exact(make):
    table = random_table(N)
    recorder = Recorder(naive.as_game(table))
    found = make(index="SII", max_order=2).approximate(5000, recorder)
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == 1024
    assert as_dict(found) == pytest.approx(naive.sii(table, 2), abs=1e-10)


@pytest.mark.parametrize("budget", [0, -1, 1, 11, 700.0, 12.5, True, "100", None, np.float64(100)])
def test_budgets_that_do_not_do_name_the_minimum_before_anything_is_paid(make, budget):
    recorder = Recorder(sparse_game)
    message = f"whole number of at least 12 coalitions for n=10 players, got {budget!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        make().approximate(budget, recorder)
    assert recorder.blocks == []


@pytest.mark.parametrize(("n", "least"), [(1, 2), (2, 4), (3, 5), (5, 7), (100, 102)])
def test_the_named_minimum_works(make, n, least):
    with pytest.raises(ValueError, match=f"at least {least} coalitions for n={n}"):
        make(n=n).approximate(least - 1, lambda x: 1.0 * x[:, 0])
    found = make(n=n, index="SV").approximate(least, lambda x: 1.0 * x[:, 0])
    assert np.isfinite(found.values).all()


# ---------------------------------------------------------------------- tolerances
@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("tolerance", [0.05, np.float32(0.05)])
def test_a_tolerance_leaves_budget_over_and_is_on_the_bill(name, tolerance):
    recorder = Recorder(sparse_game)
    found = named(name, n=12).recover(4000, recorder, tolerance=tolerance)
    assert found.n_evaluations == len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) < 2000
    assert found.reason.startswith(f"levelled off at {found.n_evaluations} of 4000 coalitions")
    bill = found.ledger.as_record()
    assert (bill["budget"], bill["masks"]) == (4000, found.n_evaluations)
    assert json.loads(json.dumps(bill))["tolerance"] == float(tolerance)


@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("tolerance", [0, 1, -0.1, 2.0, float("nan"), "0.1", True])
def test_a_tolerance_out_of_range_is_refused_before_anything_is_paid(name, tolerance):
    recorder = Recorder(sparse_game)
    message = f"ProxySPEX needs a tolerance between 0 and 1, got {tolerance!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        named(name).recover(100, recorder, tolerance=tolerance)
    assert recorder.blocks == []


@pytest.mark.parametrize("name", sorted((APPROXIMATORS | ADAPTIVE).keys() - set(STOPPING)))
def test_who_cannot_stop_early_says_so_before_anything_is_paid(name):
    recorder = Recorder(sparse_game)
    with pytest.raises(ValueError, match=rf"{name} cannot stop early, got a tolerance of 0\.05: "):
        named(name).recover(100, recorder, tolerance=0.05)
    assert recorder.blocks == []
