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
   are met exactly, so r = 0 there, as at coalitions evaluated near them on purpose.
3. *Index.* The error of I(T) is linear in r, a sum of W_T(R) r0(R) over sets R, and its mean
   square follows.

Whether there is an interaction at all does not lean on these estimates alone: with residuals e_j
out of fold, F(R) + mean_j e_j chi_R(x_j) is unbiased with standard error sqrt(tau), whatever the
surrogate; very nearly so where coalitions were moved away from each other. That the sets of a
sparse series were chosen on all rows is allowed for by a comparison with all sets: terms whose
p-value survives it (Bonferroni; single players share half of the level, pairs a quarter, sets of
three an eighth, ...) are significant. The means are their corrections, as a surrogate shrinks them:
they shift the test of an index and widen its interval. An interaction is significant where it is
part of a significant term and its own p-value survives a comparison with all others reported,
single players and larger sets apart. So it is rare that anything at all is wrongly significant, and
the share of what is can only be smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, exp
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import comb as binomial
from scipy.stats import t as student

from .spectral.characters import moments_of, signs
from .spectral.coalitions import rows_of
from .spectral.indices import interactions
from .spectral.series import FourierSeries
from .spectral.tilt import slope_of, tilted_spectrum, tilted_weights
from .spectral.walsh import all_coalitions, table_index

if TYPE_CHECKING:
    from collections.abc import Collection

    from .spectral.coalitions import PackedCoalitions
    from .spectral.indices import Index

LEVEL = 0.1  # of runs with a false discovery, and of intervals that miss
ROUNDING = 4 * np.finfo(float).eps  # of the largest value: what is smaller is no error
FEW = 1e-3  # share of all coalitions below which those evaluated are none of the error
FACTORS = -20.0, 20.0  # logarithms of the least and the largest factor of the prior variances
BLOCK = 2**24  # entries of coalitions unpacked at once
TINY, MANY = np.finfo(float).tiny, 1e150


class Evidence(NamedTuple):
    """What was evaluated, and how far predictions were off there.

    Attributes:
        coalitions: Bool (m, n), distinct; packed ones will do.
        values: What the game said of them, float64 (m,).
        residuals: Values minus predictions out of fold, float64 (m,), NaN for rows not judged.
        r2: Share of the variance explained over uniform coalitions, None where it is unknown.
        near: Further coalitions, near the ends on purpose, whose values the series has; bool
            (k, n) with at most 16 players, None for none.
    """

    coalitions: np.ndarray | PackedCoalitions
    values: np.ndarray
    residuals: np.ndarray
    r2: float | None
    near: np.ndarray | None = None


class Shares(NamedTuple):
    """How the error is shared out among the coefficients.

    Attributes:
        tau: Squared standard error of a coefficient that is estimated without shrinkage.
        squares: Mean squared estimate of a coefficient of each size 0, 1, ..., float64 (D + 1,).
        factor: The one factor of the prior variances.
        sums: Squared errors of all coefficients of each size together, float64 (D + 1,).
    """

    tau: float
    squares: np.ndarray
    factor: float
    sums: np.ndarray

    @classmethod
    def of(cls, series: FourierSeries, variance: float, tau: float, max_order: int) -> Shares:
        """Find the factor with which the errors of all coefficients but F(empty) add up to V."""
        n, degrees = series.n, series.degrees
        top = max(int(degrees.max(initial=0)), min(max_order, n))
        counts = _counts(n, np.arange(top + 1))
        groups = [series.coefficients[degrees == d] for d in range(top + 1)]
        squares = np.array([group @ group for group in groups]) / counts

        def shares(log_factor: float) -> Shares:
            one = cls(tau, squares, exp(log_factor), counts)
            known = [one.errors(group, d).sum() for d, group in enumerate(groups)]
            others = [one.errors(np.zeros(1), d)[0] for d in range(top + 1)]
            left = np.maximum(counts - [len(group) for group in groups], 0)
            return one._replace(sums=known + left * others)

        def excess(log_factor: float) -> float:
            return float(shares(log_factor).sums[1:].sum() - variance)

        low, high = FACTORS
        best = low if excess(low) > 0 else high
        if excess(low) < 0 < excess(high):
            best = brentq(excess, low, high, xtol=1e-3)
        return shares(best)

    def errors(self, coefficients: np.ndarray, size: int) -> np.ndarray:
        """Expected squared errors of coefficients (k,) of sets of one size."""
        square = (coefficients**2 + self.squares[size]) / 2
        prior = self.factor * (square + np.sqrt(square**2 + 4 * square * self.tau)) / 2
        shrunk = prior * self.tau / np.maximum(prior + self.tau, TINY)
        return np.maximum(shrunk, np.minimum(coefficients**2, self.tau))


@dataclass(frozen=True)
class Uncertainty:
    """The errors of a recovered series.

    Attributes:
        n: Number of players.
        shares: How the error is shared out among the coefficients.
        slope: Lambda, positive where small coalitions are harder to predict.
        freedom: Number of residuals from which the error is known.
        corrected: The series with its significant terms corrected.
        corrections: Of each significant term.
        near: Coalitions near the ends that the series meets, None for none.

    Example:
        >>> from shapiq_spex import FourierSeries
        >>> x = np.random.default_rng(0).random((200, 9)) < 0.5
        >>> noise = 0.1 * np.random.default_rng(1).standard_normal(200)
        >>> series = FourierSeries.from_terms(9, {(0,): 1.0, (1, 2): 0.5})
        >>> errors = Uncertainty.of(series, Evidence(x, series(x) + noise, noise, None))
        >>> errors.standard_errors(np.array([[1, 2]]), "BII", 2).round(3)
        array([0.026])
    """

    n: int
    shares: Shares
    slope: float
    freedom: int
    corrected: FourierSeries
    corrections: FourierSeries
    near: np.ndarray | None = None

    @classmethod
    def of(cls, series: FourierSeries, seen: Evidence, max_order: int = 2) -> Uncertainty:
        """Estimate the errors; all are NaN where nothing was held out and R² is not known.

        Args:
            series: What was recovered.
            seen: What it was recovered from.
            max_order: Largest interaction that will be asked for.
        """
        m, n = len(seen.values), series.n
        judged = np.isfinite(seen.residuals)
        freedom = int(judged.sum()) or m
        left, variance = _left(series, seen, judged)
        tau = variance / m
        moments = _moments(seen.coalitions, left, series)
        compared = _counts(n, series.degrees) * np.exp2(np.minimum(series.degrees, 500))
        p_values = tail(series.coefficients + moments, tau, freedom)
        significant = (series.degrees > 0) & (compared * p_values <= LEVEL)
        corrections = FourierSeries(series.support[significant], moments[significant])
        noise = significant.sum() * tau
        rest = variance - float((corrections.coefficients**2).sum()) + noise
        corrected = series + corrections
        return cls(
            n,
            Shares.of(corrected, max(rest, noise), tau, max_order),
            slope_of(rows_of(seen.coalitions, judged), seen.residuals[judged]),
            freedom,
            corrected,
            corrections,
            seen.near,
        )

    def standard_errors(self, sets: np.ndarray, index: Index, max_order: int) -> np.ndarray:
        """Standard errors of the corrected index of sets of one size, int (k, t): (k,)."""
        n, t, sums = self.n, sets.shape[1], self.shares.sums
        own = self.shares.errors(_coefficients(self.corrected, sets), t) - sums[t] / comb(n, t)
        if self.near is not None:
            return self._errors_away_from(self.near, sets, index, max_order, own)
        weights = tilted_weights(index, max_order, n, t, top=len(sums) - 1, slope=self.slope)
        every = sum(
            comb(t, a) * comb(n - t, b) / comb(n, a + b) * w**2 * sums[a + b]
            for (a, b), w in weights.items()
        )
        return np.sqrt(every + weights[t, 0] ** 2 * own)

    def _errors_away_from(
        self, near: np.ndarray, sets: np.ndarray, index: Index, max_order: int, more: np.ndarray
    ) -> np.ndarray:
        """The same where the error is 0 near the ends; each set's own coefficient has ``more``."""
        means = np.zeros(self.n + 1)
        means[: len(self.shares.sums)] = self.shares.sums
        means /= [comb(self.n, d) for d in range(self.n + 1)]
        every = means[all_coalitions(self.n).sum(axis=1)]
        squares = np.empty(len(sets))
        for row, players in enumerate(sets):
            weights = tilted_spectrum(index, max_order, players, slope=self.slope, known=near)
            squares[row] = every @ weights**2 + more[row] * weights[(1 << players).sum()] ** 2
        return np.sqrt(squares)

    def shifts(self, index: Index, max_order: int) -> dict[tuple[int, ...], float]:
        """How far the corrections move an index."""
        moved = self.corrections
        if self.near is not None:  # nothing is to be corrected where the series meets the game
            table = moved.to_table()
            table[0] = table[-1] = table[table_index(self.near)] = 0.0
            moved = FourierSeries.from_table(table)
        return interactions(moved, index, max_order, min_order=1)

    def within_significant(self, sets: Collection[tuple[int, ...]]) -> np.ndarray:
        """Whether each of k sets is part of a significant term, bool (k,)."""
        # Equal signs do not cancel in the Moebius transform.
        ones = FourierSeries(self.corrections.support, np.ones(len(self.corrections)))
        parts = interactions(ones, "Moebius", max(map(len, sets), default=1))
        return np.array([parts.get(players, 0.0) != 0 for players in sets], dtype=bool)


class Assessment(NamedTuple):
    """How far each of k values of an index can be trusted.

    Attributes:
        standard_error: Root mean squared error to expect, float64 (k,).
        lower: Lower ends of intervals, at most the value, float64 (k,).
        upper: Upper ends, at least the value, float64 (k,).
        significant: Bool (k,).
    """

    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    significant: np.ndarray

    @classmethod
    def of(
        cls,
        errors: Uncertainty,
        values: dict[tuple[int, ...], float],
        index: Index,
        max_order: int,
    ) -> Assessment:
        """Assess the values {players: value} of non-empty sets.

        Args:
            errors: The errors of the series the values are of.
            values: {players: value} of non-empty sets.
            index: Which index.
            max_order: Its order.
        """
        orders = np.array([len(players) for players in values], dtype=np.int64)
        each = np.array(list(values.values()))
        moved = errors.shifts(index, max_order)
        bias = np.array([moved.get(players, 0.0) for players in values])
        spread = np.zeros(len(each))
        for order in np.unique(orders):
            sets = np.array([players for players in values if len(players) == order])
            spread[orders == order] = errors.standard_errors(sets, index, max_order)
        family = np.where(orders == 1, (orders == 1).sum(), (orders > 1).sum())
        p_values = tail(each + bias, spread**2, errors.freedom)
        significant = errors.within_significant(values) & (family * p_values <= LEVEL)
        half = spread * student.isf(LEVEL / 2, errors.freedom)
        lower = each + np.minimum(bias, 0.0) - half
        upper = each + np.maximum(bias, 0.0) + half
        return cls(np.hypot(spread, bias), lower, upper, significant)


def tail(values: np.ndarray, variance: np.ndarray | float, freedom: int) -> np.ndarray:
    """Two-sided p-values of values with mean 0 and such a variance, estimated from so many."""
    return 2 * student.sf(np.abs(values) / np.sqrt(np.maximum(variance, TINY)), freedom)


def _left(series: FourierSeries, seen: Evidence, judged: np.ndarray) -> tuple[np.ndarray, float]:
    """What the series leaves of the values, out of fold where judged, and its mean square V."""
    m, n = len(seen.values), series.n
    part = m / 2.0 ** min(n, 1000)
    needed = ~judged | (FEW < part < 1)  # nothing is left of a complete table
    fitted = np.zeros(m)
    fitted[needed] = seen.values[needed] - series(rows_of(seen.coalitions, needed))
    # What was evaluated makes up a part of all coalitions, and there the fit is known.
    left = (1 - part) * np.where(judged, seen.residuals, fitted) + part * fitted
    variance = (1 - part) * _held_out(seen, judged) + part * float((fitted**2).mean())
    return left, max(variance, (ROUNDING * float(np.abs(seen.values).max())) ** 2)


def _held_out(seen: Evidence, judged: np.ndarray) -> float:
    """Mean squared error over uniform coalitions that were not evaluated."""
    values = seen.values[judged] if judged.any() else seen.values
    constant = np.ptp(values) <= ROUNDING * np.abs(values).max()
    spread = 0.0 if constant else float(values.var())
    known = [] if seen.r2 is None else [(1 - seen.r2) * spread]
    if judged.any():
        known.append(float((seen.residuals[judged] ** 2).mean()))
    if not known and spread > 0:
        return np.nan
    return max(known, default=0.0)


def _coefficients(series: FourierSeries, sets: np.ndarray) -> np.ndarray:
    """F(T) of sets of one size, int (k, t): (k,)."""
    same = series.degrees == sets.shape[1]
    players = np.nonzero(series.support[same])[1].reshape(-1, sets.shape[1]).tolist()
    found = dict(zip(map(tuple, players), series.coefficients[same].tolist(), strict=True))
    return np.array([found.get(tuple(one), 0.0) for one in sets.tolist()])


def _counts(n: int, sizes: np.ndarray) -> np.ndarray:
    """Number of sets of some sizes, float64 (k,), finite whatever n is."""
    return np.minimum(binomial(n, sizes), MANY)


def _moments(
    coalitions: np.ndarray | PackedCoalitions, left: np.ndarray, series: FourierSeries
) -> np.ndarray:
    """mean_j left_j chi_S(x_j) for the sets S of a series, float64 (s,)."""
    out, largest = np.zeros(len(series)), float(np.abs(left).max())
    if not largest > 0:
        return out
    small, step = (left / largest).astype(np.float32), max(1, BLOCK // series.n)
    for rows in (slice(i, i + step) for i in range(0, len(left), step)):
        out += moments_of(series, signs(coalitions[rows]), small[rows])
    return out * (largest / len(left))
