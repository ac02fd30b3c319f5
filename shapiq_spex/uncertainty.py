"""How far a recovered game may be off: standard errors, intervals, false discoveries.

Let r be the game minus the recovered series, a function of the coalition. Its mean square V over
uniform coalitions is known from rows held out. How V is shared out among the coefficients, and what
an index makes of it, is estimated:

1. *Shares.* From m masks a coefficient can be learned to about tau = V / m. A surrogate shrinks:
   with prior variance v it errs by v tau / (v + tau), and its own squared estimate is
   v^2 / (v + tau) on average. That gives v from squared estimates, half by the size of the set
   and half by the set itself, up to one factor, with which all errors add up to V. An estimate
   that stands out of tau is not shrunk, so its error is tau at least.
2. *Slope.* Many games are harder to predict towards one of the ends. So r = a r0, a in proportion
   to exp(lambda (n - 2 |x|) / n), and r0 is alike everywhere; the residuals tell lambda. Both ends
   are met exactly, so r = 0 there.
3. *Index.* The error of I(T) is linear in r, a sum of W_T(R) r0(R) over sets R, and its mean
   square follows.

Whether there is an interaction at all does not lean on these estimates alone: with residuals e_j
out of fold, F(T) + mean_j e_j chi_T(x_j) is unbiased with standard error sqrt(tau), whatever the
surrogate. An interaction is significant where this and the interval both say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb, cosh, exp, sqrt, tanh
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import t as student

from .spectral.indices import moebius_weight, weight

if TYPE_CHECKING:
    from .spectral.indices import Index
    from .spectral.series import FourierSeries

LEVEL = 0.1  # of false discoveries, and of intervals that miss
ROUNDING = 4 * np.finfo(float).eps  # of the largest value: what is smaller is no error
FEW = 1e-3  # share of all coalitions below which those evaluated are none of the error
SLOPE, STEEPEST = 1.0, 2.0  # prior standard deviation and bound of lambda
REACH = 32  # sizes over which lambda spreads an index: 4^k / k! is 1e-16 there
FACTORS = -20.0, 20.0  # logarithms of the least and the largest factor of the prior variances
BLOCK = 2**22  # characters computed at once


class Evidence(NamedTuple):
    """What was evaluated, and how far predictions were off there.

    Attributes:
        coalitions: Bool (m, n), distinct.
        values: What the game said of them, float64 (m,).
        residuals: Values minus predictions out of fold, float64 (m,), NaN for rows not judged.
        r2: Share of the variance explained over uniform coalitions, None where it is unknown.
    """

    coalitions: np.ndarray
    values: np.ndarray
    residuals: np.ndarray
    r2: float | None


class Shares(NamedTuple):
    """How the error is shared out among the coefficients.

    Attributes:
        tau: Squared standard error of a coefficient that is estimated without shrinkage.
        squares: Mean squared estimate of a coefficient of each size 0, 1, ..., float64 (D + 1,).
        factor: The one factor of the prior variances.
        means: Mean squared error of a coefficient of each size, float64 (D + 1,).
    """

    tau: float
    squares: np.ndarray
    factor: float
    means: np.ndarray

    @classmethod
    def of(cls, series: FourierSeries, variance: float, tau: float, max_order: int) -> Shares:
        """Find the factor with which the errors of all coefficients but F(empty) add up to V."""
        n, degrees = series.n, series.degrees
        top = max(int(degrees.max(initial=0)), min(max_order, n))
        counts = np.array([float(comb(n, d)) for d in range(top + 1)])
        groups = [series.coefficients[degrees == d] for d in range(top + 1)]
        squares = np.array([group @ group for group in groups]) / counts

        def sums(log_factor: float) -> np.ndarray:
            shares = cls(tau, squares, exp(log_factor), counts)
            known = [shares.errors(group, d).sum() for d, group in enumerate(groups)]
            others = [shares.errors(np.zeros(1), d)[0] for d in range(top + 1)]
            return known + (counts - [len(group) for group in groups]) * others

        def excess(log_factor: float) -> float:
            return float(sums(log_factor)[1:].sum() - variance)

        low, high = FACTORS
        best = low if excess(low) > 0 else high
        if excess(low) < 0 < excess(high):
            best = brentq(excess, low, high, xtol=1e-3)
        return cls(tau, squares, exp(best), sums(best) / counts)

    def errors(self, coefficients: np.ndarray, size: int) -> np.ndarray:
        """Expected squared errors of coefficients (k,) of sets of one size."""
        square = (coefficients**2 + self.squares[size]) / 2
        prior = self.factor * (square + np.sqrt(square**2 + 4 * square * self.tau)) / 2
        shrunk = prior * self.tau / (prior + self.tau)
        return np.maximum(shrunk, np.minimum(coefficients**2, self.tau))


@dataclass(frozen=True)
class Uncertainty:
    """The errors of a recovered series.

    Attributes:
        series: What was recovered.
        coalitions: Bool (m, n), those it was recovered from.
        left: What predictions leave of the values there, out of fold where judged, (m,).
        shares: How the error is shared out among the coefficients.
        slope: Lambda, positive where small coalitions are harder to predict.
        freedom: Number of residuals from which the error is known.

    Example:
        >>> from shapiq_spex import FourierSeries
        >>> x = np.random.default_rng(0).random((200, 9)) < 0.5
        >>> noise = 0.1 * np.random.default_rng(1).standard_normal(200)
        >>> series = FourierSeries.from_terms(9, {(0,): 1.0, (1, 2): 0.5})
        >>> errors = Uncertainty.of(series, Evidence(x, series(x) + noise, noise, None))
        >>> errors.standard_errors(np.array([[1, 2]]), "BII", 2).round(3)
        array([0.029])
    """

    series: FourierSeries
    coalitions: np.ndarray
    left: np.ndarray
    shares: Shares
    slope: float
    freedom: int

    @classmethod
    def of(cls, series: FourierSeries, seen: Evidence, max_order: int = 2) -> Uncertainty:
        """Estimate the errors; all are NaN where nothing was held out and R² is not known.

        Args:
            series: What was recovered.
            seen: What it was recovered from.
            max_order: Largest interaction that will be asked for.
        """
        m, n = seen.coalitions.shape
        judged = np.isfinite(seen.residuals)
        part = m / 2.0 ** min(n, 1000)
        needed = ~judged | (FEW < part < 1)  # nothing is left of a complete table
        fitted = np.zeros(m)
        fitted[needed] = seen.values[needed] - series(seen.coalitions[needed])
        # What was evaluated makes up a part of all coalitions, and there the fit is known.
        left = (1 - part) * np.where(judged, seen.residuals, fitted) + part * fitted
        variance = (1 - part) * _held_out(seen, judged) + part * float((fitted**2).mean())
        variance = max(variance, (ROUNDING * float(np.abs(seen.values).max())) ** 2)
        return cls(
            series,
            seen.coalitions,
            left,
            Shares.of(series, variance, variance / m, max_order),
            _slope(seen.coalitions[judged], seen.residuals[judged]),
            int(judged.sum()) or m,
        )

    def standard_errors(self, sets: np.ndarray, index: Index, max_order: int) -> np.ndarray:
        """Root mean squared errors of the index of sets of one size, int (k, t): (k,)."""
        n, t = self.series.n, sets.shape[1]
        means = self.shares.means
        weights = _spread(index, max_order, n, t, top=len(means) - 1, slope=self.slope)
        every = sum(comb(t, a) * comb(n - t, b) * w**2 * means[a + b] for (a, b), w in weights)
        own = self.shares.errors(_coefficients(self.series, sets), t) - means[t]
        return np.sqrt(every + dict(weights)[t, 0] ** 2 * own)

    def p_values(self, sets: np.ndarray) -> np.ndarray:
        """Two-sided p-values of F(T) = 0 for sets of one size, int (k, t): (k,)."""
        estimates = _coefficients(self.series, sets) + _moments(self.coalitions, self.left, sets)
        return self.tail(estimates, sqrt(self.shares.tau))

    def tail(self, values: np.ndarray, standard_errors: np.ndarray | float) -> np.ndarray:
        """Two-sided p-values of values that deviate from 0 by their standard errors."""
        ratio = np.abs(values) / np.maximum(standard_errors, np.finfo(float).tiny)
        return 2 * student.sf(ratio, self.freedom)

    @property
    def half_width(self) -> float:
        """Half the width of an interval in standard errors."""
        return float(student.isf(LEVEL / 2, self.freedom))


def discoveries(p_values: np.ndarray, orders: np.ndarray, n: int) -> np.ndarray:
    """Which interactions are significant, with false discoveries controlled at ``LEVEL``.

    The procedure of Benjamini and Hochberg (1995) over all sets of the n players, reported or not.
    Single players are a family of their own. All larger sets are one family, in which each size
    has an equal share of the level, for there are far more large sets than small ones.

    Args:
        p_values: Of the sets reported, float64 (k,).
        orders: Their sizes, int (k,).
        n: Number of players.

    Returns:
        Bool (k,).

    Example:
        >>> p = np.array([1e-9, 1e-4, 0.01, 1e-4])
        >>> discoveries(p, np.array([1, 2, 2, 3]), 20)
        array([ True,  True, False, False])
    """
    found = np.zeros(len(p_values), dtype=bool)
    for family in (orders == 1, orders > 1):
        sizes = np.unique(orders[family])
        sets = np.array([float(comb(n, int(size))) for size in orders[family]])
        expected = np.sort(p_values[family] * sets * len(sizes))
        passed = np.flatnonzero(expected <= LEVEL * np.arange(1, len(expected) + 1))
        if len(passed):
            found[family] = p_values[family] * sets * len(sizes) <= expected[passed[-1]]
    return found


def _held_out(seen: Evidence, judged: np.ndarray) -> float:
    """Mean squared error over uniform coalitions that were not evaluated."""
    spread = float((seen.values[judged] if judged.any() else seen.values).var())
    known = [] if seen.r2 is None else [(1 - seen.r2) * spread]
    if judged.any():
        known.append(float((seen.residuals[judged] ** 2).mean()))
    if not known and spread > 0:
        return np.nan
    return max(known, default=0.0)


def _slope(coalitions: np.ndarray, residuals: np.ndarray) -> float:
    """Lambda of largest posterior probability for normal residuals."""
    if not residuals.any():
        return 0.0
    lean = 1 - 2 * coalitions.mean(axis=1)

    def cost(slope: float) -> float:
        size = float((residuals**2 * np.exp(-2 * slope * lean)).mean())
        return slope * lean.sum() + len(lean) / 2 * np.log(size) + (slope / SLOPE) ** 2 / 2

    return float(minimize_scalar(cost, bounds=(-STEEPEST, STEEPEST), method="bounded").x)


@cache
def _spread(
    index: Index, max_order: int, n: int, t: int, *, top: int, slope: float
) -> list[tuple[tuple[int, int], float]]:
    """W_T(R) for every R with a players in T and b others, a + b <= top: [((a, b), W)].

    With u = tanh(lambda / n), a chi_R = const prod_{i in R} (chi_i + u) prod_{i not in R} (1 + u
    chi_i), so a set R' that differs from R in k players has the coefficient u^k in it, and the
    index gives it c(|R'|, t). The two ends, where r = 0, are taken out.
    """
    u, size = tanh(slope / n), sqrt(cosh(2 * slope / n) ** n)
    ends = _end_weights(index, max_order, n, t)
    empty, full = ends[0] * exp(slope) / size, ends[1] * exp(-slope) / size
    weights = []
    for a, b in [(i, j) for i in range(t + 1) for j in range(min(top - i, n - t) + 1)]:
        total = 0.0
        for other in range(min(b + REACH, n - t) + 1):
            ways = sum(
                comb(b, both) * comb(n - t - b, other - both) * u ** (b + other - 2 * both)
                for both in range(max(0, other + b - n + t), min(b, other) + 1)
            )
            total += ways * float(weight(index, max_order, t + other, t))
        w = cosh(slope / n) ** n / size * u ** (t - a) * total
        weights.append(((a, b), w - empty - (-1) ** (a + b) * full))
    return weights


@cache
def _end_weights(index: Index, max_order: int, n: int, t: int) -> tuple[float, float]:
    """What the values of the empty and of the full coalition count for in I(T), |T| = t."""
    empty = sum(
        (-1) ** s * comb(n - t, s - t) * moebius_weight(index, max_order, s, t)
        for s in range(t, n + 1)
    )
    return float(empty), float(moebius_weight(index, max_order, n, t))


def _coefficients(series: FourierSeries, sets: np.ndarray) -> np.ndarray:
    """F(T) of sets of one size, int (k, t): (k,)."""
    found: dict[tuple[int, ...], float] = {}
    for rows, values in series.by_degree():
        if rows.shape[1] == sets.shape[1]:
            found = dict(zip(map(tuple, rows.tolist()), values.tolist(), strict=True))
    return np.array([found.get(tuple(one), 0.0) for one in sets.tolist()])


def _moments(coalitions: np.ndarray, left: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """mean_j left_j chi_T(x_j) of sets of one size, int (k, t): (k,)."""
    if not left.any():
        return np.zeros(len(sets))
    z = 1 - 2 * coalitions.astype(np.float32)
    out = np.empty(len(sets))
    step = max(1, BLOCK // len(z))
    for start in range(0, len(sets), step):
        block = sets[start : start + step]
        chi = z[:, block[:, 0]]
        for column in block.T[1:]:
            chi *= z[:, column]
        out[start : start + step] = left.astype(np.float32) @ chi
    return out / len(z)


def assess(
    found: Uncertainty, values: dict[tuple[int, ...], float], index: Index, max_order: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors, and which are significant, of the values of an index.

    Args:
        found: The errors of the series.
        values: {players: value} of non-empty sets.
        index: Which index.
        max_order: Its order.

    Returns:
        Float64 (k,) and bool (k,) in the order of the values.
    """
    orders = np.array([len(players) for players in values], dtype=np.int64)
    each = np.array(list(values.values()))
    errors, p_values = np.zeros(len(each)), np.ones(len(each))
    for order in np.unique(orders):
        rows = np.flatnonzero(orders == order)
        sets = np.array([players for players in values if len(players) == order])
        errors[rows] = found.standard_errors(sets, index, max_order)
        both = found.p_values(sets), found.tail(each[rows], errors[rows])
        p_values[rows] = np.maximum(*both)
    return errors, discoveries(p_values, orders, found.series.n)
