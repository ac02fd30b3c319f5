"""Functions read out as series, against their tables."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from shapiq_spex.proxyspex import readout
from shapiq_spex.proxyspex.readout import polynomial_of, read_table
from shapiq_spex.spectral.series import FourierSeries


def random_series(n, terms, seed):
    rng = np.random.default_rng(seed)
    return FourierSeries(rng.random((terms, n)) < 0.4, rng.normal(size=terms))


def test_a_table_has_the_values_that_were_seen_and_else_the_function():
    rng = np.random.default_rng(0)
    tables, seen = rng.normal(size=(16, 3)), rng.permutation(16)[:6]
    rows, observed = naive.rows(4), rng.normal(size=6)
    outs = [np.array([1, 4]), np.array([0]), np.array([], dtype=np.int64)]

    def values(z):
        np.testing.assert_array_equal(z, 1.0 - 2.0 * rows)
        return tables

    found = read_table(values, rows[seen], observed, outs)
    for column, (series, out) in enumerate(zip(found, outs, strict=True)):
        expected = tables[:, column].copy()
        for place, (row, value) in enumerate(zip(seen, observed, strict=True)):
            if place not in out:
                expected[row] = value
        np.testing.assert_allclose(series.to_table(), expected, atol=1e-12)


@pytest.mark.parametrize(
    "coefficients", [[2.0], [1.0, -3.0], [0.0, 0.0, 1.0], [1.0, 2.0, -1.0, 0.5]]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_polynomial_of_a_series_is_that_of_its_values(seed, coefficients):
    series = random_series(6, 9, seed)
    expected = np.polynomial.polynomial.polyval(series.to_table(), coefficients)
    found = polynomial_of(series, np.array(coefficients))
    np.testing.assert_allclose(found.to_table(), expected, atol=1e-9)


def test_only_the_largest_terms_are_multiplied_and_kept(monkeypatch):
    monkeypatch.setattr(readout, "FACTOR_TERMS", 8)
    monkeypatch.setattr(readout, "PRODUCTS", 50)
    monkeypatch.setattr(readout, "TERMS", 20)
    series = random_series(10, 40, 0)
    found = polynomial_of(series, np.array([0.0, 0.0, 1.0]))
    assert len(found) <= 21
    whole = naive.fourier(series.truncate(count=8).to_table() ** 2)
    largest = max((players for players in whole if players), key=lambda s: abs(whole[s]))
    assert largest in found.terms()
