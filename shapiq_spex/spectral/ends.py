"""Make a series meet the empty and the full coalition exactly."""

from __future__ import annotations

import numpy as np

from .series import FourierSeries


def meet_ends(
    series: FourierSeries, empty: float, full: float, variances: np.ndarray | None = None
) -> FourierSeries:
    """The nearest series with f(no player) = empty and f(all players) = full.

    chi_S is 1 at the empty and (-1)^|S| at the full coalition, so the terms of even size have to
    add up to (empty + full) / 2 and those of odd size to (empty - full) / 2. What is missing is
    shared out in proportion to the variances: the shift of least sum_S shift(S)^2 / variance(S),
    which is Gaussian conditioning on the two values. The efficient indices of the result add up
    to full - empty.

    Args:
        series: A series that holds the constant and at least one term of odd size.
        empty: Value of the empty coalition.
        full: Value of the full coalition.
        variances: Positive (s,), how far each coefficient may move; equal ones if left out.

    Returns:
        A series with the same terms.

    Raises:
        ValueError: If the series has no constant or no term of odd size.

    Example:
        >>> series = FourierSeries.from_terms(2, {(): 1.0, (0,): 0.0, (1,): 0.0})
        >>> meet_ends(series, 1.0, 3.0).terms()
        {(): 2.0, (0,): -0.5, (1,): -0.5}
    """
    odd = series.degrees % 2 == 1
    if len(series) == 0 or series.degrees[0] != 0 or not odd.any():
        msg = "meet_ends needs a series with a constant and at least one term of odd size."
        raise ValueError(msg)
    weights = np.ones(len(series)) if variances is None else variances
    out = series.coefficients.copy()
    for part, target in ((~odd, (empty + full) / 2), (odd, (empty - full) / 2)):
        out[part] += (target - out[part].sum()) * (weights[part] / weights[part].sum())
    return FourierSeries(series.support, out)
