"""Make a series meet the empty and the full coalition exactly."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from .series import FourierSeries

CARRIERS = 2000  # terms over which a miss is spread


def meet_ends(series: FourierSeries, empty: float, full: float) -> FourierSeries:
    """The series nearest in mean square with f(no player) = empty and f(all players) = full.

    chi_S is 1 at the empty and (-1)^|S| at the full coalition, so the terms of even size have to
    add up to (empty + full) / 2 and those of odd size to (empty - full) / 2. By Parseval the
    nearest such series shifts every term of one parity alike. A miss r is mostly the work of the
    many small terms a sparse series leaves out; spread over K terms it costs r^2 / K of the
    variance over uniform coalitions, so all sets of the lowest sizes, up to 2,000 in all, carry
    it along with the terms of the series. A series that meets both ends stays as it is. The
    efficient indices of the result add up to full - empty.

    Args:
        series: Any series over n players.
        empty: Value of the empty coalition.
        full: Value of the full coalition.

    Example:
        >>> series = FourierSeries.from_terms(1, {(): 1.0})
        >>> meet_ends(series, 1.0, 3.0).terms()
        {(): 2.0, (0,): -1.0}
    """
    ends = np.array([[False] * series.n, [True] * series.n])
    miss = np.array([empty, full]) - series(ends)
    if np.abs(miss).max() <= 1e-12 * max(np.abs([empty, full]).max(), 1e-300):
        return series
    carried = series + _lowest_sets(series.n)
    odd = carried.degrees % 2 == 1
    values = carried.coefficients.copy()
    for part, target in ((~odd, (empty + full) / 2), (odd, (empty - full) / 2)):
        values[part] += (target - values[part].sum()) / part.sum()
    return FourierSeries(carried.support, values)


def _lowest_sets(n: int) -> FourierSeries:
    """Zero coefficients for all sets up to the size at which there are 2,000, at least 1."""
    groups, total = [], 0
    for size in range(n + 1):
        total += comb(n, size)
        if size > 1 and total > CARRIERS:
            break
        rows = np.array(list(combinations(range(n), size)), dtype=np.int64)
        groups.append((rows.reshape(comb(n, size), size), np.zeros(comb(n, size))))
    return FourierSeries.from_rows(n, groups)
