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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from shapiq_spex.spectral.series import FourierSeries

from .proxies import Surrogate

if TYPE_CHECKING:
    from .proxies import Finish

CONSTANT = 1.0  # prior variance c of the constant, in units of the variance of the values
JITTER = 1e-8
PARENTS = 1000  # sets of one size that are extended


class Kernel(NamedTuple):
    """Hyper-parameters in units of the standardised values."""

    b: np.ndarray  # artanh of the relevance of each player, (n,)
    scale: float  # s
    linear: float  # a
    noise: float  # variance of a value around the process

    def gram(self, z: np.ndarray) -> np.ndarray:
        """Covariance of the values observed at the rows of z."""
        gram = CONSTANT + self.linear / z.shape[1] * (z @ z.T) + self.product(z)
        gram[np.diag_indices(len(z))] += self.noise + JITTER
        return gram

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
        terms: Number of terms kept beside the constant and the single players, at least; never
            fewer than there are values.
        tuning_rows: Number of values at most from which the hyper-parameters are learned.
        folds: Number of folds of the cross-validated R².

    Example:
        >>> import itertools
        >>> x = np.array(list(itertools.product([0, 1], repeat=4)), dtype=bool)
        >>> y = 2.0 * x[:, 0] + x[:, 1] * x[:, 2]
        >>> fit = GaussianProcess().fit(x, y, np.random.default_rng(0), lambda series: series)
        >>> bool(abs(fit.series(x) - y).max() < 0.05)
        True
    """

    shrinkage: float = 4.0
    terms: int = 2000
    tuning_rows: int = 1000
    folds: int = 5

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """Fit the values of distinct coalitions.

        Args:
            coalitions: Bool (m, n), with m >= 1.
            values: Finite float64 (m,).
            rng: Source of the folds.
            finish: Last step applied to every series before it is judged or returned.

        Returns:
            The finished series and its R² on folds left out of the fit. The hyper-parameters are
            those of all values in every fold. R² is None where the values are constant or fewer
            than two a fold.
        """
        center, spread = values.mean(), values.std()
        if spread <= 1e-12 * np.abs(values).max():
            return Surrogate(finish(FourierSeries.constant(coalitions.shape[1], values[0])), None)
        constant = FourierSeries.constant(coalitions.shape[1], center)
        z, y = 1.0 - 2.0 * coalitions, (values - center) / spread
        kernel = _tune(z[: self.tuning_rows], y[: self.tuning_rows], self.shrinkage)
        inverse, _ = _inverse(kernel.gram(z))
        alpha = inverse @ y

        def series(rows: np.ndarray, alpha: np.ndarray) -> FourierSeries:
            groups = grow(kernel, z[rows], alpha, max(self.terms, len(alpha)))
            return finish(FourierSeries.from_rows(z.shape[1], groups) * spread + constant)

        errors = np.full(len(y), np.nan)
        if len(y) >= 2 * self.folds:
            for out in np.array_split(rng.permutation(len(y)), self.folds):
                rest, alpha_rest = leave_out(inverse, alpha, out)
                errors[out] = values[out] - series(rest, alpha_rest)(coalitions[out])
        r2 = float(1 - (errors**2).mean() / spread**2)
        return Surrogate(series(np.arange(len(y)), alpha), None if np.isnan(r2) else r2)


def leave_out(
    inverse: np.ndarray, alpha: np.ndarray, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rows T that stay when the rows I go, and alpha of a process that never saw I.

    alpha_T - K^-1[T, I] (K^-1[I, I])^-1 alpha_I: one inverse serves all folds.
    """
    rest = np.setdiff1d(np.arange(len(alpha)), out)
    gone = np.linalg.solve(inverse[np.ix_(out, out)], alpha[out])
    return rest, alpha[rest] - inverse[np.ix_(rest, out)] @ gone


def grow(
    kernel: Kernel, z: np.ndarray, alpha: np.ndarray, count: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Posterior means of the constant, all players and the ``count`` strongest other sets found.

    Args:
        kernel: Hyper-parameters.
        z: Signs 1 - 2 x of the observed coalitions, (m, n).
        alpha: K^-1 y, (m,).
        count: Number of sets of two players and more to keep.

    Returns:
        For each size 0, 1, 2, ...: players int (k, size) and coefficients (k,).
    """
    n = z.shape[1]
    log_l = np.log(np.tanh(kernel.b))
    base = np.log(kernel.scale) - np.log1p(np.tanh(kernel.b)).sum()
    constant = np.array([(np.exp(base) + CONSTANT) * alpha.sum()])
    singles = (np.exp(base + log_l) + kernel.linear / n) * (alpha @ z)
    groups = [(np.zeros((1, 0), dtype=np.int64), constant), (np.arange(n)[:, None], singles)]
    parents = np.argsort(-np.abs(singles), kind="stable")[:PARENTS, None]
    larger: list[tuple[np.ndarray, np.ndarray]] = []
    while len(parents) > 0 and parents.shape[1] < n:
        chi = z[:, parents].prod(axis=2)
        values = (alpha[:, None] * chi).T @ z
        values *= np.exp(base + log_l[parents].sum(axis=1)[:, None] + log_l)
        larger.append(_children(parents, values, count))
        sets, strength = larger[-1]
        # A set below the count-th strongest so far can have no place, and hardly a strong child.
        parents = sets[np.abs(strength) >= _floor(larger, count)][:PARENTS]
    floor = _floor(larger, count)
    return groups + [(s[np.abs(f) >= floor], f[np.abs(f) >= floor]) for s, f in larger]


def _children(parents: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest distinct sets parent + one player, strongest first."""
    k, n = values.shape
    size = np.abs(values)
    size[np.arange(k)[:, None], parents] = -1.0  # already a member
    # A set is reached from each of its players at most once.
    limit = min(count * (parents.shape[1] + 1), size.size)
    top = np.argpartition(-size.ravel(), limit - 1)[:limit]
    top = top[size.ravel()[top] >= 0]
    rows = np.sort(np.concatenate([parents[top // n], (top % n)[:, None]], axis=1), axis=1)
    rows, first = np.unique(rows, axis=0, return_index=True)
    strength = values.ravel()[top[first]]
    best = np.argsort(-np.abs(strength), kind="stable")[:count]
    return rows[best], strength[best]


def _floor(groups: list[tuple[np.ndarray, np.ndarray]], count: int) -> float:
    """Size of the count-th strongest coefficient, 0 where there are not as many."""
    size = np.abs(np.concatenate([np.zeros(0), *(values for _, values in groups)]))
    return 0.0 if len(size) <= count else float(np.partition(size, -count)[-count])


def _tune(z: np.ndarray, y: np.ndarray, shrinkage: float) -> Kernel:
    """Hyper-parameters of largest penalised marginal likelihood."""
    n = z.shape[1]
    start = np.log(np.concatenate([np.full(n, 1 / n), [1.0, 0.3, 0.1]]))
    bounds = [(np.log(1e-6), np.log(3.0))] * n + [(-8, 6), (-12, 4), (-14, 2)]
    best = minimize(
        objective,
        start,
        args=(z, y, shrinkage),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 60},
    )
    return unpack(best.x)


def objective(
    theta: np.ndarray, z: np.ndarray, y: np.ndarray, shrinkage: float
) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood plus the penalty, and its gradient in theta.

    With A = alpha alpha^T - K^-1 the likelihood's derivative along dK is trace(A dK) / 2, and
    dK/db_i = (z_i z_i^T - 1) * product part.
    """
    n, kernel = z.shape[1], unpack(theta)
    inverse, log_det = _inverse(kernel.gram(z))
    alpha = inverse @ y
    slope = np.outer(alpha, alpha) - inverse
    weighted = slope * kernel.product(z)
    total = weighted.sum()
    away = theta[:n] - theta[:n].mean()
    value = 0.5 * (y @ alpha + log_det + shrinkage * away @ away)
    gradient = np.empty_like(theta)
    gradient[:n] = kernel.b * (np.einsum("ji,ji->i", z, weighted @ z) - total)
    gradient[n] = total
    gradient[n + 1] = kernel.linear / n * np.einsum("ji,ji->", z, slope @ z)
    gradient[n + 2] = kernel.noise * slope.trace()
    gradient *= -0.5
    gradient[:n] += shrinkage * away
    return value, gradient


def unpack(theta: np.ndarray) -> Kernel:
    """The kernel whose logarithms are theta, (n + 3,)."""
    scale, linear, noise = np.exp(theta[-3:])
    return Kernel(np.exp(theta[:-3]), float(scale), float(linear), float(noise))


def _inverse(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverse and log determinant of a positive definite matrix."""
    factor, failed = lapack.dpotrf(gram, lower=1)
    if failed:  # rounding; the jitter is lost beside very large entries
        gram = gram + 1e-10 * gram.diagonal().max() * np.eye(len(gram))
        factor, _ = lapack.dpotrf(gram, lower=1)
    lower, _ = lapack.dpotri(factor, lower=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    return inverse, 2 * float(np.log(factor.diagonal()).sum())
