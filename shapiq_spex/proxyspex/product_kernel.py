"""The product kernel over players, and the hyper-parameters that fit a game best.

With z_i = 1 - 2 x_i in {1, -1} the covariance of two coalitions is

    k(x, x') = c + a z.z'/n + s prod_i (1 + l_i z_i z'_i) / (1 + l_i),      0 < l_i < 1,

so the coefficient F(S) has the prior variance s prod_{i in S} l_i / prod_j (1 + l_j), plus a/n for
|S| = 1 and c for the empty set: sparsity by player, low degree and hierarchy in one formula. With
b_i = artanh(l_i) the product is exp(sum_i b_i (z_i z'_i - 1)), an affine function of Z diag(b) Z'^T
under an exponential, and every derivative is a matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

CONSTANT = 1.0  # prior variance c of the constant, in units of the variance of the values
JITTER = 1e-8


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

    def prior(self, support: np.ndarray) -> np.ndarray:
        """Prior variances of the coefficients F(S) of a bool support (s, n)."""
        degree = support.sum(axis=1)
        product = np.exp(self.log_base + support @ self.log_l)
        return product + CONSTANT * (degree == 0) + self.linear / support.shape[1] * (degree == 1)

    @property
    def total(self) -> float:
        """Prior variance of all coefficients together, which is that of a value without noise."""
        return CONSTANT + self.linear + self.scale

    @property
    def log_l(self) -> np.ndarray:
        """Log l_i, (n,)."""
        return np.log(np.tanh(self.b))

    @property
    def log_base(self) -> float:
        """Log s / prod_j (1 + l_j): the product part's variance of the constant."""
        return float(np.log(self.scale) - np.log1p(np.tanh(self.b)).sum())

    def product(self, z: np.ndarray) -> np.ndarray:
        """The product part of the covariance."""
        return self.scale * np.exp((z * self.b) @ z.T - self.b.sum())


def tune(
    z: np.ndarray, y: np.ndarray, shrinkage: float, extra: np.ndarray | float = 0.0
) -> tuple[Kernel, float]:
    """Hyper-parameters of largest penalised marginal likelihood, and minus its logarithm.

    Args:
        z: Signs of the observed coalitions, (m, n).
        y: Values of mean 0 and variance 1, (m,).
        shrinkage: Precision of log b_i around their common mean.
        extra: Covariance (m, m) from known terms, added to the kernel's.
    """
    n = z.shape[1]
    start = np.log(np.concatenate([np.full(n, 1 / n), [1.0, 0.3, 0.1]]))
    bounds = [(np.log(1e-6), np.log(3.0))] * n + [(-8, 6), (-12, 4), (-14, 2)]
    best = minimize(
        objective,
        start,
        args=(z, y, shrinkage, extra),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 60},
    )
    return unpack(best.x), float(best.fun)


def objective(
    theta: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    shrinkage: float,
    extra: np.ndarray | float = 0.0,
) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood plus the penalty, and its gradient in theta.

    With A = alpha alpha^T - K^-1 the likelihood's derivative along dK is trace(A dK) / 2, and
    dK/db_i = (z_i z_i^T - 1) * product part.
    """
    n, kernel = z.shape[1], unpack(theta)
    inverse, log_det = inverse_and_log_det(kernel.gram(z) + extra)
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


def inverse_and_log_det(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverse and log determinant of a positive definite matrix."""
    factor, failed = lapack.dpotrf(gram, lower=1)
    if failed:  # rounding; the jitter is lost beside very large entries
        gram = gram + 1e-10 * gram.diagonal().max() * np.eye(len(gram))
        factor, _ = lapack.dpotrf(gram, lower=1)
    lower, _ = lapack.dpotri(factor, lower=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    return inverse, 2 * float(np.log(factor.diagonal()).sum())
