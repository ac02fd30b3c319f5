from __future__ import annotations

import numpy as np
import pytest

import naive
from shapiq_spex.spectral.ends import HARM, MOST, meet_ends
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
    series, empty, full = problem(n, n=n)
    found = meet_ends(series, empty, full).terms()
    start = dict.fromkeys(found, 0.0) | series.terms()
    expected = naive.nearest_with_ends(start, empty, full, np.ones(len(start)))
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("n", [12, 40, 64, 100, 300, 2500])
def test_the_players_carry_a_miss_evenly_and_many_sets_do(n):
    found = meet_ends(FourierSeries.from_terms(n, {}), 1.0, -2.0)
    for parity in (0, 1):
        sets = found.support[found.degrees % 2 == parity]
        for size in np.unique(sets.sum(axis=1)):
            carried = sets[sets.sum(axis=1) == size].sum(axis=0)
            assert carried.min() == carried.max()
        # Turns drawn twice coincide, up to a quarter of them where half of all sets are drawn.
        assert min(2 ** (n - 1), 0.75 * MOST) <= len(sets) <= MOST + 2 * n


@pytest.mark.parametrize("n", [20, 64, 100, 400])
@pytest.mark.parametrize("miss", [0.01, 1.0, 3.0])
def test_meeting_the_ends_costs_little_of_the_variance(n, miss):
    # The miss is in standard deviations and falls half on each parity: r = miss / 2 each. Up to
    # MOST sets carry it, so 2 r^2 / K <= 2 HARM while r^2 <= MOST * HARM = 20.
    series = FourierSeries.from_terms(n, {(i,): n**-0.5 for i in range(n)})
    shift = meet_ends(series, *(ends(series) + np.array([miss, 0.0]))) - series
    assert (shift.coefficients**2).sum() <= 2 * HARM * 1.15  # a few turns coincide
    assert len(shift) <= len(series) + 2 * (max(500, miss**2 / 4 / HARM) + n)


def test_a_small_miss_is_carried_by_few_sets():
    series = FourierSeries.from_terms(200, {(0,): 1.0, (1, 2): 1.0})
    assert len(meet_ends(series, *(ends(series) + 0.1))) < 1500


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


@pytest.mark.parametrize("miss", [1e-6, 1e-10])
def test_a_miss_of_rounding_size_needs_no_further_sets(miss):
    series = FourierSeries.from_terms(40, {(): 1.0, (3,): 2.0, (4, 7): -1.0, (1, 2, 9): 0.5})
    found = meet_ends(series, *(ends(series) + np.array([miss, -miss])))
    np.testing.assert_allclose(ends(found), ends(series) + np.array([miss, -miss]), rtol=1e-13)
    assert (len(found) == len(series)) == (miss < 1e-9)


def test_a_miss_of_a_parity_without_terms_has_sets_to_carry_it():
    found = meet_ends(FourierSeries.from_terms(40, {(): 1.0, (4, 7): -1.0}), 0.0, 1e-10)
    np.testing.assert_allclose(ends(found), [0.0, 1e-10], atol=1e-13)
