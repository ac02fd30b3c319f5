"""A Gaussian process whose kernel is a product over players, read out as a Fourier series.

With z_i = 1 - 2 x_i in {1, -1} the kernel of two coalitions is

    k(x, x') = c + a z.z'/n + s prod_i (1 + l_i z_i z'_i) / (1 + l_i),      0 < l_i < 1,

so the coefficient F(S) has the prior variance s prod_{i in S} l_i / prod_j (1 + l_j), plus a/n for
|S| = 1 and c for the empty set: sparsity by player, low degree and hierarchy in one formula. With
b_i = artanh(l_i) the product is exp(sum_i b_i (z_i z'_i - 1)), an affine function of Z diag(b) Z'^T
under an exponential, and every derivative is a matrix product. The posterior mean of F(S) is its
prior variance times sum_j alpha_j chi_S(x_j) with alpha = K^-1 y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.series import FourierSeries

from .proxies import Surrogate

CONSTANT = 1.0  # prior variance c of the constant, in units of the variance of the values
JITTER = 1e-8
END_NOISE = 1e-6  # the empty and the full coalition are met, not smoothed


class Kernel(NamedTuple):
    """Hyper-parameters in units of the standardised values."""

    b: np.ndarray  # artanh of the relevance of each player, (n,)
    scale: float  # s
    linear: float  # a
    noise: float  # variance of a value around the process

    def gram(self, z: np.ndarray) -> np.ndarray:
        """Prior covariance of the values at the rows of z, without noise."""
        return CONSTANT + self.linear / z.shape[1] * (z @ z.T) + self.product(z)

    def product(self, z: np.ndarray) -> np.ndarray:
        """The product part of the covariance."""
        return self.scale * np.exp((z * self.b) @ z.T - self.b.sum())


@dataclass(frozen=True)
class GaussianProcess:
    """The product-kernel Gaussian process as a surrogate of a game.

    The hyper-parameters maximise the marginal likelihood of the values with log b_i shrunk towards
    their common mean, log b_i ~ N(mean, 1 / shrinkage). The posterior mean is read out by
    extending the strongest sets one player at a time, from all pairs upwards.

    Attributes:
        shrinkage: Precision of the prior that ties the relevances together.
        terms: Number of non-constant terms kept, at least; never fewer than there are values.
        tuning_rows: Number of values at most from which the hyper-parameters are learned.
        folds: Number of folds of the cross-validated R².

    Example:
        >>> import itertools
        >>> x = np.array(list(itertools.product([0, 1], repeat=4)), dtype=bool)
        >>> y = 2.0 * x[:, 0] + x[:, 1] * x[:, 2]
        >>> fit = GaussianProcess().fit(x, y, np.random.default_rng(0))
        >>> bool(abs(fit.series(x) - y).max() < 0.05)
        True
    """

    shrinkage: float = 4.0
    terms: int = 2000
    tuning_rows: int = 1500
    folds: int = 5

    def fit(
        self, coalitions: np.ndarray, values: np.ndarray, rng: np.random.Generator
    ) -> Surrogate:
        """Fit the values of distinct coalitions.

        Args:
            coalitions: Bool (m, n), with m >= 2.
            values: Finite float64 (m,).
            rng: Source of the folds.

        Returns:
            The series, which meets the empty and the full coalition where they are among the
            rows, and its R² on folds left out of the fit (the hyper-parameters are not learned
            anew; None where the values are constant or too few).
        """
        center, spread = values.mean(), values.std()
        if spread <= 1e-12 * np.abs(values).max():
            return Surrogate(_constant(coalitions.shape[1], center), None)
        z, y = 1.0 - 2.0 * coalitions, (values - center) / spread
        ends = np.flatnonzero(np.abs(z.sum(axis=1)) == z.shape[1])
        kernel = self._tune(z, y, ends)
        inverse = _inverse(kernel.gram(z) + np.diag(_noise(kernel, len(y), ends)))
        alpha = inverse @ y
        series = self._read_out(kernel, z, alpha, y, ends)
        r2 = self._cross_validate(kernel, z, y, inverse, alpha, ends, rng)
        shift = _constant(series.n, center)
        return Surrogate(series * spread + shift, r2)

    def _tune(self, z: np.ndarray, y: np.ndarray, ends: np.ndarray) -> Kernel:
        """Hyper-parameters of largest penalised marginal likelihood."""
        rows = _first_rows(len(y), ends, self.tuning_rows)
        z, y, ends = z[rows], y[rows], np.flatnonzero(np.isin(rows, ends))
        n = z.shape[1]
        start = np.log(np.concatenate([np.full(n, 1 / n), [1.0, 0.3, 0.1]]))
        bounds = [(np.log(1e-6), np.log(3.0))] * n + [(-8, 6), (-12, 4), (-14, 2)]
        best = minimize(
            _objective,
            start,
            args=(z, y, ends, self.shrinkage),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 60},
        )
        return _kernel(best.x)

    def _read_out(
        self, kernel: Kernel, z: np.ndarray, alpha: np.ndarray, y: np.ndarray, ends: np.ndarray
    ) -> FourierSeries:
        """The largest coefficients of the posterior mean, made to meet the ends."""
        sets, values = grow(kernel, z, alpha, max(self.terms, len(alpha)))
        n = z.shape[1]
        groups = [(s, v) for s, v in zip(sets, values, strict=True) if len(v)]
        series = FourierSeries.from_rows(n, groups)
        if len(ends) < 2:
            return series
        order = np.argsort(z[ends].sum(axis=1))  # the full coalition has the least sum of z
        full, empty = y[ends[order]]
        return meet_ends(series, empty, full, prior_variances(kernel, series.support))

    def _cross_validate(
        self,
        kernel: Kernel,
        z: np.ndarray,
        y: np.ndarray,
        inverse: np.ndarray,
        alpha: np.ndarray,
        ends: np.ndarray,
        rng: np.random.Generator,
    ) -> float | None:
        """R² of the series of each fold's training part on the fold, ends always in training.

        alpha without the rows I is alpha_T - K^-1[T, I] (K^-1[I, I])^-1 alpha_I: one inverse
        serves every fold.
        """
        rows = rng.permutation(np.setdiff1d(np.arange(len(y)), ends))
        if len(rows) < 2 * self.folds:
            return None
        errors = np.empty(len(y))
        for out in np.array_split(rows, self.folds):
            rest = np.setdiff1d(np.arange(len(y)), out)
            shift = inverse[np.ix_(rest, out)] @ np.linalg.solve(
                inverse[np.ix_(out, out)], alpha[out]
            )
            where = np.flatnonzero(np.isin(rest, ends))
            series = self._read_out(kernel, z[rest], alpha[rest] - shift, y[rest], where)
            errors[out] = y[out] - series(z[out] < 0)
        return float(1 - (errors[rows] ** 2).sum() / ((y[rows] - y[rows].mean()) ** 2).sum())


def prior_variances(kernel: Kernel, support: np.ndarray) -> np.ndarray:
    """Prior variance of F(S) for each row S of a bool support (s, n)."""
    log_l = np.log(np.tanh(kernel.b))
    base = np.log(kernel.scale) - np.log1p(np.tanh(kernel.b)).sum()
    out = np.exp(base + support @ log_l)
    degree = support.sum(axis=1)
    return out + CONSTANT * (degree == 0) + kernel.linear / support.shape[1] * (degree == 1)


def grow(
    kernel: Kernel, z: np.ndarray, alpha: np.ndarray, count: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Posterior means of the constant, all players and the ``count`` strongest other sets found.

    Returns, one entry a size 0, 1, 2, ...: players int (k, size) and coefficients (k,).
    """
    n = z.shape[1]
    log_l = np.log(np.tanh(kernel.b))
    base = np.log(kernel.scale) - np.log1p(np.tanh(kernel.b)).sum()
    singles = (np.exp(base + log_l) + kernel.linear / n) * (alpha @ z)
    sets = [np.zeros((1, 0), dtype=np.int64), np.arange(n)[:, None]]
    values = [np.array([(np.exp(base) + CONSTANT) * alpha.sum()]), singles]
    parents, chi = sets[1], z
    while len(parents) and parents.shape[1] < n:
        child_values = (alpha[:, None] * chi).T @ z
        child_values *= np.exp(base + log_l[parents].sum(axis=1)[:, None] + log_l)
        children, strength = _children(parents, child_values, count)
        sets.append(children)
        values.append(strength)
        floor = _nth_largest(np.abs(np.concatenate(values[2:])), count)
        parents = children[np.abs(strength) >= floor][:PARENTS]
        chi = z[:, parents].prod(axis=2)
    return _strongest(sets, values, count)


PARENTS = 1000  # sets of one size that are extended


def _children(
    parents: np.ndarray, values: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The strongest distinct sets parent + one player, strongest first."""
    k, n = values.shape
    values = values.copy()
    values[np.arange(k)[:, None], parents] = 0.0
    size = np.abs(values).ravel()
    # A set is reached from each of its players at most once.
    limit = min(count * (parents.shape[1] + 1), size.size)
    top = np.argpartition(-size, limit - 1)[:limit]
    top = top[size[top] > 0]
    rows = np.sort(np.concatenate([parents[top // n], (top % n)[:, None]], axis=1), axis=1)
    rows, first = np.unique(rows, axis=0, return_index=True)
    strength = values.ravel()[top[first]]
    best = np.argsort(-np.abs(strength), kind="stable")[:count]
    return rows[best], strength[best]


def _strongest(
    sets: list[np.ndarray], values: list[np.ndarray], count: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    floor = _nth_largest(np.abs(np.concatenate([np.zeros(0), *values[2:]])), count)
    for size in range(2, len(sets)):
        kept = np.abs(values[size]) >= floor
        sets[size], values[size] = sets[size][kept], values[size][kept]
    return sets, values


def _nth_largest(size: np.ndarray, count: int) -> float:
    return 0.0 if len(size) <= count else float(np.partition(size, -count)[-count])


def _objective(
    theta: np.ndarray, z: np.ndarray, y: np.ndarray, ends: np.ndarray, shrinkage: float
) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood plus the penalty, and its gradient.

    With A = alpha alpha^T - K^-1 the likelihood's derivative along dK is trace(A dK) / 2, and
    dK/db_i = (z_i z_i^T - 1) * product part.
    """
    n, kernel = z.shape[1], _kernel(theta)
    product, line = kernel.product(z), z @ z.T / n
    noise = _noise(kernel, len(y), ends)
    gram = CONSTANT + kernel.linear * line + product
    gram[np.diag_indices(len(y))] += noise
    inverse, half_log_det = _inverse_and_log_det(gram)
    if inverse is None:
        return 1e10, np.zeros_like(theta)
    alpha = inverse @ y
    slope = np.outer(alpha, alpha) - inverse
    weighted = slope * product
    total = weighted.sum()
    learned = np.ones(len(y), dtype=bool)
    learned[ends] = False
    gradient = np.concatenate(
        [
            kernel.b * (np.einsum("ji,ji->i", z, weighted @ z) - total),
            [
                total,
                kernel.linear * (slope * line).sum(),
                kernel.noise * slope.diagonal()[learned].sum(),
            ],
        ]
    )
    away = theta[:n] - theta[:n].mean()
    value = 0.5 * y @ alpha + half_log_det + 0.5 * shrinkage * away @ away
    gradient *= -0.5
    gradient[:n] += shrinkage * away
    return value, gradient


def _kernel(theta: np.ndarray) -> Kernel:
    scale, linear, noise = np.exp(theta[-3:])
    return Kernel(np.exp(theta[:-3]), float(scale), float(linear), float(noise))


def _noise(kernel: Kernel, m: int, ends: np.ndarray) -> np.ndarray:
    noise = np.full(m, kernel.noise + JITTER)
    noise[ends] = END_NOISE
    return noise


def _inverse_and_log_det(gram: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Inverse and half the log determinant, (None, 0) where the matrix is not positive."""
    factor, failed = lapack.dpotrf(gram, lower=1)
    if failed:
        return None, 0.0
    half_log_det = float(np.log(factor.diagonal()).sum())
    lower, _ = lapack.dpotri(factor, lower=1)
    return np.tril(lower) + np.tril(lower, -1).T, half_log_det


def _inverse(gram: np.ndarray) -> np.ndarray:
    inverse, _ = _inverse_and_log_det(gram)
    return np.linalg.pinv(gram) if inverse is None else inverse


def _first_rows(m: int, ends: np.ndarray, limit: int) -> np.ndarray:
    """The ends and the first other rows, limit in all, sorted."""
    others = np.setdiff1d(np.arange(m), ends)
    return np.sort(np.concatenate([ends, others[: max(limit - len(ends), 0)]]))


def _constant(n: int, value: float) -> FourierSeries:
    return FourierSeries(np.zeros((1, n), dtype=bool), np.array([value]))
