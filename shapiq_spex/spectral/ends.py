"""Make a series meet the empty and the full coalition exactly."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from .series import FourierSeries

ROUNDING = 1e-18  # share of the variance below which a miss needs no further sets
HARM = 0.001  # share of the variance that meeting the ends may cost, where enough sets carry it
FEWEST, MOST = 500, 20_000  # sets of one parity that carry a miss


def meet_ends(series: FourierSeries, empty: float, full: float) -> FourierSeries:
    """The series nearest in mean square with f(no player) = empty and f(all players) = full.

    chi_S is 1 at the empty and (-1)^|S| at the full coalition, so the terms of even size have to
    add up to (empty + full) / 2 and those of odd size to (empty - full) / 2. By Parseval the
    nearest such series shifts every term of one parity alike. A miss r is mostly the work of the
    many small terms a sparse series leaves out; spread over K terms it costs r^2 / K of the
    variance over uniform coalitions. So beside the terms of the series the smallest sets of each
    parity carry it, spread evenly over the players: 500 of them, and up to 20,000 where the
    miss is so large that it would cost more than a thousandth of the variance; none where the miss
    is rounding. A series that meets both ends stays as it is. The efficient indices of the result
    add up to full - empty.

    Args:
        series: Any series over n players.
        empty: Value of the empty coalition.
        full: Value of the full coalition.

    Example:
        >>> series = FourierSeries.from_terms(1, {(): 1.0})
        >>> meet_ends(series, 1.0, 3.0).terms()
        {(): 2.0, (0,): -1.0}
    """
    odd = series.degrees % 2 == 1
    sums = series.coefficients[~odd].sum(), series.coefficients[odd].sum()
    misses = ((empty + full) / 2 - sums[0], (empty - full) / 2 - sums[1])
    if np.abs(misses).max() <= 1e-12 * np.abs([empty, full]).max():
        return series
    variance = series.energy_by_order()[1:].sum()
    for parity, miss in enumerate(misses):
        if miss != 0:
            if miss**2 > ROUNDING * variance or not (series.degrees % 2 == parity).any():
                series = series + _smallest_sets(series.n, parity, _carriers(miss, variance))
            series = _shifted(series, parity, miss)
    return series


def _carriers(miss: float, variance: float) -> int:
    """How many sets keep miss^2 / K within its share of the variance, if MOST do."""
    if miss**2 >= MOST * HARM * variance:
        return MOST
    return max(FEWEST, int(miss**2 / (HARM * variance)))


def _shifted(series: FourierSeries, parity: int, miss: float) -> FourierSeries:
    part = series.degrees % 2 == parity
    values = series.coefficients.copy()
    values[part] += miss / part.sum()
    return FourierSeries(series.support, values)


def _smallest_sets(n: int, parity: int, count: int) -> FourierSeries:
    """Zero coefficients for about ``count`` sets of sizes parity, parity + 2, ..., evenly spread.

    A size that does not fit as a whole gives a few of its sets with all their turns
    {i + a, i + b, ...} modulo n, i = 0, ..., n - 1: every player is in equally many.
    """
    groups: list[tuple[np.ndarray, np.ndarray]] = []
    left = count
    for size in range(parity, n + 1, 2):
        whole = comb(n, size) <= left
        rows = _all_sets(n, size) if whole else _turned_sets(n, size, left)
        groups.append((rows, np.zeros(len(rows))))
        left -= len(rows)
        if not whole or left <= 0:
            break
    return FourierSeries.from_rows(n, groups)


def _all_sets(n: int, size: int) -> np.ndarray:
    sets = np.array(list(combinations(range(n), size)), dtype=np.int64)
    return sets.reshape(comb(n, size), size)


def _turned_sets(n: int, size: int, count: int) -> np.ndarray:
    """About ``count`` sets in full turns, int (k, size)."""
    rng = np.random.default_rng(0)  # which turns are taken is arbitrary, but always the same
    bases = np.array([rng.choice(n, size, replace=False) for _ in range(-(-count // n))])
    rows = (np.arange(n)[:, None, None] + bases).reshape(-1, size) % n
    return np.unique(np.sort(rows, axis=1), axis=0)
