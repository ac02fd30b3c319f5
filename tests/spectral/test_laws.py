"""Laws every series and every index keep, on generated series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from shapiq_spex.spectral.indices import INDICES, interactions
from shapiq_spex.spectral.series import FourierSeries

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)
few = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def series_of(draw, n, terms=8):
    """A sparse series over n players."""
    players = st.lists(st.integers(0, n - 1), unique=True, max_size=n).map(sorted).map(tuple)
    return FourierSeries.from_terms(n, draw(st.dictionaries(players, NUMBERS, max_size=terms)))


@st.composite
def tables(draw, most=5):
    n = draw(st.integers(1, most))
    return np.array(draw(st.lists(NUMBERS, min_size=2**n, max_size=2**n)))


def some_series(terms=8):
    return st.integers(1, 6).flatmap(lambda n: series_of(n, terms))


def two_series():
    return st.integers(1, 6).flatmap(lambda n: st.tuples(series_of(n), series_of(n)))


def scale(*series):
    return 1.0 + sum(float(np.abs(s.coefficients).sum()) for s in series)


def close(found, expected, tolerance):
    """Equal values on all sets; a set that is left out is zero."""
    return all(abs(found.get(t, 0.0) - expected.get(t, 0.0)) <= tolerance for t in found | expected)


# ---------------------------------------------------------------------- series
@few
@given(tables())
def test_a_table_comes_back(table):
    size = np.abs(table).max()
    back = FourierSeries.from_table(table).to_table()
    # Each of the 2^n coefficients left out was below 4.5e-16 of the largest value.
    np.testing.assert_allclose(back, table, rtol=0, atol=len(table) * 1e-15 * size)


@few
@given(some_series())
def test_a_series_comes_back_from_its_table(series):
    back = FourierSeries.from_table(series.to_table())
    assert close(back.terms(), series.terms(), 1e-13 * scale(series))


@few
@given(some_series())
def test_json_comes_back_bit_for_bit(series):
    assert FourierSeries.from_json(series.to_json()) == series


@few
@given(some_series())
def test_the_table_holds_the_values(series):
    values = series(naive.rows(series.n))
    np.testing.assert_allclose(series.to_table(), values, atol=1e-13 * scale(series))


@few
@given(some_series())
def test_parseval(series):
    energy, table = series.energy_by_order(), series.to_table()
    np.testing.assert_allclose(energy.sum(), (table**2).mean(), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(energy[1:].sum(), table.var(), rtol=1e-9, atol=1e-12 * scale(series))


@few
@given(two_series(), NUMBERS)
def test_arithmetic_is_pointwise(pair, factor):
    f, g = pair
    x, tolerance = naive.rows(f.n), 1e-13 * scale(f, g) * (1 + abs(factor))
    np.testing.assert_allclose((f + g)(x), f(x) + g(x), atol=tolerance)
    np.testing.assert_allclose((f - g)(x), f(x) - g(x), atol=tolerance)
    np.testing.assert_allclose((factor * f)(x), factor * f(x), atol=tolerance)
    np.testing.assert_array_equal((-f)(x), -f(x))
    assert f + g == g + f


@few
@given(some_series(terms=20), st.floats(0.01, 1), st.floats(0.01, 1))
def test_truncation_by_energy_reaches_its_share_and_is_monotone(series, one, other):
    low, high = (series.truncate(energy=share) for share in sorted((one, other)))
    assert low.terms().items() <= high.terms().items() <= series.terms().items()
    whole, kept = (s.energy_by_order()[1:].sum() for s in (series, high))
    assert kept >= max(one, other) * whole * (1 - 1e-9)
    assert (() in high.terms()) == (() in series.terms())
    dropped = [abs(f) for t, f in series.terms().items() if t not in high.terms()]
    smallest = min((abs(f) for t, f in high.terms().items() if t), default=np.inf)
    assert all(size < smallest for size in dropped)


@few
@given(some_series(terms=20), st.integers(0, 20))
def test_truncation_by_count_keeps_the_largest(series, count):
    kept = series.truncate(count=count).terms()
    strongest = sorted((abs(f) for t, f in series.terms().items() if t), reverse=True)
    assert sorted((abs(f) for t, f in kept.items() if t), reverse=True) == strongest[:count]
    assert (() in kept) == (() in series.terms())


# ---------------------------------------------------------------------- indices
@pytest.mark.parametrize("index", INDICES)
@few
@given(pair=two_series(), factor=NUMBERS, order=st.integers(1, 4))
def test_indices_are_linear(index, pair, factor, order):
    f, g = pair
    ours, theirs = interactions(f, index, order), interactions(g, index, order)
    expected = {t: ours.get(t, 0) + factor * theirs.get(t, 0) for t in ours | theirs}
    tolerance = 1e-10 * scale(f, g) * (1 + abs(factor))
    assert close(interactions(f + factor * g, index, order), expected, tolerance)


@pytest.mark.parametrize("index", INDICES)
@few
@given(data=st.data(), order=st.integers(1, 3))
def test_relabelled_players_have_relabelled_values(index, data, order):
    series = data.draw(some_series())
    names = data.draw(st.permutations(range(series.n)))

    def relabel(values):
        return {tuple(sorted(names[i] for i in t)): value for t, value in values.items()}

    moved = FourierSeries.from_terms(series.n, relabel(series.terms()))
    expected = relabel(interactions(series, index, order))
    assert close(interactions(moved, index, order), expected, 1e-11 * scale(series))


@pytest.mark.parametrize("index", INDICES)
@few
@given(table=tables(most=4), place=st.integers(0, 4), order=st.integers(1, 3))
def test_a_dummy_has_value_zero_and_no_interaction(index, table, place, order):
    n = len(naive.players_of(table)) + 1
    dummy = place % n
    series = FourierSeries.from_table(naive.as_game(table)(np.delete(naive.rows(n), dummy, axis=1)))
    found = interactions(series, index, order)
    assert found[(dummy,)] == 0.0
    assert not any(dummy in t for t in found if len(t) > 1)


@pytest.mark.parametrize("index", naive.EFFICIENT)
@few
@given(series=some_series(), order=st.integers(1, 4))
def test_efficient_indices_share_out_the_whole_value(index, series, order):
    found = interactions(series, index, order)
    ends = series(np.array([[False] * series.n, [True] * series.n]))
    assert found.pop(()) == pytest.approx(ends[0], abs=1e-11 * scale(series))
    assert sum(found.values()) == pytest.approx(ends[1] - ends[0], abs=1e-10 * scale(series))


def test_the_other_indices_are_not_efficient():
    series = FourierSeries.from_table(np.random.default_rng(0).normal(size=16))
    whole = float(np.diff(series(np.array([[0] * 4, [1] * 4])))[0])
    for index in set(INDICES) - set(naive.EFFICIENT):
        found = interactions(series, index, 2)
        assert abs(sum(v for t, v in found.items() if t) - whole) > 0.01, index
