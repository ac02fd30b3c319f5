"""The kernel over coalitions, and the hyper-parameters that fit a game best.

With z_i = 1 - 2 x_i in {1, -1} the covariance of two coalitions is

    k(x, x') = c + a sum_i w_i z_i z'_i + s prod_i (1 + l_i z_i z'_i) / (1 + l_i) + d near(x, x'),

0 < l_i < 1, so the coefficient F(S) has the prior variance s prod_{i in S} l_i / prod_j (1 + l_j):
sparsity by player, low degree and hierarchy in one formula. To it come c for the empty set, a w_i
for single players and d v_S for the sets S of neighbours (see ``neighbours``); the data decide how
much of each. With b_i = artanh(l_i) and w_i = b_i / sum_j b_j, the product is
exp(sum_i b_i (z_i z'_i - 1)), an affine function of Z diag(b) Z'^T under an exponential, and every
derivative is a matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from shapiq_spex.spectral.characters import characters_at
from shapiq_spex.spectral.series import FourierSeries

CONSTANT = 1.0  # prior variance c of the constant, in units of the variance of the values
JITTER = 1e-8
# The search starts on that many values, two a player at least, and ends on all in a few steps.
FIRST_ROWS = 400
FIRST_STEPS, LAST_STEPS = 30, 4
AGAIN_STEPS = 12  # of a first search that starts from another kernel
# Logarithms of s, a, d and the noise are held near these with a standard deviation of two, and the
# mean of log b_i near that of log(DEGREE / n) with one of one. That matters to few values only,
# which a process without noise would follow one by one.
LIKELY, HELD = np.log([0.3, 0.1, 0.03, 0.5]), 0.25
DEGREE = 2.0
REACH = 4  # neighbours are at most that many places apart


class Kernel(NamedTuple):
    """Hyper-parameters in units of the standardised values."""

    b: np.ndarray  # artanh of the relevance of each player, (n,)
    scale: float  # s
    linear: float  # a
    near: float  # d
    noise: float  # variance of a value around the process

    def prior(self, support: np.ndarray) -> np.ndarray:
        """Prior variances of the coefficients F(S) of a bool support (s, n), but for d v_S."""
        degree = support.sum(axis=1)
        product = self.product_prior(support)
        return product + CONSTANT * (degree == 0) + (degree == 1) * (support @ self.singles)

    def product_prior(self, support: np.ndarray) -> np.ndarray:
        """The product part of them."""
        return np.exp(self.log_base + support @ self.log_l)

    @property
    def total(self) -> float:
        """Prior variance of all coefficients together, but for d v_S."""
        return CONSTANT + self.linear + self.scale

    @property
    def singles(self) -> np.ndarray:
        """The linear part's variances a w_i, (n,)."""
        return self.linear * self.b / self.b.sum()

    @property
    def log_l(self) -> np.ndarray:
        """Log l_i, (n,)."""
        return np.log(np.tanh(self.b))

    @property
    def log_base(self) -> float:
        """Log s / prod_j (1 + l_j): the product part's variance of the constant."""
        return float(np.log(self.scale) - np.log1p(np.tanh(self.b)).sum())

    def product(self, z: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The product part of the covariance, in the precision of z."""
        weighted = z * self.b.astype(z.dtype)
        exponents = weighted @ other.T + z.dtype.type(np.log(self.scale) - self.b.sum())
        return np.exp(exponents, out=exponents)

    def squared_product(self, z: np.ndarray) -> np.ndarray:
        """The sum of p_S^2 chi_S(z_i) chi_S(z_j), with the variances p_S of the product part."""
        squares = np.tanh(self.b) ** 2  # prod_i (1 + l_i^2 s_i) with signs s_i, as in ``product``
        start = 2 * self.log_base + 0.5 * np.log1p(-(squares**2)).sum()
        return np.exp((z * np.arctanh(squares)) @ z.T + start)


def neighbours(n: int) -> FourierSeries:
    """The shares v_S, which add up to 1, of sets of neighbours in the order of the players.

    Pairs d places apart have a share in proportion to 1 / d, three in a row half that of a pair
    side by side. Words, layers or days that are near each other interact more; where the players
    have no such order the likelihood sets d to nothing.
    """
    pairs = [((i, i + d), 1 / d) for d in range(1, REACH + 1) for i in range(n - d)]
    shares = dict(pairs + [((i, i + 1, i + 2), 0.5) for i in range(n - 2)])
    return FourierSeries.from_terms(n, shares) * (1 / max(sum(shares.values()), 1.0))


def terms_gram(terms: FourierSeries, z: np.ndarray) -> np.ndarray:
    """Covariance of values at the rows of z whose coefficients have the variances ``terms``."""
    half = characters_at(terms, z) * np.sqrt(terms.coefficients)
    return half @ half.T


def tune(
    z: np.ndarray,
    y: np.ndarray,
    shrinkage: float,
    *,
    known: FourierSeries | None = None,
    start: Kernel | None = None,
) -> tuple[Kernel, float]:
    """Hyper-parameters of largest penalised marginal likelihood, and minus its logarithm.

    Args:
        z: Signs of the observed coalitions in random order, (m, n).
        y: Values of mean 0 and variance about 1, (m,).
        shrinkage: Precision of log b_i around their common mean.
        known: Prior variances of known terms, beside the kernel's.
        start: Where to start the search.
    """
    n = z.shape[1]
    fixed = terms_gram(known, z) if known else np.zeros((len(z), len(z)))
    beside = terms_gram(neighbours(n), z), fixed
    theta = np.log(np.concatenate([np.full(n, 1 / n), [1.0, 0.3, 0.1, 0.1]]))
    if start:
        theta = np.log(np.concatenate([start.b, start[1:]]))
    bounds = [(np.log(1e-6), np.log(3.0))] * n + [(-8, 6), (-12, 4), (-12, 4), (-14, 2)]
    first = FIRST_ROWS
    steps = AGAIN_STEPS if start else FIRST_STEPS
    stages = [(first, steps)] + [(len(y), LAST_STEPS)] * (len(y) > first)
    for rows, steps in stages:
        best = minimize(
            objective,
            np.clip(theta, *np.transpose(bounds)),
            args=(z[:rows], y[:rows], shrinkage, tuple(gram[:rows, :rows] for gram in beside)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": steps},
        )
        theta = best.x
    return unpack(theta), float(best.fun)


def objective(
    theta: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    shrinkage: float,
    beside: tuple[np.ndarray, np.ndarray],
) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood plus the penalty, and its gradient in theta.

    With A = alpha alpha^T - K^-1 the likelihood's derivative along dK is trace(A dK) / 2, and
    dK/db_i = (z_i z_i^T - 1) * product part + (z_i z_i^T - sum_j w_j z_j z_j^T) a / sum_j b_j.

    Args:
        theta: Logarithms of the hyper-parameters, (n + 4,).
        z: Signs, (m, n).
        y: Values, (m,).
        shrinkage: Precision of log b_i around their common mean.
        beside: near(x, x') at the rows of z, (m, m), and covariance that stays as it is, (m, m).
    """
    n, kernel = z.shape[1], unpack(theta)
    near, fixed = beside
    # One matrix sum_i b_i z_i z_i^T serves the product and the linear part.
    half = z * np.sqrt(kernel.b)
    dots, rate = half @ half.T, kernel.linear / kernel.b.sum()
    product = np.exp(dots + (np.log(kernel.scale) - kernel.b.sum()))
    gram = rate * dots + CONSTANT
    gram += product
    gram += kernel.near * near
    gram += fixed
    gram[np.diag_indices(len(z))] += kernel.noise + JITTER
    inverse, log_det = inverse_and_log_det(gram)
    alpha = inverse @ y
    slope = np.outer(alpha, alpha)
    slope -= inverse
    linear = rate * np.vdot(slope, dots)
    close, trace = np.vdot(slope, near), slope.trace()
    product *= slope
    total = product.sum()
    # The slope for the matrix of all z_i z_i^T; signs in single precision halve its cost.
    slope *= rate
    slope += product
    pull = np.einsum("ji,ji->i", z, slope.astype(z.dtype) @ z)
    mean = theta[:n].mean()
    away, shift, off = theta[:n] - mean, mean - np.log(DEGREE / n), theta[n:] - LIKELY
    penalty = shrinkage * away @ away + shift**2 + HELD * off @ off
    value = 0.5 * (y @ alpha + log_det + penalty)
    gradient = np.empty_like(theta)
    gradient[:n] = kernel.b * (pull - total - linear / kernel.b.sum())
    gradient[n] = total
    gradient[n + 1] = linear
    gradient[n + 2] = kernel.near * close
    gradient[n + 3] = kernel.noise * trace
    gradient *= -0.5
    gradient[:n] += shrinkage * away + shift / n
    gradient[n:] += HELD * off
    return value, gradient


def unpack(theta: np.ndarray) -> Kernel:
    """The kernel whose logarithms are theta, (n + 4,)."""
    return Kernel(np.exp(theta[:-4]), *np.exp(theta[-4:]).tolist())


def inverse_and_log_det(gram: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverse and log determinant of a positive definite matrix."""
    # LAPACK keeps columns together: the transpose of a symmetric matrix is copied as it lies.
    factor, failed = lapack.dpotrf(gram.T, lower=1)
    if failed:  # rounding; the jitter is lost beside very large entries
        gram = gram + 1e-10 * gram.diagonal().max() * np.eye(len(gram))
        factor, _ = lapack.dpotrf(gram, lower=1)
    log_det = 2 * float(np.log(factor.diagonal()).sum())
    lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = lower + lower.T  # the upper triangle of ``lower`` is zero
    inverse[np.diag_indices(len(inverse))] *= 0.5
    return inverse, log_det
