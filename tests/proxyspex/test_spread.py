from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapiq_spex.proxyspex import plan
from shapiq_spex.proxyspex import spread as module
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.proxyspex.product_kernel import DEGREE
from shapiq_spex.proxyspex.spread import spread
from shapiq_spex.spectral.characters import characters
from shapiq_spex.spectral.walsh import all_coalitions


def uniform(n, m, seed=0):
    """Distinct coalitions."""
    rows = np.random.default_rng(seed).permutation(2**n)[:m]
    return (rows[:, None] >> np.arange(n) & 1).astype(bool)


def energy(x):
    """The sum over all sets of v_S (mean_j chi_S(x_j))^2, set by set."""
    n = x.shape[1]
    sets = all_coalitions(n)
    l = np.tanh(DEGREE / n)  # noqa: E741
    variances = l ** sets.sum(axis=1) / (1 + l) ** n
    return float(variances @ characters(x, sets).mean(axis=0) ** 2)


def energies(x, row, taken):
    """Those after a change of each player in one row, infinite where somebody is there."""
    out = []
    for player in range(x.shape[1]):
        other = x.copy()
        other[row, player] ^= True
        there = np.concatenate([np.delete(x, row, axis=0), taken])
        somebody = (there == other[row]).all(axis=1).any()
        out.append(np.inf if somebody else energy(other))
    return np.array(out)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("n", "m", "k"), [(5, 8, 2), (6, 16, 3), (7, 12, 0), (4, 6, 8)])
def test_each_step_is_the_one_that_lowers_the_discrepancy_most(n, m, k, seed, monkeypatch):
    """One step of the one row in turn; weights are rounded to a millionth."""
    monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(module, "FLIPS", 1)
    x = uniform(n, m + k, seed)
    x, taken = x[:m], x[m:]
    row = 2 * (m // 4) + 1
    moved = spread(x, taken, Only(row))
    every = energies(x, row, taken)
    if every.min() < energy(x) - 1e-6:
        assert energy(moved) == pytest.approx(every.min(), abs=1e-6)
        assert (moved != x).sum() == 1
    else:
        assert energy(moved) == pytest.approx(energy(x), abs=1e-6)


class Only:
    """A generator that lets one row move."""

    def __init__(self, row):
        self.row = row

    def permutation(self, rows):
        assert self.row in rows
        return np.array([self.row])


@pytest.mark.parametrize(("n", "m"), [(30, 240), (14, 224)])
def test_the_first_half_of_a_plan_is_balanced_too(n, m):
    """The mean square of a single player's mean, where 1 / m is chance; five seeds."""
    means = [
        (1 - 2.0 * plan_masks(n, 4 * m + 2, np.random.default_rng(seed)).coalitions[2 : m + 2])
        for seed in range(5)
    ]
    assert np.mean([z.mean(axis=0) ** 2 for z in means]) < 1.3 / m


@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 5), st.integers(0, 99))
def test_coalitions_stay_distinct_and_every_other_one_stays(n, m, k, seed):
    x = uniform(n, m + k, seed)
    x, taken = x[:m], x[m:]
    moved = spread(x, taken, np.random.default_rng(0))
    assert moved.shape == x.shape
    assert moved.dtype == bool
    np.testing.assert_array_equal(moved[::2], x[::2])
    assert len(np.unique(np.concatenate([moved, taken]), axis=0)) == len(x) + len(taken)


def test_every_coalition_is_on_its_own_uniform_where_none_is_taken():
    """Of 16 coalitions each is the moved one in 250 of 4,000 draws, standard deviation 15.3."""
    seen = Counter()
    for seed in range(4000):
        x = uniform(4, 4, seed)
        seen[spread(x, x[:0], np.random.default_rng(0))[3].tobytes()] += 1
    assert len(seen) == 16
    assert max(abs(count - 250) for count in seen.values()) < 5 * 15.3


def test_players_and_pairs_are_balanced_far_better_than_by_chance():
    """The mean square of a character's mean is 1 / m by chance."""
    n, m = 30, 120
    ones = np.eye(n, dtype=bool)
    sets = np.concatenate([ones, *(ones[i] | ones[:i] for i in range(n))])
    plans = [plan_masks(n, m + 2, np.random.default_rng(seed)).coalitions[2:] for seed in range(5)]
    chance = [np.random.default_rng(seed).random((m, n)) < 0.5 for seed in range(5)]
    found, by_chance = (
        np.mean([characters(x, sets).mean(axis=0) ** 2 for x in each]) for each in (plans, chance)
    )
    assert by_chance == pytest.approx(1 / m, rel=0.1)
    assert found < 0.6 / m


@pytest.mark.parametrize("n", [8, 25])
def test_as_many_move_as_a_second_or_two_pays_for(n, monkeypatch):
    assert module.reach(n) > 5000
    monkeypatch.setattr(module, "WORK", 20 * 20 * n + 7)
    seen = []
    monkeypatch.setattr(plan, "spread", lambda drawn, *_: seen.append(drawn) or ~drawn)
    found = plan_masks(n, 62, np.random.default_rng(0))
    assert [len(rows) for rows in seen] == [20]
    np.testing.assert_array_equal(found.coalitions[2:22], ~seen[0])
    assert len(np.unique(found.coalitions, axis=0)) == 62
    assert str(found).endswith("60 uniform ones, 10 of them moved apart")


@pytest.mark.parametrize("n", [1, 7, 300, 10_000])
@pytest.mark.parametrize("m", [2, 50, 3001])
def test_weights_add_up_exactly_in_single_precision(m, n):
    """Else the order of summation, which is the processor's, would decide between close steps."""
    weights = module.weights_of(m, n)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.rint(weights))
    assert (m - 1) * float(weights.max()) <= 2**24
    expected = np.exp(-2 * DEGREE / n * np.arange(n + 1))
    np.testing.assert_allclose(weights / weights[0], expected, atol=m / 2**24)
