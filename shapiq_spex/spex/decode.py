"""SPEX without a surrogate: what decoding alone finds, fitted to all values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.proxyspex.process import LARGEST_TABLE
from shapiq_spex.spectral.characters import signs
from shapiq_spex.spectral.refit import ridge_refit
from shapiq_spex.spectral.series import FourierSeries

from .peel import peel

if TYPE_CHECKING:
    from .plan import SamplingPlan

EXACT = 1e-9  # share of the energy of the values below which all terms were found
ROUNDING = 1e-20  # share of the energy of the values that counts as rounding
ENOUGH = 0.01  # of R²: a further gain that is not worth another fit
PASSES = 4  # of fitting what was found and peeling what that leaves, at most
PRODUCTS = 3 * 10**10  # multiplications that looking for it may take
ROWS = 2000  # coalitions compared for triples


class Decoded(NamedTuple):
    """What decoding alone finds.

    Attributes:
        series: The terms found, fitted to all coded coalitions by ridge regression, or as they
            are where they explain all values.
        complete: The terms fitted to all coalitions, where there is nothing else to find: they
            explain all values, or single players, pairs and triples seem to explain no more than
            ``ENOUGH`` of the variance and there are many players. Else None.
    """

    series: FourierSeries
    complete: FourierSeries | None


def decode(plan: SamplingPlan, values: np.ndarray, *, soft: bool) -> Decoded:
    """Recover a game from coded coalitions without a surrogate or terms that were not found.

    Args:
        plan: The coalitions asked for.
        values: Their values, float64 (m,). Those of the uniform coalitions decide only whether
            all values are explained.
        soft: Whether to go beyond the signs of single bins as they are.

    Example:
        >>> from shapiq_spex.spex.plan import plan_spex
        >>> plan = plan_spex(50, 800, 5, np.random.default_rng(0))
        >>> game = lambda x: 3.0 - 2.0 * (x[:, 4] ^ x[:, 8] ^ x[:, 15] ^ x[:, 16])
        >>> decode(plan, game(plan.coalitions), soft=True).series.terms()
        {(): 2.0, (4, 8, 15, 16): 1.0}
    """
    # Of values far from zero too few digits are left for what varies.
    constant = FourierSeries.constant(plan.n, float(np.median(values)))
    series, complete = _decoded(plan, values - constant.coefficients[0], soft=soft)
    last = None if complete is None else _without_rounding(complete + constant)
    return Decoded(_without_rounding(series + constant), last)


def _decoded(plan: SamplingPlan, values: np.ndarray, *, soft: bool) -> Decoded:
    coded = slice(0, len(values) - plan.n_uniform)
    found = peel(plan, values, soft=soft)
    for _ in range(PASSES):
        left = values - found(plan.packed)
        if _share(left, values) <= EXACT:
            return _explained(found, plan, values)
        # A joint fit of what was found mends its amplitudes, and shows what they had hidden.
        fitted = ridge_refit(found.support, plan.packed[coded], values[coded])
        left = values - fitted(plan.packed)
        if _share(left, values) <= EXACT:
            return _explained(fitted, plan, values)
        found = fitted + peel(plan, left, soft=soft)
        if len(found) == len(fitted):
            break
    left = left[coded]
    enough = ENOUGH * values.var()
    few, many = energies_left(plan.packed[coded], left, len(fitted))
    # Larger sets of few players are left to the surrogate, which reads all of them.
    nothing = max(few.mean, few.deviation) <= enough and many.mean <= enough + 3 * many.deviation
    if not nothing or plan.n <= LARGEST_TABLE:
        return Decoded(fitted, None)
    return Decoded(fitted, ridge_refit(fitted.support, plan.packed[:], values))


def _explained(series: FourierSeries, plan: SamplingPlan, values: np.ndarray) -> Decoded:
    exact = _polished(series, plan, values)
    return Decoded(exact, exact)


def _share(left: np.ndarray, values: np.ndarray) -> float:
    """The share of the energy of the values that is left."""
    energy = ((values - values.mean()) ** 2).sum()
    return float((left**2).sum() / energy) if energy > 0 else 0.0


def _polished(series: FourierSeries, plan: SamplingPlan, values: np.ndarray) -> FourierSeries:
    """The series fitted until rounding alone is left."""
    for _ in range(2):  # the penalty of a first fit, small as it is, leaves a little
        left = values - series(plan.packed)
        if _share(left, values) <= ROUNDING:
            break
        series = series + ridge_refit(series.support, plan.packed[:], left)
    return series


def _without_rounding(series: FourierSeries) -> FourierSeries:
    """The series without terms that are rounding beside those that vary."""
    energy = series.coefficients**2
    kept = energy > ROUNDING * energy[series.support.any(axis=1)].sum()
    return FourierSeries(series.support[kept], series.coefficients[kept])


class Estimate(NamedTuple):
    """An energy, and the standard deviation it would have over pure noise."""

    mean: float
    deviation: float


def energies_left(
    coalitions: np.ndarray, left: np.ndarray, fitted: int = 0
) -> tuple[Estimate, Estimate]:
    """How much variance single players and pairs, and how much triples explain of what is left.

    With d = z_a . z_b, z = 1 - 2 x, of two independent uniform coalitions a and b the products
    r_a r_b d, r_a r_b (d^2 - n) / 2 and r_a r_b (d^3 - (3 n - 2) d) / 6 have the energies
    sum F(S)^2 over |S| = 1, 2 and 3 as their means. Over pure noise of variance v the average of
    the products of m coalitions for C(n, k) sets deviates by v sqrt(2 C(n, k)) / m.

    Args:
        coalitions: Bool (m, n), m >= 2.
        left: What is left of their values, float64 (m,).
        fitted: Number of terms fitted before; the chance share v / m of each went with it.

    Returns:
        For singles and pairs together, and for triples; both infinitely uncertain where the
        products would take too long.

    Example:
        >>> x = np.random.default_rng(0).random((4000, 9)) < 0.5
        >>> few, many = energies_left(x, 0.5 * (x[:, 1] ^ x[:, 2]))  # F = 1/4
        >>> round(few.mean, 2), round(few.deviation, 3), round(abs(many.mean), 2)
        (0.06, 0.0, 0.0)
    """
    m, n = coalitions.shape
    if m * n**2 > PRODUCTS:
        return Estimate(0.0, np.inf), Estimate(0.0, np.inf)
    r, z = left - left.mean(), signs(coalitions)
    total = (r**2).sum()
    singles = ((r @ z) ** 2).sum() - n * total
    moments = (z.T * r.astype(np.float32)) @ z
    pairs = ((moments**2).sum() - n**2 * total) / 2 + n * total / 2
    few = _estimate(singles + pairs, total, m, n + n * (n - 1) / 2, fitted)
    some = np.arange(0, m, -(-m // ROWS))
    d = z[some] @ z[some].T
    np.fill_diagonal(d, 0)
    triples = r[some] @ ((d**3 - (3 * n - 2) * d) / 6) @ r[some]
    total = (r[some] ** 2).sum()
    return few, _estimate(triples, total, len(some), n * (n - 1) * (n - 2) / 6, fitted)


def _estimate(products: float, total: float, m: int, sets: float, fitted: int) -> Estimate:
    return Estimate(
        float(products / (m * (m - 1)) + fitted * total / m**2),
        float(np.sqrt(2 * sets) * total / m**2),
    )
