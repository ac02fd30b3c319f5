"""Reads the Fourier series of a function out that is not given by its coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import all_coalitions, table_index

if TYPE_CHECKING:
    from collections.abc import Callable

FACTOR_TERMS, TERMS = 200, 10_000  # kept of the series that is multiplied with, and of a product
PRODUCTS = 60_000  # products of two terms that are added up at most, the largest


def read_table(
    values: Callable[[np.ndarray], np.ndarray],
    coalitions: np.ndarray,
    observed: np.ndarray,
    outs: list[np.ndarray],
) -> list[FourierSeries]:
    """The exact series of k functions, which have the observed values where they saw them.

    Args:
        values: The functions, from signs (q, n) to values (q, k).
        coalitions: Bool (m, n), n at most 26.
        observed: Values (m,) there.
        outs: For each function the rows that it never saw.
    """
    tables = values(1.0 - 2.0 * all_coalitions(coalitions.shape[1]))
    index = table_index(coalitions)
    series = []
    for table, out in zip(tables.T, outs, strict=True):
        filled = table.copy()
        filled[index] = observed
        filled[index[out]] = table[index[out]]
        series.append(FourierSeries.from_table(filled))
    return series


def polynomial_of(series: FourierSeries, coefficients: np.ndarray) -> FourierSeries:
    """The largest terms of c_0 + c_1 f + c_2 f^2 + ..., by Horner's rule.

    Args:
        series: The series of f.
        coefficients: c_0, c_1, c_2, ...

    Example:
        >>> f = FourierSeries.from_terms(3, {(0,): 1.0, (1, 2): 2.0})
        >>> polynomial_of(f, np.array([1.0, 0.0, 3.0])).terms()
        {(): 16.0, (0, 1, 2): 12.0}
    """
    factor = series.truncate(count=FACTOR_TERMS)
    result = FourierSeries.constant(series.n, float(coefficients[-1]))
    for constant in coefficients[-2::-1]:
        result = _product(result, factor) + FourierSeries.constant(series.n, float(constant))
    return FourierSeries(*_nonzero(result))


def _product(one: FourierSeries, other: FourierSeries) -> FourierSeries:
    """The largest terms; chi_S chi_T = chi_U with U the players in one of S and T, not in both."""
    size = np.abs(np.outer(one.coefficients, other.coefficients)).ravel()
    top = np.arange(len(size))
    if len(top) > PRODUCTS:
        top = np.argpartition(-size, PRODUCTS)[:PRODUCTS]
    i, j = np.unravel_index(top, (len(one), len(other)))
    keys = _keys(one)[i] ^ _keys(other)[j]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.bincount(inverse.ravel(), weights=one.coefficients[i] * other.coefficients[j])
    kept = np.argsort(-np.abs(sums), kind="stable")[:TERMS]
    i, j = i[first[kept]], j[first[kept]]
    return FourierSeries(one.support[i] ^ other.support[j], sums[kept])


def _keys(series: FourierSeries) -> np.ndarray:
    """A number for each set, so that key(U) = key(S) ^ key(T); two alike are one chance in 2^30."""
    numbers = np.random.default_rng(0).integers(2**63, size=series.n, dtype=np.int64)
    keys = [np.bitwise_xor.reduce(numbers[rows], axis=1) for rows, _ in series.by_degree()]
    return np.concatenate([np.zeros(0, dtype=np.int64), *keys])


def _nonzero(series: FourierSeries) -> tuple[np.ndarray, np.ndarray]:
    kept = series.coefficients != 0
    return series.support[kept], series.coefficients[kept]
