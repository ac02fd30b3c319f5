"""SPEX without a surrogate: what decoding alone finds, fitted to all values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapiq_spex.spectral.refit import ridge_refit

from .peel import peel

if TYPE_CHECKING:
    import numpy as np

    from shapiq_spex.spectral.series import FourierSeries

    from .plan import SamplingPlan

EXPLAINED = 1e-9  # share of the energy of the values that peeling may leave without a further fit


def decode(plan: SamplingPlan, values: np.ndarray, *, soft: bool) -> tuple[FourierSeries, bool]:
    """The series that decoding finds, and whether it explains all values but for rounding.

    Where it does not, its coefficients are fitted anew to all values by ridge regression.

    Args:
        plan: The coalitions asked for.
        values: Their values, float64 (m,).
        soft: Whether to go beyond the signs of single bins as they are.

    Example:
        >>> import numpy as np
        >>> from shapiq_spex.spex.plan import plan_spex
        >>> plan = plan_spex(50, 800, 5, np.random.default_rng(0))
        >>> game = lambda x: 3.0 - 2.0 * (x[:, 4] ^ x[:, 8] ^ x[:, 15] ^ x[:, 16])
        >>> series, explained = decode(plan, game(plan.coalitions), soft=True)
        >>> series.terms(), explained
        ({(): 2.0, (4, 8, 15, 16): 1.0}, True)
    """
    series = peel(plan, values, soft=soft).series
    left = values - series(plan.packed)
    if (left**2).sum() <= EXPLAINED * ((values - values.mean()) ** 2).sum():
        return series, True
    return ridge_refit(series.support, plan.coalitions, values), False
