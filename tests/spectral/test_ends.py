from __future__ import annotations

from math import comb

import numpy as np
import pytest

import naive
from shapiq_spex.spectral.ends import CARRIERS, meet_ends
from shapiq_spex.spectral.indices import interactions
from shapiq_spex.spectral.series import FourierSeries


def problem(seed, n=7, s=15):
    rng = np.random.default_rng(seed)
    sets = [tuple(np.flatnonzero(rng.random(n) < 0.4).tolist()) for _ in range(s)]
    series = FourierSeries.from_terms(n, {players: rng.normal() for players in sets})
    return series, rng.normal() * 5, rng.normal() * 5


def ends(series):
    return series(np.array([[False] * series.n, [True] * series.n]))


@pytest.mark.parametrize("n", [1, 2, 7, 30, 2500])
def test_both_ends_are_met(n):
    series, empty, full = problem(n, n=n)
    found = ends(meet_ends(series, empty, full))
    np.testing.assert_allclose(found, [empty, full], atol=1e-10)
    assert np.abs(ends(series) - [empty, full]).min() > 1e-3


@pytest.mark.parametrize("n", [1, 2, 7, 11])
def test_no_series_that_meets_them_is_nearer(n):
    """All sets up to 11 players carry: 2^11 is more than 2,000, so size 6 and beyond do not."""
    series, empty, full = problem(n, n=n)
    found = meet_ends(series, empty, full).terms()
    start = dict.fromkeys(found, 0.0) | series.terms()
    expected = naive.nearest_with_ends(start, empty, full, np.ones(len(start)))
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("n", "size"), [(3, 3), (10, 10), (30, 2), (100, 1), (2500, 1)])
def test_all_sets_of_the_lowest_sizes_carry_the_miss(n, size):
    found = meet_ends(FourierSeries.from_terms(n, {}), 1.0, -2.0)
    assert np.bincount(found.degrees).tolist() == [comb(n, d) for d in range(size + 1)]
    assert len(found) <= max(CARRIERS, n + 1)


def test_terms_of_one_parity_move_alike():
    series, empty, full = problem(0, n=6)
    shift = (meet_ends(series, empty, full) - series).terms()
    for parity in (0, 1):
        moved = np.array([f for t, f in shift.items() if len(t) % 2 == parity])
        np.testing.assert_allclose(moved, moved[0], atol=1e-12)


def test_a_series_that_meets_them_stays():
    series = problem(1)[0]
    assert meet_ends(series, *ends(series)) == series
    nothing = FourierSeries.from_terms(4, {})
    assert meet_ends(nothing, 0.0, 0.0) == nothing


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30])
def test_it_works_in_all_units(scale):
    series, empty, full = problem(2)
    found = ends(meet_ends(series * scale, empty * scale, full * scale))
    np.testing.assert_allclose(found / scale, [empty, full], atol=1e-10)


def test_efficient_indices_then_add_up():
    series, empty, full = problem(2)
    met = meet_ends(series, empty, full)
    for index in naive.EFFICIENT:
        found = interactions(met, index, 2)
        assert sum(found.values()) == pytest.approx(full, abs=1e-11)  # () holds v(empty)
        assert sum(interactions(series, index, 2).values()) != pytest.approx(full, abs=0.1)


def test_its_input_stays_as_it_is():
    series = problem(3)[0]
    before = series.coefficients.copy()
    meet_ends(series, 1.0, 2.0)
    np.testing.assert_array_equal(series.coefficients, before)
