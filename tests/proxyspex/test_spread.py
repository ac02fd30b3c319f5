from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapiq_spex.proxyspex import spread as module
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.proxyspex.spread import DEGREE, spread
from shapiq_spex.spectral.refit import characters
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


def moved_one_by_one(x, taken):
    """The same steps, each by trying all players and summing over all sets."""
    x = x.copy()
    for row in [*range(1, len(x), 2)] * module.ROUNDS:
        for _ in range(module.FLIPS):
            now, tries = energy(x), []
            for player in range(x.shape[1]):
                other = x.copy()
                other[row, player] ^= True
                there = np.concatenate([np.delete(x, row, axis=0), taken])
                somebody = (there == other[row]).all(axis=1).any()
                tries.append(np.inf if somebody else energy(other))
            if min(tries) >= now - 1e-9:
                break
            x[row, int(np.argmin(tries))] ^= True
    return x


@pytest.mark.parametrize(("n", "m", "seed"), [(5, 9, 0), (6, 16, 1), (7, 12, 2), (4, 12, 3)])
def test_each_step_is_the_one_that_lowers_the_discrepancy_most(n, m, seed):
    """Ties are broken by rounding, so what is compared is the discrepancy reached."""
    x = uniform(n, m + 2, seed)
    x, taken = x[:m], x[m:]
    one, other = energy(spread(x, taken)), energy(moved_one_by_one(x, taken))
    assert one < energy(x)
    assert one == pytest.approx(other, rel=0.02)


@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 5), st.integers(0, 99))
def test_coalitions_stay_distinct_and_every_other_one_stays(n, m, k, seed):
    x = uniform(n, m + k, seed)
    x, taken = x[:m], x[m:]
    moved = spread(x, taken)
    assert moved.shape == x.shape
    assert moved.dtype == bool
    np.testing.assert_array_equal(moved[::2], x[::2])
    assert len(np.unique(np.concatenate([moved, taken]), axis=0)) == len(x) + len(taken)


def test_every_coalition_is_on_its_own_uniform():
    """Of 16 coalitions each is the moved one in 250 of 4,000 draws, standard deviation 15.3."""
    seen = Counter()
    for seed in range(4000):
        x = uniform(4, 4, seed)
        seen[spread(x, x[:0])[3].tobytes()] += 1
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


def test_what_would_take_long_is_left_as_it_is(monkeypatch):
    x = uniform(8, 20)
    assert (spread(x, x[:0]) != x).any()
    monkeypatch.setattr(module, "WORK", 20 * 20 * 8 - 1)
    np.testing.assert_array_equal(spread(x, x[:0]), x)
